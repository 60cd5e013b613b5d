"""Calls made one after another without making them: eth_simulateV1, or an eth_call that puts the contract ``Rehearsal``
at the account's address for its duration.

The second sees no logs, and there the account has code while it calls: a contract that treats those differently shows
another answer than it will give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moray.contracts.artifacts import load
from moray.contracts.calls import Call
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.endpoint import Endpoint
from moray.contracts.interface import decode_values, interface
from moray.contracts.log import as_bytes, as_hex, as_int
from moray.errors import ChainRefused
from moray.ethereum import to_checksum_address

NATIVE_LOGS = to_checksum_address("0x" + "ee" * 20)  # whose Transfers are the chain's own currency, with traceTransfers
_NO_SUCH_METHOD = -32601
_RUN = interface("Rehearsal").functions["run"]


@dataclass(frozen=True, slots=True)
class RehearsedLog:
    address: str  # EIP-55
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one call. ``data`` is what it returned, or why it was refused."""

    is_success: bool
    data: bytes
    gas_used: int
    logs: tuple[RehearsedLog, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """``native_change``: of the account, by all calls, without gas, in wei. ``has_logs``: whether the endpoint showed
    them."""

    outcomes: tuple[Outcome, ...]
    native_change: int
    has_logs: bool


async def rehearse(chain: Chain, account: str, calls: Sequence[Call], block: ChainBlock) -> Rehearsal:
    """``calls`` of ``account`` on top of ``block``, gas for nothing. Of several endpoints all must say the same, as far
    as each can say it. Raises EndpointsDisagree and ChainError."""
    found = [await _by(endpoint, account, calls, block) for endpoint in chain.endpoints]
    chain.same([_common(each) for each in found], f"what the calls of {account} would do")
    return next((each for each in found if each.has_logs), found[0])


def _common(found: Rehearsal) -> tuple[int, list[tuple[bool, bytes]]]:
    return found.native_change, [(outcome.is_success, outcome.data) for outcome in found.outcomes]


async def _by(endpoint: Endpoint, account: str, calls: Sequence[Call], block: ChainBlock) -> Rehearsal:
    try:
        return await _simulated(endpoint, account, calls, block)
    except ChainRefused as error:
        if error.rpc_code != _NO_SUCH_METHOD:
            raise
    return await _overridden(endpoint, account, calls, block)


async def _simulated(endpoint: Endpoint, account: str, calls: Sequence[Call], block: ChainBlock) -> Rehearsal:
    steps = [{"from": account, "to": c.to, "data": as_hex(c.data), "value": hex(c.value_wei)} for c in calls]
    asked = {"blockStateCalls": [{"calls": steps}], "traceTransfers": True, "validation": False}
    try:
        answer = (await endpoint.request("eth_simulateV1", asked, hex(block.number)))[0]
        outcomes = tuple(_outcome(fields) for fields in answer["calls"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise _nonsense(endpoint) from None
    if len(outcomes) != len(calls):
        raise _nonsense(endpoint)
    native = sum(_moved(log, account) for each in outcomes for log in each.logs if log.address == NATIVE_LOGS)
    return Rehearsal(outcomes, native, has_logs=True)


async def _overridden(endpoint: Endpoint, account: str, calls: Sequence[Call], block: ChainBlock) -> Rehearsal:
    at = hex(block.number)
    code = await endpoint.data("eth_call", {"data": as_hex(load("Rehearsal").bytecode)}, at)  # what it leaves behind
    before = await endpoint.number("eth_getBalance", account, at)
    data = _RUN.encode([(call.to, call.value_wei, call.data) for call in calls])
    asked = {"from": account, "to": account, "data": as_hex(data)}
    answer = await endpoint.data("eth_call", asked, at, {account: {"code": as_hex(code)}})
    try:
        (steps,) = decode_values(_RUN.outputs, answer)
    except ValueError:
        raise _nonsense(endpoint) from None
    if len(steps) != len(calls):
        raise _nonsense(endpoint)
    outcomes = tuple(Outcome(is_success, data, gas_used, ()) for is_success, data, gas_used, _ in steps)
    return Rehearsal(outcomes, (steps[-1][3] if steps else before) - before, has_logs=False)


def _outcome(fields: dict[str, Any]) -> Outcome:
    is_success = as_int(fields["status"]) == 1
    data = as_bytes(fields["returnData"])
    if not is_success and not data:
        data = as_bytes((fields.get("error") or {}).get("data") or "0x")
    logs = tuple(
        RehearsedLog(to_checksum_address(log["address"]), tuple(map(as_bytes, log["topics"])), as_bytes(log["data"]))
        for log in fields.get("logs", [])
    )
    return Outcome(is_success, data, as_int(fields["gasUsed"]), logs)


def _moved(log: RehearsedLog, account: str) -> int:
    from_account, to_account = (to_checksum_address(topic[12:]) == account for topic in log.topics[1:3])
    return (to_account - from_account) * int.from_bytes(log.data)


def _nonsense(endpoint: Endpoint) -> ChainRefused:
    return ChainRefused(f"the RPC endpoint {endpoint.name} answered a simulation with what is none; use another")
