"""The wire protocol: what is sent arrives, and nothing that a peer sends can do more than close its own connection."""

from __future__ import annotations

import math
import random
import string
import struct
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

import msgpack
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from moray import wire
from moray.errors import FrameMalformed, FrameTooLarge, WireError

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.int32)
KINDS = ("hello", "join", "welcome", "reject", "dispatch", "result", "busy", "failure", "ping", "pong", "drain")
REFUSALS = (FrameMalformed, FrameTooLarge)
Maker = Callable[[random.Random], wire.Message]


def random_tensor(rng: random.Random) -> Tensor:
    """Any dtype, any bits (NaN payloads too), 0 to 4 dimensions, sometimes empty, sometimes not contiguous."""
    dtype = rng.choice(DTYPES)
    shape = [rng.choice([0, 1, 2, 3, 5]) for _ in range(rng.randrange(5))]
    raw = bytearray(rng.randbytes(math.prod(shape) * dtype.itemsize))
    tensor = torch.frombuffer(raw, dtype=dtype).view(shape) if raw else torch.empty(shape, dtype=dtype)
    return tensor.transpose(0, -1) if shape and rng.random() < 0.3 else tensor


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
    "dispatch": lambda r: wire.Dispatch(u64(r), count(r), groups(r), random_tensor(r), random_tensor(r), count(r)),
    "result": lambda r: wire.Result(u64(r), random_tensor(r)),
    "busy": lambda r: wire.Busy(u64(r)),
    "failure": lambda r: wire.Failure(u64(r), name(r), name(r, 512)),
    "ping": lambda r: wire.Ping(u64(r)),
    "pong": lambda r: wire.Pong(u64(r), count(r), u64(r)),
    "drain": lambda r: wire.Drain(name(r, 512)),
}


def random_message(rng: random.Random) -> wire.Message:
    return MAKERS[rng.choice(KINDS)](rng)


def payload_of(message: wire.Message) -> bytes:
    return wire.encode(message)[4:]


def body_of(message: wire.Message) -> dict[str, Any]:
    """The message's map as any other msgpack program sees it: tensors are ext types."""
    return cast(dict[str, Any], msgpack.unpackb(payload_of(message)))


def bits(tensor: Tensor) -> tuple[torch.dtype, tuple[int, ...], bytes]:
    flat = tensor.contiguous().view(-1) if tensor.numel() else torch.empty(0, dtype=torch.int8)
    return tensor.dtype, tuple(tensor.shape), flat.view(torch.uint8).numpy().tobytes()


def assert_same(sent: wire.Message, received: wire.Message) -> None:
    assert type(sent) is type(received)
    for field in fields(sent):
        before, after = getattr(sent, field.name), getattr(received, field.name)
        if isinstance(before, Tensor):
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


# -- round trips


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_message_arrives_as_it_was_sent(kind: str, seed: int) -> None:
    message = MAKERS[kind](random.Random(seed))
    assert_same(message, wire.decode(payload_of(message)))


def test_every_kind_has_a_maker_here() -> None:
    assert {message.kind for message in (MAKERS[kind](random.Random(0)) for kind in KINDS)} == set(KINDS)
    assert len(KINDS) == len(wire.Message.__args__)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4, 5)], ids=str)
def test_tensors_of_every_dtype_and_shape_keep_their_bits(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 50).to(dtype)
    (received,) = (cast(wire.Result, wire.decode(payload_of(wire.Result(0, tensor)))).outputs,)
    assert bits(received) == bits(tensor)


def test_a_received_tensor_is_the_receivers_own() -> None:
    payload = payload_of(wire.Result(0, torch.ones(2, 2)))
    first = cast(wire.Result, wire.decode(payload)).outputs
    first.zero_()
    assert cast(wire.Result, wire.decode(payload)).outputs.sum() == 4


@pytest.mark.parametrize("tensor", [torch.ones(2, dtype=torch.float64), torch.ones(1, 1, 1, 1, 1)], ids=["f64", "5d"])
def test_a_tensor_that_the_protocol_has_no_words_for_is_not_sent(tensor: Tensor) -> None:
    with pytest.raises(TypeError):
        wire.encode(wire.Result(0, tensor))


