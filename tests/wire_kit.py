"""Random messages of every kind, and their maps as any other msgpack program sees them."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

import msgpack
import numpy as np

from moray import wire
from moray.errors import FrameMalformed

DTYPES = tuple(map(np.dtype, (np.float32, np.float16, np.int8, np.int32)))
KINDS = (
    *("hello", "join", "welcome", "reject", "dispatch", "result", "busy", "failure", "ping", "pong", "drain"),
    *("voucher", "lease", "leased"),
)
Maker = Callable[[random.Random], wire.Message]


def random_tensor(rng: random.Random) -> wire.Tensor:
    """Any dtype, any bits (NaN payloads too), 0 to 4 dimensions, sometimes empty, sometimes not contiguous."""
    dtype = rng.choice(DTYPES)
    shape = [rng.choice([0, 1, 2, 3, 5]) for _ in range(rng.randrange(5))]
    raw = bytearray(rng.randbytes(math.prod(shape) * dtype.itemsize))
    tensor = np.frombuffer(raw, dtype).reshape(shape)
    return tensor.swapaxes(0, -1) if shape and rng.random() < 0.3 else tensor


def u64(rng: random.Random) -> int:
    return rng.choice([0, 1, 127, 128, 2**32, 2**63, 2**64 - 1, rng.randrange(2**64)])


def count(rng: random.Random) -> int:
    return rng.choice([0, 1, 255, 2**31 - 1, rng.randrange(2**31)])


def name(rng: random.Random, longest: int = 128) -> str:
    return "".join(rng.choices(string.printable + "éß漢😀\0", k=rng.choice([0, 1, 7, longest])))


def names(rng: random.Random) -> list[str]:
    return [name(rng) for _ in range(rng.choice([0, 1, 32]))]


def digest(rng: random.Random) -> bytes:
    return rng.randbytes(32)


def groups(rng: random.Random) -> list[tuple[int, int]]:
    return [(count(rng), count(rng)) for _ in range(rng.choice([1, 2, 8, 1024]))]


def row_index(rng: random.Random) -> list[int]:
    return [count(rng) for _ in range(rng.choice([1, 2, 8, 1024]))]


MAKERS: dict[str, Maker] = {
    "hello": lambda r: wire.Hello(count(r), count(r), name(r), u64(r), name(r), name(r), digest(r), names(r)),
    "join": lambda r: wire.Join(
        protocol=count(r),
        node_id=name(r),
        signer=name(r),
        replica_id=name(r),
        incarnation=u64(r),
        experts=[count(r) for _ in range(r.choice([1, 2, 1024]))],
        shards_digest=digest(r),
        model_id=name(r),
        numeric_class=name(r),
        capacity=count(r),
        pid=count(r),
        router=name(r),
        tls_cert_sha256=r.choice([b"", digest(r)]),
        expires_at=u64(r),
        features=names(r),
        signature=r.randbytes(r.choice([0, 65])),
        proof=r.choice([b"", digest(r)]),
    ),
    "welcome": lambda r: wire.Welcome(digest(r), digest(r), count(r), count(r), u64(r), [u64(r)] * r.choice([0, 16])),
    "reject": lambda r: wire.Reject(name(r), name(r, 512)),
    "dispatch": lambda r: wire.Dispatch(u64(r), count(r), groups(r), row_index(r), random_tensor(r), count(r)),
    "result": lambda r: wire.Result(u64(r), random_tensor(r)),
    "busy": lambda r: wire.Busy(u64(r)),
    "failure": lambda r: wire.Failure(u64(r), name(r), name(r, 512)),
    "ping": lambda r: wire.Ping(u64(r)),
    "pong": lambda r: wire.Pong(u64(r), count(r), u64(r)),
    "drain": lambda r: wire.Drain(name(r, 512)),
    "voucher": lambda r: wire.Voucher(digest(r), digest(r), u64(r), digest(r), r.randbytes(65)),
    "lease": lambda r: wire.Lease(name(r), u64(r), u64(r)),
    "leased": lambda r: wire.Leased(u64(r)),
}


def random_message(rng: random.Random) -> wire.Message:
    return MAKERS[rng.choice(KINDS)](rng)


def payload_of(message: wire.Message) -> bytes:
    return wire.encode(message)[4:]


def body_of(message: wire.Message) -> dict[str, Any]:
    """The message's map as any other msgpack program sees it: tensors are ext types."""
    return cast(dict[str, Any], msgpack.unpackb(payload_of(message)))


def bits(tensor: wire.Tensor) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    return tensor.dtype, tensor.shape, tensor.tobytes()


def assert_same(sent: wire.Message, received: wire.Message) -> None:
    assert type(sent) is type(received)
    for field in fields(sent):
        before, after = getattr(sent, field.name), getattr(received, field.name)
        if isinstance(before, np.ndarray):
            assert bits(before) == bits(after), field.name
        else:
            assert before == after and type(before) is type(after), field.name


def decodes_or_is_refused(payload: bytes) -> bool:
    """Whether it decodes; any other exception than a refusal goes through."""
    try:
        message = wire.decode(payload)
    except FrameMalformed as refused:
        assert len(str(refused)) < 1000 and "\n" not in str(refused)
        return False
    wire.encode(message)  # whatever is let in is well formed
    return True
