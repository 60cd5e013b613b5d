"""ERC-4626 vaults: what one would give at one block, and the calls that put in and take out.

``deposit`` has no argument that limits slippage: whoever moves the vault's share price just before can take from the
depositor. So three things stand around the call: the shares that ``previewDeposit`` says at a block (``min_shares``
lowers it by what is allowed), a simulation that shows the shares arriving, and the balance of shares read afterwards at
the block that mined it (``require_min_shares``). The first two refuse before signing; the last stops what comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.contract import address_topic
from moray.contracts.intents import Mined
from moray.contracts.outside import Read, outside_call, topic
from moray.errors import BadSetting, EventMissing

_DEPOSIT = topic("Deposit(address,address,uint256,uint256)")
_WITHDRAW = topic("Withdraw(address,address,address,uint256,uint256)")
_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class VaultState:
    """Of one account at one block: ``shares`` are the account's, ``value`` what they would give, ``max_*`` what the
    vault lets the account do now. ``total_*`` are everybody's."""

    vault: str
    asset: str
    total_assets: int
    total_shares: int
    shares: int
    value: int
    max_deposit: int
    max_withdraw: int


async def read_vault(chain: Chain, vault: str, account: str, block: Block | ChainBlock = "latest") -> VaultState:
    """Raises ContractMissing for what is no ERC-4626 vault."""
    answers = [await each.ask(chain, block) for each in vault_reads(vault, account)]
    value = await preview_redeem(vault, answers[3]).ask(chain, block)
    return vault_state(vault, answers, value)


def vault_reads(vault: str, account: str) -> tuple[Read, ...]:
    """What ``vault_state`` takes the answers of."""
    return (
        Read(vault, "asset() returns (address)"),
        Read(vault, "totalAssets() returns (uint256)"),
        Read(vault, "totalSupply() returns (uint256)"),
        Read(vault, "balanceOf(address) returns (uint256)", (account,)),
        Read(vault, "maxDeposit(address) returns (uint256)", (account,)),
        Read(vault, "maxWithdraw(address) returns (uint256)", (account,)),
    )


def vault_state(vault: str, answers: Sequence[object], value: int) -> VaultState:
    asset, *numbers = answers
    total_assets, total_shares, shares, max_deposit, max_withdraw = (int(str(number)) for number in numbers)
    return VaultState(vault, str(asset), total_assets, total_shares, shares, value, max_deposit, max_withdraw)


def preview_deposit(vault: str, assets: int) -> Read:
    """The shares that ``assets`` would buy in the block it is asked at."""
    return Read(vault, "previewDeposit(uint256) returns (uint256)", (assets,))


def preview_withdraw(vault: str, assets: int) -> Read:
    """The shares that taking ``assets`` out would cost."""
    return Read(vault, "previewWithdraw(uint256) returns (uint256)", (assets,))


def preview_redeem(vault: str, shares: int) -> Read:
    """The assets that ``shares`` would give."""
    return Read(vault, "previewRedeem(uint256) returns (uint256)", (shares,))


def min_shares(previewed: int, slippage_bps: int) -> int:
    """The fewest shares that a deposit may give. Raises BadSetting where that is none: a vault that gives nothing for
    the deposit keeps it."""
    fewest = -(-previewed * (_BPS - slippage_bps) // _BPS)
    if not 0 <= slippage_bps < _BPS or fewest < 1:
        raise BadSetting(f"{previewed} shares less {slippage_bps} bps are none; deposit more, or allow less slippage")
    return fewest


def require_min_shares(mined: Mined, vault: str, account: str, fewest: int) -> int:
    """The shares that a mined deposit gave. Raises EventMissing for fewer than ``fewest``."""
    wanted = ExpectedEvent(vault, (_DEPOSIT,))
    given = sum(
        int.from_bytes(log.data[32:64])
        for log in mined.logs
        if wanted.is_in(log.address, log.topics) and log.topics[2:3] == (address_topic(account),)
    )
    if given < fewest:
        raise EventMissing(
            f"the vault {vault} gave {given} shares and at least {fewest} were due; look at 0x{mined.tx_hash.hex()}"
        )
    return given


def deposit(vault: str, owner: str, assets: int) -> Call:
    """Needs an approval of ``assets`` for the vault. The shares are the owner's own."""
    return outside_call(
        vault,
        "deposit(uint256,address)",
        assets,
        owner,
        summary=f"deposit {assets} into the vault {vault}",
        proof=ExpectedEvent(vault, (_DEPOSIT, address_topic(owner), address_topic(owner))),
    )


def withdraw(vault: str, owner: str, assets: int) -> Call:
    """Exactly ``assets`` for as many shares as that costs, so the simulation's change of shares is its limit."""
    return outside_call(
        vault,
        "withdraw(uint256,address,address)",
        assets,
        owner,
        owner,
        summary=f"withdraw {assets} from the vault {vault}",
        proof=_withdrawn(vault, owner),
    )


def redeem(vault: str, owner: str, shares: int) -> Call:
    """All that exactly ``shares`` give: leaves no dust behind, as ``withdraw`` of a whole value can."""
    return outside_call(
        vault,
        "redeem(uint256,address,address)",
        shares,
        owner,
        owner,
        summary=f"redeem {shares} shares of the vault {vault}",
        proof=_withdrawn(vault, owner),
    )


def _withdrawn(vault: str, owner: str) -> ExpectedEvent:
    return ExpectedEvent(vault, (_WITHDRAW, address_topic(owner), address_topic(owner), address_topic(owner)))