# -- the stream


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_stream_cut_anywhere_gives_the_same_payloads(seed: int) -> None:
    rng = random.Random(seed)
    frames = [wire.encode(random_message(rng)) for _ in range(rng.randrange(1, 6))]
    stream, reader, received = b"".join(frames), wire.FrameReader(wire.MAX_FRAME_BYTES), list[bytes]()
    while stream:
        size = rng.choice([1, 2, 3, 5, 1000, len(stream)])
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == [frame[4:] for frame in frames]
    assert not reader.has_partial


def test_a_frame_over_the_limit_is_refused_at_its_length() -> None:
    reader = wire.FrameReader(100)
    assert list(reader.feed(struct.pack("<I", 100) + bytes(50))) == []
    assert list(reader.feed(bytes(50))) == [bytes(100)]
    assert list(reader.feed(struct.pack("<I", 101)[:3])) == []
    with pytest.raises(FrameTooLarge):
        list(reader.feed(struct.pack("<I", 101)[3:]))


def test_frames_before_one_that_is_too_large_are_still_handed_out() -> None:
    feed = wire.FrameReader(4).feed(struct.pack("<I", 1) + b"a" + struct.pack("<I", 5))
    assert next(feed) == b"a"
    with pytest.raises(FrameTooLarge):
        next(feed)


@pytest.mark.parametrize("before, after", [(4, 8), (8, 4)])
def test_a_limit_set_between_two_frames_of_one_chunk_holds_for_the_second(before: int, after: int) -> None:
    reader, refused = wire.FrameReader(before), False
    received = []
    try:
        for payload in reader.feed(struct.pack("<I", 4) + b"1234" + struct.pack("<I", 8) + b"12345678"):
            received.append(payload)
            reader.limit_bytes = after
    except FrameTooLarge:
        refused = True
    assert received == [b"1234"] + [b"12345678"] * (after == 8)
    assert refused == (after == 4)


# -- what is refused


WRONG: dict[str, Any] = {
    "nil": None,
    "bool": True,
    "float": 1.5,
    "nan": math.nan,
    "negative": -1,
    "too large": 2**64 - 1,
    "string": "x" * 600,
    "bytes": b"x" * 600,
    "list": [[]],
    "map": {"a": 1},
    "ext": msgpack.ExtType(9, b"abc"),
    "timestamp": msgpack.Timestamp(1, 2),
}
U64_FIELDS = {"chain_id", "incarnation", "expires_at", "epoch_rows", "seq", "token", "rows_done"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_field_of_a_wrong_type_or_range_is_refused(kind: str, wrong: str) -> None:
    body = body_of(MAKERS[kind](random.Random(1)))
    for field in body:
        if wrong == "too large" and field in U64_FIELDS:
            continue
        with pytest.raises(FrameMalformed):
            wire.decode(msgpack.packb(body | {field: WRONG[wrong]}))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_required(kind: str) -> None:
    body = body_of(MAKERS[kind](random.Random(2)))
    for field in body:
        with pytest.raises(FrameMalformed):
            wire.decode(msgpack.packb({key: value for key, value in body.items() if key != field}))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "join", "experts": []},
        {"kind": "join", "experts": [0] * 1025},
        {"kind": "join", "shards_digest": bytes(31)},
        {"kind": "join", "proof": bytes(33)},
        {"kind": "join", "node_id": "x" * 129},
        {"kind": "join", "capacity": 2**31},
        {"kind": "hello", "features": [""] * 33},
        {"kind": "hello", "features": [b""]},
        {"kind": "hello", "protocol_min": True},
        {"kind": "dispatch", "groups": []},
        {"kind": "dispatch", "groups": [[1]]},
        {"kind": "dispatch", "groups": [[1, 2, 3]]},
        {"kind": "dispatch", "groups": [[1, -1]]},
        {"kind": "dispatch", "groups": [[1, 1.0]]},
        {"kind": "dispatch", "groups": {"1": 1}},
        {"kind": "reject", "reason": "x" * 513},
    ],
    ids=lambda changes: "-".join(map(str, changes.values()))[:40],
)
def test_values_just_outside_of_their_bounds_are_refused(changes: dict[str, Any]) -> None:
    body = body_of(MAKERS[changes["kind"]](random.Random(3)))
    wire.decode(msgpack.packb(body))
    with pytest.raises(FrameMalformed):
        wire.decode(msgpack.packb(body | changes))


