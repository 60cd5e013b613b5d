"""What a node reports when it asks a router which experts to hold, signed with EIP-712, and the answer.

The signature covers every field but itself, and the chain. A report is good at one router of one network, within
``MAX_CLOCK_ERROR_S`` of when it was made, and a router takes those of a node in rising order only: one that was
overheard is worth nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal, TypeVar

from annotated_types import Ge, Le, Len
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from moray.errors import BadSignature, JoinRefused
from moray.faults import first_fault
from moray.join_signature import Signer
from moray.node_key import TypedData, recover, typed_data
from moray.types import PLAIN_NAME
from moray.wire import U64, Count, Name

MAX_REPORT_BYTES = 8 << 10
MAX_ASSIGNMENT_BYTES = 16 << 10
MAX_SLOTS = 1024  # of a node
MAX_CLOCK_ERROR_S = 300.0  # of a node's clock against the router's, either way
LONGEST_PERIOD_S = 3600.0  # between two reports

T = TypeVar("T")

NodeName = Annotated[str, StringConstraints(pattern=f"^{PLAIN_NAME.pattern}$")]
Address = Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{40}$")]
Signature = Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{130}$")]  # 65 bytes
Experts = Annotated[tuple[Count, ...], Len(0, MAX_SLOTS)]

_REPORT = {
    "format_version": "uint32",
    "network_id": "string",
    "router": "string",
    "node_id": "string",
    "signer": "string",
    "num_slots": "uint32",
    "experts": "uint32[]",
    "asked": "uint32[]",
    "is_draining": "bool",
    "reported_at": "uint64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """``signer`` and ``signature`` are empty until it is signed."""

    format_version: Literal[1]
    network_id: Name
    router: Name  # "host:port", as the network's manifest has it
    node_id: NodeName  # unique among the signer's nodes
    signer: Address = ""  # EIP-55
    num_slots: Annotated[Count, Ge(1), Le(MAX_SLOTS)]  # experts that it has room for
    experts: Experts  # on its disk and meant to be served now
    asked: Experts  # that its operator wants it to hold, whatever the network needs; empty: no wish
    is_draining: bool  # it is about to leave
    reported_at: U64  # Unix seconds
    signature: Signature = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    experts: Experts  # that the node is to hold, ascending
    next_report_s: Annotated[float, Ge(1), Le(LONGEST_PERIOD_S)]  # from now


# Defaults are checked too: what comes in must be signed.
NodeReport.__pydantic_config__ = ConfigDict(strict=True, extra="forbid", validate_default=True)  # type: ignore[attr-defined]
Assignment.__pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)  # type: ignore[attr-defined]
_REPORTS, _ASSIGNMENTS = TypeAdapter(NodeReport), TypeAdapter(Assignment)


def sign_report(key: Signer, report: NodeReport, chain_id: int) -> NodeReport:
    """``report`` with ``signer`` and ``signature`` filled in."""
    named = replace(report, signer=key.address)
    return replace(named, signature="0x" + key.sign_typed_data(report_typed_data(named, chain_id)).hex())


def report_typed_data(report: NodeReport, chain_id: int) -> TypedData:
    """What is signed, as a wallet would show it."""
    said = asdict(report)
    message = {name: list(said[name]) if kind.endswith("[]") else said[name] for name, kind in _REPORT.items()}
    return typed_data(chain_id, "NodeReport", {"NodeReport": _REPORT}, message)


def report_signer(report: NodeReport, chain_id: int) -> str:
    """The address (EIP-55) that signed ``report`` and that it names. Takes a millisecond of CPU time.

    Raises JoinRefused with ``bad_signature``.
    """
    try:
        signer = recover(report_typed_data(report, chain_id), bytes.fromhex(report.signature.removeprefix("0x")))
    except BadSignature as error:
        raise JoinRefused("bad_signature", str(error)) from None
    if signer != report.signer:
        raise JoinRefused("bad_signature", "another key signed this; name the signer as the key shows its address")
    return signer


def encode_report(report: NodeReport) -> bytes:
    return _REPORTS.dump_json(report)


def parse_report(content: bytes, network_id: str, router: str, now_s: float) -> NodeReport:
    """A report to ``router`` whose signature has yet to be checked. ``now_s``: Unix seconds.

    Raises JoinRefused: ``malformed``, ``wrong_network``, ``wrong_router`` or ``wrong_clock``.
    """
    report = _parse(_REPORTS, content, MAX_REPORT_BYTES, "report")
    if report.network_id != network_id:
        raise JoinRefused("wrong_network", f"this router serves {network_id!r}; join with its own join string")
    if report.router != router:
        raise JoinRefused("wrong_router", f"this is router {router}; report to each router by its name in the manifest")
    if abs(report.reported_at - now_s) > MAX_CLOCK_ERROR_S:
        raise JoinRefused("wrong_clock", f"reported at {report.reported_at}, it is {now_s:.0f} here; set the clock")
    return report


def encode_assignment(assignment: Assignment) -> bytes:
    return _ASSIGNMENTS.dump_json(assignment)


def parse_assignment(content: bytes) -> Assignment:
    """A router's answer; fields that a newer one adds are ignored. Raises JoinRefused with ``malformed``."""
    return _parse(_ASSIGNMENTS, content, MAX_ASSIGNMENT_BYTES, "assignment")


def _parse(adapter: TypeAdapter[T], content: bytes, max_bytes: int, what: str) -> T:
    if len(content) > max_bytes:
        raise JoinRefused("malformed", f"the {what} is larger than {max_bytes} bytes; send less")
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        raise JoinRefused("malformed", f"{what}: {first_fault(error)}; update the older side") from None
