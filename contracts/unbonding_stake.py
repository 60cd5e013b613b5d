"""A staking contract with a time of unbonding: what an account has there, and the calls for it.

Its interface is contracts/test/TestStaking.sol's. Others differ in names and clocks and need a doorway of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.contract import address_topic
from moray.contracts.outside import Read, outside_call, topic

_STAKED = topic("Staked(address,uint256)")
_UNSTAKED = topic("Unstaked(address,uint256,uint64)")
_WITHDRAWN = topic("Withdrawn(address,uint256)")


@dataclass(frozen=True, slots=True)
class StakeState:
    """Of one account at one block, in base units of ``token``. ``withdrawable_at``: Unix seconds, 0 where nothing was
    ever unstaked."""

    staking: str
    token: str
    unbonding_time_s: int
    staked: int
    unbonding: int
    withdrawable_at: int


def stake_reads(staking: str, account: str) -> tuple[Read, ...]:
    """The fields of ``StakeState`` after the first, in their order."""
    return (
        Read(staking, "token() returns (address)"),
        Read(staking, "unbondingTime() returns (uint64)"),
        Read(staking, "stakeOf(address) returns (uint256)", (account,)),
        Read(staking, "unbondingOf(address) returns (uint256)", (account,)),
        Read(staking, "withdrawableAt(address) returns (uint64)", (account,)),
    )


async def read_stake(chain: Chain, staking: str, account: str, block: Block | ChainBlock = "latest") -> StakeState:
    """Raises ContractMissing for what is no such contract."""
    return StakeState(staking, *[await each.ask(chain, block) for each in stake_reads(staking, account)])


def stake(staking: str, owner: str, amount: int) -> Call:
    """Needs an approval of ``amount`` for the contract."""
    return _call(staking, owner, "stake(uint256)", _STAKED, f"stake {amount} with {staking}", amount)


def unstake(staking: str, owner: str, amount: int) -> Call:
    """Starts the clock of unbonding; of all that is unbonding already, too."""
    return _call(staking, owner, "unstake(uint256)", _UNSTAKED, f"unstake {amount} from {staking}", amount)


def withdraw(staking: str, owner: str) -> Call:
    """All that has finished unbonding."""
    return _call(staking, owner, "withdraw()", _WITHDRAWN, f"withdraw what {staking} has unbonded")


def _call(staking: str, owner: str, function: str, event: bytes, summary: str, *args: int) -> Call:
    proof = ExpectedEvent(staking, (event, address_topic(owner)))
    return outside_call(staking, function, *args, summary=summary, proof=proof)