TENSORS: dict[str, bytes] = {
    "no header": b"",
    "half a header": b"\x00",
    "unknown dtype": b"\x05\x00" + bytes(4),
    "five dimensions": b"\x03\x05" + struct.pack("<5I", 1, 1, 1, 1, 1) + b"a",
    "255 dimensions": b"\x03\xff" + bytes(2000),
    "header cut short": b"\x03\x02" + bytes(7),
    "one value missing": b"\x00\x01" + struct.pack("<I", 2) + bytes(4),
    "one byte too many": b"\x00\x01" + struct.pack("<I", 1) + bytes(5),
    "bytes of an empty one": b"\x00\x01" + struct.pack("<I", 0) + bytes(4),
    "NaN for a shape": b"\x00\x01" + struct.pack("<f", math.nan) + bytes(4),
    "a shape that wraps to 0": b"\x03\x04" + struct.pack("<4I", 2**31, 2**31, 2, 2) + b"",
    "the largest shape": b"\x03\x04" + struct.pack("<4I", *[2**32 - 1] * 4) + bytes(16),
    "empty with strides beyond 64 bits": b"\x00\x04" + struct.pack("<4I", 0, *[2**32 - 1] * 3),
}


@pytest.mark.parametrize("data", TENSORS.values(), ids=TENSORS)
def test_a_broken_tensor_is_refused(data: bytes) -> None:
    with pytest.raises(FrameMalformed):
        wire.decode(msgpack.packb({"kind": "result", "seq": 0, "outputs": msgpack.ExtType(1, data)}))


@pytest.mark.parametrize("code", [0, 2, 127])
def test_an_ext_type_that_is_no_tensor_is_refused(code: int) -> None:
    data = body_of(wire.Result(0, torch.ones(1)))["outputs"].data
    with pytest.raises(FrameMalformed):
        wire.decode(msgpack.packb({"kind": "result", "seq": 0, "outputs": msgpack.ExtType(code, data)}))


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no map": msgpack.packb([1]),
    "no kind": msgpack.packb({"token": 1}),
    "kind of another type": msgpack.packb({"kind": ["ping"], "token": 1}),
    "kind in bytes": msgpack.packb({b"kind": "ping", "token": 1}),
    "unknown kind": msgpack.packb({"kind": "reboot"}),
    "a class's name for a kind": msgpack.packb({"kind": "Ping", "token": 1}),
    "two messages": msgpack.packb({"kind": "ping", "token": 1}) * 2,
    "a map as key": b"\x81\x80\x01",
    "bytes as key": msgpack.packb({"kind": "ping", "token": 1, b"later": 1}),
    "an int as key": b"\x82\x01\x01" + msgpack.packb("kind") + msgpack.packb("ping"),
    "a string of no text": b"\x81\xa4kind\xa1\xff",
    "the byte that msgpack never uses": b"\xc1",
    "array of 2^32 - 1": b"\xdd\xff\xff\xff\xff",
    "map of 2^32 - 1": b"\xdf\xff\xff\xff\xff",
    "string of 2^32 - 1": b"\xdb\xff\xff\xff\xff",
    "bytes of 2^32 - 1": b"\xc6\xff\xff\xff\xff",
    "ext of 2^32 - 1": b"\xc9\xff\xff\xff\xff\x01",
    "a field with an array of 2^32 - 1": b"\x81\xa4kind\xdd\xff\xff\xff\xff",
    "arrays in arrays": b"\x91" * 60_000 + b"\x90",
    "maps in maps": b"\x81\xa1a" * 20_000 + b"\x80",
    "arrays in arrays, large": b"\x91" * 1_000_000 + b"\x90",
    "a million empty maps": b"\x82\xa4kind\xa4ping\xa1a" + struct.pack(">BI", 0xDD, 10**6) + b"\x80" * 10**6,
    "a million tensors": b"\x82\xa4kind\xa4ping\xa1a"
    + struct.pack(">BI", 0xDD, 10**6)
    + b"\xd7\x01\x03\x01\0\0\0\0\0\0" * 10**6,
    "a map of many fields": struct.pack(">BI", 0xDF, 10**6) + b"\xa1a\xc0" * 10**6,
    "a large frame cut short": payload_of(wire.Result(0, torch.ones(50_000)))[:-1],
    "a large frame with a byte too many": payload_of(wire.Result(0, torch.ones(50_000))) + b"\0",
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_what_is_not_exactly_one_message_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameMalformed):
        wire.decode(payload)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_ignored(kind: str) -> None:
    message = MAKERS[kind](random.Random(4))
    more = {"later": [1, {"x": msgpack.ExtType(7, b"?")}], "": None, "raw": msgpack.ExtType(1, b"broken")}
    assert_same(message, wire.decode(msgpack.packb({**more, **body_of(message)})))


