"""From bytes to what they do: a call's parts, and what each part does to its sender's money."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moray.agents.policy.function import argument
from moray.agents.policy.ledger import NATIVE
from moray.agents.policy.meaning import CALLS, Meaning
from moray.ethereum import to_checksum_address

MAX_PARTS = 24
MAX_DEPTH = 3  # of multicalls in multicalls
_HOP_BYTES = 23  # of a v3 route: a fee (3) and an address (20)


@dataclass(frozen=True, slots=True)
class Part:
    """One call of the contract: the outer one, or one within a multicall. ``deadline`` (unix s): the wrapper's."""

    data: bytes
    deadline: int | None


@dataclass(frozen=True, slots=True)
class Spend:
    """``to``: who gets it; a contract that pulls it through an allowance where ``is_pulled``."""

    asset: str
    amount: int
    to: str
    is_pulled: bool


@dataclass(frozen=True, slots=True)
class Allowance:
    """``is_shown``: see ledger.Reserve."""

    asset: str
    amount: int
    spender: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Swap:
    pay: str
    pay_max: int
    get: str
    get_min: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Addresses are EIP-55, amounts base units. ``receivers`` get what comes out, ``payers`` are whose money it is."""

    spends: tuple[Spend, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    swap: Swap | None = None
    receivers: tuple[str, ...] = ()
    payers: tuple[str, ...] = ()
    deadline: int | None = None
    minimums: tuple[int, ...] = ()


def parts(data: bytes, deadline: int | None = None, depth: int = 0) -> Iterator[Part]:
    """The call and, of a multicall, all calls within it, wrappers included. Raises ValueError for wrapped calls that
    are not the one encoding of themselves, nested too deeply or too many."""
    if depth > MAX_DEPTH:
        raise ValueError(f"multicalls are nested more than {MAX_DEPTH} deep")
    yield Part(data, deadline)
    known = CALLS.get(data[:4])
    if known is None or known[1].inner is None:
        return
    function, meaning = known
    values = function.read(data)
    if meaning.deadline is not None:
        own = argument(function, values, meaning.deadline)
        deadline = own if deadline is None else min(deadline, own)
    calls = argument(function, values, known[1].inner)
    if not 0 < len(calls) <= MAX_PARTS:
        raise ValueError(f"a multicall holds from 1 to {MAX_PARTS} calls")
    for call in calls:
        yield from parts(call, deadline, depth + 1)


def decoded(meaning: Meaning, read: Callable[[str], Any], target: str) -> Decoded:
    """What a call of ``target``, or typed data of it, does; ``read`` gives an argument by its path. Raises ValueError
    for a route that is none."""

    def asset(role: str) -> str:
        if role == "target":
            return target
        if role == NATIVE or role.startswith("0x"):
            return role
        path, _, end = role.partition(":")
        return _end_of_route(read(path), end) if end else str(read(path))

    spends = [
        Spend(asset(each.asset), read(each.amount), read(each.to) if each.to else target, each.to is None)
        for each in meaning.spends
    ]
    swap = None
    if meaning.swap is not None:
        role = meaning.swap
        swap = Swap(asset(role.pay), read(role.pay_max), asset(role.get), read(role.get_min))
        spends.append(Spend(swap.pay, swap.pay_max, target, True))
    return Decoded(
        spends=tuple(spends),
        allowances=tuple(
            Allowance(asset(each.asset), read(each.amount), read(each.spender), each.is_shown)
            for each in meaning.allows
        ),
        swap=swap,
        receivers=tuple(map(read, meaning.receivers)),
        payers=tuple(map(read, meaning.payers)),
        deadline=None if meaning.deadline is None else read(meaning.deadline),
        minimums=tuple(map(read, meaning.minimums)),
    )


def _end_of_route(route: bytes | tuple[str, ...], end: str) -> str:
    """The currency at an end of v2's list of addresses, or of v3's packed bytes: address, (fee, address) ..."""
    if isinstance(route, bytes):
        if len(route) < 20 + _HOP_BYTES or (len(route) - 20) % _HOP_BYTES:
            raise ValueError("the route is no sequence of currencies and fees")
        return to_checksum_address(route[:20] if end == "first" else route[-20:])
    if len(route) < 2:
        raise ValueError("the route has no two ends")
    return route[0 if end == "first" else -1]
