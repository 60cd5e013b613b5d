"""The wire protocol between a router and its experts: frames, messages, tensors.

A frame is a 4-byte little-endian length, then that many bytes of msgpack: a map whose ``kind`` names the message and
whose other keys are its fields. Unknown keys are ignored, unknown kinds are refused. A tensor is msgpack ext type 1:
dtype code (u8), number of dimensions (u8), each dimension (u32, little-endian), then the raw values, little-endian.
Nothing here can run code: no pickle, no class names, every field is checked against its declared type.

    expert                         router
      | --------- TCP or TLS --------> |
      | <----------- Hello ----------- |   challenge, model id
      | ------------ Join -----------> |   who, which experts, proof or signature over both
      | <---- Welcome or Reject ------ |
      | <---------- Dispatch --------- |   rows of hidden states for one layer
      | ---- Result/Busy/Failure ----> |
      | <-------- Ping / Pong -------> |
      | ------------ Drain ----------> |   no new work; what is in flight is still answered
      | <---------- Voucher ---------- |   a promise to pay, where the Join asks for such

Lease and Leased stay on a node: its replicas share what a router gets before it pays (``nodes.credit``).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import msgpack
import numpy as np
from annotated_types import Ge, Le, Len
from numpy.typing import NDArray
from pydantic import ConfigDict, Strict, TypeAdapter, ValidationError

from moray.errors import FrameMalformed, FrameTooLarge
from moray.faults import first_fault

PROTOCOL_VERSION = 2
MAX_HANDSHAKE_BYTES = 4096  # before a peer is authenticated
MAX_FRAME_BYTES = 64 << 20  # after it: 256 rows of 7168 float32 values, eight experts each, is 59 MB
MAX_PLAIN_BYTES = 64 << 10  # of a frame, outside of ext types: a byte of msgpack may become a 64-byte object
MAX_FIELDS = 64
MAX_GROUPS = 1024
MAX_ROWS = 12_000  # of one Dispatch: numbers of five bytes that MAX_PLAIN_BYTES hold
MAX_DIMENSIONS = 4
TENSOR_EXT = 1

_LENGTH = struct.Struct("<I")
_DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    2: np.dtype("<f2"),
    3: np.dtype("i1"),
    4: np.dtype("<i4"),
}  # 1 is kept for bfloat16
DTYPE_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_EXT_MARKERS = range(0xC7, 0xCA)  # ext 8, 16 and 32: what a large tensor starts with
_EXT_32 = struct.Struct(">BIb")  # marker, length, code
_TENSOR_HEADERS = tuple(struct.Struct(f"<BB{ndim}I") for ndim in range(MAX_DIMENSIONS + 1))

Tensor = NDArray[Any]  # of a dtype in _DTYPES; a decoded one is read-only

MAX_U64, MAX_COUNT = 2**64 - 1, 2**31 - 1
U64 = Annotated[int, Strict(), Ge(0), Le(MAX_U64)]
Count = Annotated[int, Strict(), Ge(0), Le(MAX_COUNT)]
Name = Annotated[str, Strict(), Len(0, 128)]
Reason = Annotated[str, Strict(), Len(0, 512)]
Digest = Annotated[bytes, Strict(), Len(32, 32)]
OptionalDigest = Annotated[bytes, Strict(), Len(0, 32)]  # empty: not given


@dataclass(frozen=True, slots=True)
class Hello:
    """Router's first words. ``challenge`` is 32 random bytes, good for one Join within ten seconds."""

    kind: ClassVar[str] = "hello"
    protocol_min: Count
    protocol_max: Count
    network_id: Name
    chain_id: U64  # 0: no chain
    model_id: Name
    router: Name
    challenge: Digest
    features: Annotated[list[Name], Len(0, 32)]


@dataclass(frozen=True, slots=True)
class Join:
    """A replica presents itself. ``proof`` answers the challenge, see ``join_proof``; ``signer``, ``signature``,
    ``tls_cert_sha256`` and ``expires_at`` stay empty inside one operator's trust domain."""

    kind: ClassVar[str] = "join"
    protocol: Count
    node_id: Name
    signer: Name
    replica_id: Name
    incarnation: U64  # rises with every dial of this (node, replica)
    experts: Annotated[list[Count], Len(1, 1024)]
    shards_digest: Digest  # over the shards of all its experts, see ``digest_of``
    model_id: Name
    numeric_class: Name
    capacity: Count  # rows in flight that the replica accepts
    pid: Count
    router: Name
    tls_cert_sha256: OptionalDigest
    expires_at: U64  # Unix seconds, 0: unset
    features: Annotated[list[Name], Len(0, 32)]
    signature: Annotated[bytes, Strict(), Len(0, 65)]
    proof: OptionalDigest