def test_the_last_of_two_equal_keys_counts_and_is_checked_like_any_other() -> None:
    def twice(first: object, second: object) -> bytes:
        key = msgpack.packb("token")
        return (
            b"\x83"
            + msgpack.packb("kind")
            + msgpack.packb("ping")
            + b"".join(key + msgpack.packb(value) for value in (first, second))
        )

    assert wire.decode(twice("x", 5)) == wire.Ping(5)
    with pytest.raises(FrameMalformed):
        wire.decode(twice(5, "x"))


def test_a_large_frame_may_have_unknown_small_keys_and_a_large_unknown_tensor() -> None:
    result = wire.Result(0, torch.ones(50_000))
    more = {"later": list(range(1000)), "second": msgpack.ExtType(1, bytes(100_000))}
    assert_same(result, wire.decode(msgpack.packb(body_of(result) | more)))


# -- fuzzing


def mutate(payload: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(payload)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randrange(len(damaged) + 1)
        match rng.randrange(5):
            case 0 if place < len(damaged):
                damaged[place] ^= 1 << rng.randrange(8)
            case 1:
                del damaged[place:]
            case 2:
                damaged[place:place] = rng.randbytes(rng.choice([1, 2, 5]))
            case 3 if place < len(damaged):
                damaged[place] = rng.choice([0xC0, 0xC1, 0xC6, 0xC9, 0xCB, 0xCF, 0xDB, 0xDD, 0xDF, 0xFF])
            case _:
                del damaged[place : place + rng.choice([1, 4])]
    return bytes(damaged)


def fuzz(num_cases: int, seed: int) -> tuple[int, int]:
    rng = random.Random(seed)
    decoded = refused = 0
    pool = [payload_of(MAKERS[kind](rng)) for kind in KINDS for _ in range(20)]
    pool = [payload for payload in pool if len(payload) < 3000]
    for case in range(num_cases):
        payload = rng.randbytes(rng.randrange(64)) if case % 4 == 0 else mutate(rng.choice(pool), rng)
        if decodes_or_is_refused(payload):
            decoded += 1
        else:
            refused += 1
    return decoded, refused


def test_damaged_frames_are_refused_or_well_formed() -> None:
    decoded, refused = fuzz(4_000, seed=1)
    assert decoded > 50 and refused > 2_000  # the damage is of both sorts


@pytest.mark.long
def test_a_hundred_thousand_damaged_frames_are_refused_or_well_formed() -> None:
    decoded, refused = fuzz(100_000, seed=2)
    assert decoded > 1_000 and refused > 50_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["kind", "seq", "token", "outputs", "groups", "row_index", "hidden_states", "layer", "code"])
        | st.text(max_size=3),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
    ),
    st.sampled_from(KINDS),
)
def test_well_formed_msgpack_of_any_content_is_refused_or_well_formed(body: dict[str, Any], kind: str) -> None:
    decodes_or_is_refused(msgpack.packb(body))
    decodes_or_is_refused(msgpack.packb(body | {"kind": kind}))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 64))
def test_a_stream_of_garbage_raises_refusals_only(chunks: list[bytes], limit: int) -> None:
    reader = wire.FrameReader(limit)
    try:
        for chunk in chunks:
            for payload in reader.feed(chunk):
                assert len(payload) <= limit
                wire.decode(payload)
    except WireError as refused:
        assert isinstance(refused, REFUSALS)


# -- proofs


def test_proofs_change_with_every_word_that_either_side_said() -> None:
    rng = random.Random(5)
    hello, join = cast(wire.Hello, MAKERS["hello"](rng)), cast(wire.Join, MAKERS["join"](rng))
    proof = wire.join_proof(b"token", hello, join)
    seen = {proof, wire.join_proof(b"other", hello, join)}
    for message in (hello, join):
        for field in fields(message):
            changed = type(message)(
                **{f.name: getattr(message, f.name) for f in fields(message)} | {field.name: "other"}
            )
            both = (changed, join) if message is hello else (hello, changed)
            if field.name == "proof":
                assert wire.join_proof(b"token", *both) == proof
            else:
                seen.add(wire.join_proof(b"token", *both))
    assert len(seen) == 2 + len(fields(hello)) + len(fields(join)) - 1
    assert wire.welcome_proof(b"token", bytes(32)) != wire.welcome_proof(b"token", bytes(31) + b"1")
