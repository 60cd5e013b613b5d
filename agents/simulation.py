"""What a plan's calls would do to the owner's account, and whether that is what the plan says.

Simulation is advice: it finds mistakes and traps before they cost gas. What protects the owner on the chain is what is
signed (least amounts, deadline, recipient), and what the signer's policy makes of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moray.agents.plan import NATIVE, Allowance, Bound, Plan, allowances
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.erc20 import TRANSFER
from moray.contracts.interface import interface
from moray.contracts.log import Log
from moray.contracts.rehearsing import NATIVE_LOGS, Outcome, Rehearsal, RehearsedLog, rehearse
from moray.contracts.reverts import decode_revert
from moray.errors import SimulationDisagrees
from moray.ethereum import to_checksum_address

_ERC20 = interface("TestCurrency").functions
_WORD = 32


@dataclass(frozen=True, slots=True)
class Simulation:
    """``changes`` of the owner's balances by asset, in base units and without gas, as the balances say; ``logged``: the
    same as Transfer events say, None where the endpoint shows none. ``gas``: of all calls. ``left``: what spenders may
    still take afterwards. ``refused``: the first call that would be, with the reason."""

    changes: Mapping[str, int]
    logged: Mapping[str, int] | None
    gas: int
    left: Mapping[Allowance, int]
    refused: str | None
    block_number: int


async def simulate(chain: Chain, plan: Plan) -> Simulation:
    """On the newest block that all endpoints have. Raises ChainError, among them EndpointsDisagree."""
    tokens = [bound.asset for bound in plan.bounds if bound.asset != NATIVE]
    approved = allowances(plan.calls)
    balances = [_ask(token, _ERC20["balanceOf"].encode(plan.owner)) for token in tokens]
    left = [_ask(each.token, _ERC20["allowance"].encode(plan.owner, each.spender)) for each in approved]
    block = await chain.agreed_block(confirmations=0)
    found = await rehearse(chain, plan.owner, [*balances, *plan.calls, *balances, *left], block)
    return read(plan, tokens, approved, found, block.number)


def read(
    plan: Plan, tokens: list[str], approved: tuple[Allowance, ...], found: Rehearsal, block_number: int
) -> Simulation:
    """Of the outcomes of: the balances of ``tokens``, the plan's calls, the balances again, what is ``approved``."""
    before, rest = found.outcomes[: len(tokens)], found.outcomes[len(tokens) :]
    done, rest = rest[: len(plan.calls)], rest[len(plan.calls) :]
    after, left = rest[: len(tokens)], rest[len(tokens) :]
    changes = {
        token: _number(token, then) - _number(token, now)
        for token, now, then in zip(tokens, before, after, strict=True)
    }
    return Simulation(
        changes={NATIVE: found.native_change} | changes,
        logged=logged_changes((log for outcome in done for log in outcome.logs), plan.owner)
        if found.has_logs
        else None,
        gas=sum(outcome.gas_used for outcome in done),
        left={each: _number(each.token, outcome) for each, outcome in zip(approved, left, strict=True)},
        refused=_refusal(plan.calls, done),
        block_number=block_number,
    )


def check(plan: Plan, simulation: Simulation) -> None:
    """Raises SimulationDisagrees unless every call goes well, every balance changes within its bound, nothing else
    changes, and no allowance is left."""
    if simulation.refused is not None:
        raise SimulationDisagrees(f"nothing is sent, for {simulation.refused}")
    for seen in (simulation.changes, simulation.logged):
        if seen is not None and (wrong := outside(plan, seen)) is not None:
            raise SimulationDisagrees(f"nothing is sent, for {wrong}")
    for each, amount in simulation.left.items():
        if amount:
            raise SimulationDisagrees(f"nothing is sent, for {each.spender} could still take {amount} of {each.token}")


def outside(plan: Plan, changes: Mapping[str, int]) -> str | None:
    """The first change that the plan does not allow, in words."""
    bounds = {bound.asset: bound for bound in plan.bounds}
    for asset, change in changes.items():
        bound = bounds.get(asset)
        if bound is None and change:
            return f"the account's {asset} would change by {change}, and the plan says nothing of it"
        if bound is not None and not bound.min_change <= change <= bound.max_change:
            return (
                f"the account's {asset} would change by {change}, and the plan says "
                f"{bound.min_change} to {bound.max_change}"
            )
    missing = next((bound for asset, bound in bounds.items() if asset not in changes and not _admits_0(bound)), None)
    return None if missing is None else f"the account's {missing.asset} would not change, and the plan says it does"


def logged_changes(logs: Iterable[RehearsedLog | Log], owner: str) -> dict[str, int]:
    """By Transfer events, of ERC-20 and, one a piece, of ERC-721, whose third argument is indexed."""
    changes: dict[str, int] = {}
    for log in logs:
        if len(log.topics) not in (3, 4) or log.topics[0] != TRANSFER:
            continue
        payer, receiver = (to_checksum_address(topic[12:]) for topic in log.topics[1:3])
        if owner not in (payer, receiver):
            continue
        amount = 1 if len(log.topics) == 4 else int.from_bytes(log.data[:_WORD])
        asset = NATIVE if log.address == NATIVE_LOGS else log.address
        changes[asset] = changes.get(asset, 0) + ((receiver == owner) - (payer == owner)) * amount
    return changes


def _admits_0(bound: Bound) -> bool:
    return bound.min_change <= 0 <= bound.max_change


def _ask(token: str, data: bytes) -> Call:
    return Call(token, data, None, "read")


def _number(token: str, outcome: Outcome) -> int:
    if not outcome.is_success or len(outcome.data) != _WORD:
        raise SimulationDisagrees(f"nothing is sent, for {token} does not answer as a token does")
    return int.from_bytes(outcome.data)


def _refusal(calls: tuple[Call, ...], done: tuple[Outcome, ...]) -> str | None:
    for call, outcome in zip(calls, done, strict=True):
        if not outcome.is_success:
            return f"'{call.summary}' would be refused: {decode_revert(outcome.data)}"
    return None
