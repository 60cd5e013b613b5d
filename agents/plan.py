"""What a plan is: the calls that carry out one action, and what they may change.

A plan is a proposal as much as the action is. It says beforehand, in base units, what may leave and what must reach the
owner's account; simulation, the signer's policy and the receipts are each held against that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from moray.actions import Action, canonical
from moray.canonical_json import canonical_json
from moray.contracts.calls import Call
from moray.ethereum import keccak, to_checksum_address

NATIVE = "native"  # the chain's own currency, where others have an address
APPROVE = keccak(text="approve(address,uint256)")[:4]


@dataclass(frozen=True, slots=True)
class Bound:
    """What the owner's balance of ``asset`` (a token's address, or "native") may change by, both ends included, in base
    units: negative is paid. Gas is not counted. Of an asset without a bound nothing may change. ERC-721s count by how
    many the owner has of their contract."""

    asset: str
    min_change: int
    max_change: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``key`` is the idempotency key: one plan of it is carried out, once. ``recipients``: everybody but the owner that
    something is sent to. ``block_number``: what it was planned on. ``summary``: lines for people."""

    key: str
    action: Action
    owner: str
    chain_id: int
    deadline: int  # Unix seconds by the chain's clock
    calls: tuple[Call, ...]
    bounds: tuple[Bound, ...]
    recipients: tuple[str, ...]
    block_number: int
    summary: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What ``spender`` may take of ``token``."""

    token: str
    spender: str


# In a tuple: pydantic takes no configuration for a dataclass alone.
_PLAN: TypeAdapter[tuple[Plan]] = TypeAdapter(
    tuple[Plan], config=ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
)


def plan_key(action: Action, owner: str, chain_id: int, request_id: str) -> str:
    """``request_id`` is the client's own: the same again means the same wish, another one the wish once more."""
    named = {"action": canonical(action), "chain_id": chain_id, "owner": owner, "request_id": request_id}
    return keccak(canonical_json(named)).hex()


def plan_text(plan: Plan) -> str:
    """Its JSON, which ``parse_plan`` reads."""
    return _PLAN.dump_json((plan,)).decode()


def plan_fields(plan: Plan) -> dict[str, Any]:
    """The same as plain values."""
    fields: dict[str, Any] = _PLAN.dump_python((plan,), mode="json")[0]
    return fields


def parse_plan(text: str) -> Plan:
    """Of what ``plan_text`` wrote. Raises ValueError."""
    return _PLAN.validate_json(text)[0]


def allowances(calls: tuple[Call, ...]) -> tuple[Allowance, ...]:
    """Whatever ``calls`` approve, each once, in their order."""
    found = (Allowance(c.to, to_checksum_address(c.data[16:36])) for c in calls if c.data[:4] == APPROVE)
    return tuple(dict.fromkeys(found))
