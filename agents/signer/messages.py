"""What travels over the signer's socket: a 4-byte little-endian length, then msgpack, as moray.wire frames it.

msgpack has no integers of 256 bits, so those of a transaction travel as text; typed data travels as JSON.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from moray.agents.signer.approvals import MAX_APPROVAL_BYTES, MAX_CALLS, Signature
from moray.errors import FrameMalformed
from moray.faults import first_fault

MAX_FRAME_BYTES = 512 << 10
MAX_TYPED_DATA_BYTES = 64 << 10
_LENGTH_BYTES = 4

Number = Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,77})$")]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class SignTransaction(_Message):
    """``fields`` as contracts/writer.py has them."""

    kind: Literal["sign_transaction"] = "sign_transaction"
    numbers: Annotated[dict[str, Number], Field(max_length=16)]
    to: Annotated[str, Field(max_length=42)] | None
    data: Annotated[bytes, Field(max_length=MAX_FRAME_BYTES)]


class SignTypedData(_Message):
    kind: Literal["sign_typed_data"] = "sign_typed_data"
    text: Annotated[str, Field(max_length=MAX_TYPED_DATA_BYTES)]


class Approve(_Message):
    """``approval``: JSON of approvals.Approval."""

    kind: Literal["approve"] = "approve"
    approval: Annotated[str, Field(max_length=MAX_APPROVAL_BYTES)]
    signatures: Annotated[list[Signature], Field(max_length=MAX_CALLS)]


class Status(_Message):
    kind: Literal["status"] = "status"


class Kill(_Message):
    kind: Literal["kill"] = "kill"


class Done(_Message):
    """``result``: what was signed. ``facts``: JSON of Status's answer."""

    kind: Literal["done"] = "done"
    result: bytes = b""
    facts: str = "{}"


class Refused(_Message):
    """``error`` names the class, ``code`` the decision's reason."""

    kind: Literal["refused"] = "refused"
    error: Literal["denied", "approval_needed", "dry_run", "approval_refused", "failed"]
    code: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=1024)]
    rule: Annotated[str, Field(max_length=256)] | None = None


Request = SignTransaction | SignTypedData | Approve | Status | Kill
Reply = Done | Refused
_REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
_REPLIES: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def encode(message: _Message) -> bytes:
    payload: bytes = msgpack.packb(message.model_dump())
    return len(payload).to_bytes(_LENGTH_BYTES, "little") + payload


def decode_request(payload: bytes | memoryview) -> Request:
    """Raises FrameMalformed."""
    message: Request = _decoded(_REQUESTS, payload)
    return message


def decode_reply(payload: bytes | memoryview) -> Reply:
    """Raises FrameMalformed."""
    message: Reply = _decoded(_REPLIES, payload)
    return message


def _decoded(kinds: TypeAdapter[Any], payload: bytes | memoryview) -> Any:
    try:
        return kinds.validate_python(msgpack.unpackb(payload, strict_map_key=True))
    except ValidationError as error:
        raise FrameMalformed(first_fault(error)) from None
    except Exception as error:  # msgpack raises a dozen types
        raise FrameMalformed(f"not msgpack: {type(error).__name__}") from None


def transaction_message(fields: dict[str, Any]) -> SignTransaction:
    """Raises TypeError for fields that do not travel: a value that is no number, or an access list."""
    numbers = {name: value for name, value in fields.items() if name not in ("to", "data")}
    if not all(type(value) is int for value in numbers.values()):
        raise TypeError("the signer takes plain transactions of EIP-1559, whose fields are numbers, to and data")
    return SignTransaction(
        numbers={name: str(value) for name, value in numbers.items()},
        to=fields.get("to"),
        data=bytes(fields.get("data", b"")),
    )


def transaction_fields(message: SignTransaction) -> dict[str, Any]:
    return {name: int(value) for name, value in message.numbers.items()} | {"to": message.to, "data": message.data}


def typed_text(data: dict[str, Any]) -> str:
    """Bytes as hex, which EIP-712's encoding takes as well."""
    return json.dumps(data, default=lambda value: f"0x{bytes(value).hex()}")