@dataclass(frozen=True, slots=True)
class Welcome:
    kind: ClassVar[str] = "welcome"
    uplink_id: Digest  # SHA-256(Hello frame || Join frame)
    proof: OptionalDigest  # the router knows the token too
    max_rows: Count  # of one Dispatch
    ping_period_ms: Count
    epoch_rows: U64  # that a price is for; 0: the router pays nothing
    prices: Annotated[list[U64], Len(0, 16)]  # base units of the currency; one price for all rows so far


@dataclass(frozen=True, slots=True)
class Reject:
    kind: ClassVar[str] = "reject"
    code: Name
    reason: Reason


@dataclass(
    slots=True
)  # these two are made four times per round trip, and a frozen one takes four times as long to make
class Dispatch:
    """Rows of one layer for the experts of one uplink. ``row_index`` (A numbers) names, group by group, the row of
    ``hidden_states`` [R, D] that goes to the group's expert; counts of the groups add up to A."""

    kind: ClassVar[str] = "dispatch"
    seq: int  # u64, from 0 without gaps, per uplink
    layer: int
    groups: list[tuple[int, int]]  # (expert, count), experts ascending; at most MAX_GROUPS
    row_index: list[int]
    hidden_states: Tensor
    deadline_ms: int  # what is left of the router's patience when the frame is sent


@dataclass(slots=True)
class Result:
    kind: ClassVar[str] = "result"
    seq: int  # u64
    outputs: Tensor  # [A, D], unweighted, in the Dispatch's order


@dataclass(frozen=True, slots=True)
class Busy:
    """The replica's capacity is used up; nothing was computed."""

    kind: ClassVar[str] = "busy"
    seq: U64


@dataclass(frozen=True, slots=True)
class Failure:
    """This Dispatch could not be answered; the uplink stays."""

    kind: ClassVar[str] = "failure"
    seq: U64
    code: Name
    reason: Reason


@dataclass(frozen=True, slots=True)
class Ping:
    kind: ClassVar[str] = "ping"
    token: U64


@dataclass(frozen=True, slots=True)
class Pong:
    kind: ClassVar[str] = "pong"
    token: U64
    rows_waiting: Count
    rows_done: U64  # since the replica started


@dataclass(frozen=True, slots=True)
class Drain:
    kind: ClassVar[str] = "drain"
    reason: Reason


@dataclass(frozen=True, slots=True)
class Voucher:
    """What contracts/src/PaymentChannels.sol has under this name, signed by the channel's signer."""

    kind: ClassVar[str] = "voucher"
    channel: Digest
    cumulative: Digest  # base units in all since the channel exists: a uint256, big-endian
    epoch: U64
    commitment: Digest
    signature: Annotated[bytes, Strict(), Len(65, 65)]


@dataclass(frozen=True, slots=True)
class Lease:
    """A replica asks for rows that ``router`` may get, all of them or none, and gives back what it did not use."""

    kind: ClassVar[str] = "lease"
    router: Name
    asked: U64  # 0: none
    returned: U64


@dataclass(frozen=True, slots=True)
class Leased:
    kind: ClassVar[str] = "leased"
    rows: U64  # 0, or what was asked for and maybe more


Message = (
    Hello
    | Join
    | Welcome
    | Reject
    | Dispatch
    | Result
    | Busy
    | Failure
    | Ping
    | Pong
    | Drain
    | Voucher
    | Lease
    | Leased
)
_VALIDATED: tuple[type[Any], ...] = (
    Hello,
    Join,
    Welcome,
    Reject,
    Busy,
    Failure,
    Ping,
    Pong,
    Drain,
    Voucher,
    Lease,
    Leased,
)
for _class in _VALIDATED:
    _class.__pydantic_config__ = ConfigDict(extra="ignore")
_VALIDATORS = {cls.kind: TypeAdapter(cls).validator for cls in _VALIDATED}


def _as_tuple(code: int, data: bytes) -> tuple[int, bytes]:
    """An ext type as it came; msgpack's own refuses codes that a peer may well send. Nothing else becomes a tuple."""
    return code, data


# One for all, since a new one takes a megabyte of buffer. A call holds the GIL to its end, so threads may share it.
_pack = msgpack.Packer(buf_size=4096).pack


def encode(message: Message) -> bytes:
    """One whole frame, length included. Raises TypeError for an array that has no place in the protocol."""
    if type(message) is Dispatch:
        body = {
            "kind": "dispatch",
            "seq": message.seq,
            "layer": message.layer,
            "groups": message.groups,
            "row_index": message.row_index,
            "deadline_ms": message.deadline_ms,
            "hidden_states": None,
        }
        return _with_tensor(body, message.hidden_states)
    if type(message) is Result:
        return _with_tensor({"kind": "result", "seq": message.seq, "outputs": None}, message.outputs)
    payload: bytes = _pack({"kind": message.kind} | {name: getattr(message, name) for name in message.__slots__})
    return _LENGTH.pack(len(payload)) + payload


def _with_tensor(body: dict[str, object], tensor: Tensor) -> bytes:
    """A frame whose tensor comes last and goes past msgpack, which would copy it twice more: the nil that holds its
    place is the last byte."""
    if tensor.dtype not in DTYPE_CODES or tensor.ndim > MAX_DIMENSIONS:
        raise TypeError(f"an array of {tensor.ndim} dimensions of {tensor.dtype} does not travel")
    head: bytes = _pack(body)[:-1]
    header = _TENSOR_HEADERS[tensor.ndim].pack(DTYPE_CODES[tensor.dtype], tensor.ndim, *tensor.shape)
    num_bytes = len(header) + tensor.nbytes
    start = _EXT_32.pack(0xC9, num_bytes, TENSOR_EXT)
    values = tensor if tensor.flags.c_contiguous else np.ascontiguousarray(tensor)
    return b"".join((_LENGTH.pack(len(head) + len(start) + num_bytes), head, start, header, values.data))


def decode(payload: bytes | bytearray | memoryview) -> Message:
    """The message of a frame's payload. Raises FrameMalformed for anything that is not exactly one."""
    try:
        if len(payload) > MAX_PLAIN_BYTES:
            _check_plain_bytes(payload)
        body = msgpack.unpackb(payload, ext_hook=_as_tuple, strict_map_key=True)
    except FrameMalformed:
        raise
    except Exception as exc:  # msgpack raises a dozen types, UnicodeDecodeError among them
        raise FrameMalformed(f"not msgpack: {type(exc).__name__}") from None
    if not isinstance(body, dict):
        raise FrameMalformed("not a map")
    kind = body.pop("kind", None)
    if kind == Dispatch.kind:
        return _read_dispatch(body)
    if kind == Result.kind:
        return _read_result(body)
    validator = _VALIDATORS.get(kind) if isinstance(kind, str) else None
    if validator is None:
        raise FrameMalformed(f"unknown kind {str(kind)[:32]!r}")
    try:
        message: Message = validator.validate_python(body)
    except ValidationError as exc:
        raise FrameMalformed(f"{kind}: {first_fault(exc)}") from None
    return message


def _read_dispatch(body: dict[str, Any]) -> Dispatch:
    """The checks of the work's two messages are written out: they run for every frame of every layer of every token,
    where the validators' code is cold each time."""
    seq, layer, groups = body.get("seq"), body.get("layer"), body.get("groups")
    row_index, deadline_ms = body.get("row_index"), body.get("deadline_ms")
    if type(seq) is not int or not 0 <= seq <= MAX_U64:
        raise FrameMalformed(f"dispatch.seq: not an integer from 0 to {MAX_U64}")
    if type(layer) is not int or not 0 <= layer <= MAX_COUNT:
        raise FrameMalformed(f"dispatch.layer: not an integer from 0 to {MAX_COUNT}")
    if type(deadline_ms) is not int or not 0 <= deadline_ms <= MAX_COUNT:
        raise FrameMalformed(f"dispatch.deadline_ms: not an integer from 0 to {MAX_COUNT}")
    if type(groups) is not list or not 1 <= len(groups) <= MAX_GROUPS:
        raise FrameMalformed(f"dispatch.groups: not a list of 1 to {MAX_GROUPS}")
    for group in groups:
        if type(group) is not list or len(group) != 2 or not _are_counts(group):
            raise FrameMalformed("dispatch.groups: not pairs of an expert and a count")
    if type(row_index) is not list or not 1 <= len(row_index) <= MAX_ROWS or not _are_counts(row_index):
        raise FrameMalformed(f"dispatch.row_index: not a list of 1 to {MAX_ROWS} row numbers")
    hidden_states = _unpack_tensor(body.get("hidden_states"), "dispatch.hidden_states")
    return Dispatch(seq, layer, [(expert, count) for expert, count in groups], row_index, hidden_states, deadline_ms)


def _read_result(body: dict[str, Any]) -> Result:
    seq = body.get("seq")
    if type(seq) is not int or not 0 <= seq <= MAX_U64:
        raise FrameMalformed(f"result.seq: not an integer from 0 to {MAX_U64}")
    return Result(seq, _unpack_tensor(body.get("outputs"), "result.outputs"))


def _are_counts(values: list[Any]) -> bool:
    for value in values:  # noqa: SIM110 (a generator costs more than the loop)
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            return False
    return True


def _check_plain_bytes(payload: bytes | bytearray | memoryview) -> None:
    """Refuse a large frame that is not mostly tensors, before objects are made of it."""
    walk = msgpack.Unpacker(max_buffer_size=len(payload))
    walk.feed(payload)
    num_fields, plain_bytes = walk.read_map_header(), 0
    if num_fields > MAX_FIELDS:
        raise FrameMalformed(f"a map of {num_fields} fields")
    for _ in range(2 * num_fields):  # keys and values alike
        start = walk.tell()
        walk.skip()
        if payload[start] not in _EXT_MARKERS:
            plain_bytes += walk.tell() - start
    if plain_bytes > MAX_PLAIN_BYTES:
        raise FrameMalformed(f"{plain_bytes} bytes outside of tensors; the limit is {MAX_PLAIN_BYTES}")


class FrameReader:
    """Cuts a byte stream into payloads. ``limit_bytes`` may be raised once a peer is authenticated."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """Payloads completed by ``data``, one by one: a limit that the caller sets after one holds for the next.
        Raises FrameTooLarge as soon as a length says so, before more of that frame is stored."""
        if not self._buffer and len(data) >= _LENGTH.size:  # the usual case, kept cheap: one whole frame
            (size,) = _LENGTH.unpack_from(data)
            if size == len(data) - _LENGTH.size and size <= self.limit_bytes:
                yield memoryview(data)[_LENGTH.size :]
                return
        buffer, start = self._buffer, 0
        buffer += data
        try:
            while len(buffer) - start >= _LENGTH.size:
                (size,) = _LENGTH.unpack_from(buffer, start)
                if size > self.limit_bytes:
                    raise FrameTooLarge(f"a frame of {size} bytes; the limit is {self.limit_bytes}")
                end = start + _LENGTH.size + size
                if len(buffer) < end:
                    break
                payload = bytes(memoryview(buffer)[start + _LENGTH.size : end])
                start = end
                yield payload
        finally:
            del buffer[:start]

    @property
    def has_partial(self) -> bool:
        return bool(self._buffer)


def join_proof(token: bytes, hello: Hello, join: Join) -> bytes:
    """HMAC-SHA256 under the operator's token over everything both sides said, ``join.proof`` left empty."""
    unproven = encode(replace(join, proof=b""))
    return hmac.digest(token, b"moray join" + encode(hello) + unproven, "sha256")


def welcome_proof(token: bytes, uplink_id: bytes) -> bytes:
    """The router's answer in kind: an expert takes no work from a stranger on its router's port."""
    return hmac.digest(token, b"moray welcome" + uplink_id, "sha256")


def uplink_id(hello: Hello, join: Join) -> bytes:
    return hashlib.sha256(encode(hello) + encode(join)).digest()


def digest_of(shard_digests: list[bytes]) -> bytes:
    """``Join.shards_digest``: SHA-256 over the shard digests of the experts, in ascending expert id."""
    return hashlib.sha256(b"".join(shard_digests)).digest()


def _unpack_tensor(ext: object, path: str) -> Tensor:
    if type(ext) is not tuple:  # nothing else becomes a tensor, so a frame never holds more than one
        raise FrameMalformed(f"{path}: not a tensor")
    code, data = ext
    if code != TENSOR_EXT or len(data) < 2:
        raise FrameMalformed(f"{path}: unknown ext type {code}")
    dtype, ndim = _DTYPES.get(data[0]), data[1]
    if dtype is None or ndim > MAX_DIMENSIONS or len(data) < _TENSOR_HEADERS[ndim].size:
        raise FrameMalformed(f"{path}: a tensor with a broken header")
    start = _TENSOR_HEADERS[ndim].size
    shape = _TENSOR_HEADERS[ndim].unpack_from(data)[2:]
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise FrameMalformed(f"{path}: a tensor of shape {shape} in {len(data) - start} bytes")
    try:
        values = np.frombuffer(data, dtype, offset=start) if len(data) > start else np.empty(0, dtype)
        return values.reshape(shape)
    except ValueError:  # none of its values, but strides beyond 64 bits
        raise FrameMalformed(f"{path}: a tensor of shape {shape}") from None
