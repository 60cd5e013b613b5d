"""Nothing that a peer sends can do more than close its own connection: it is refused, or it is well formed."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moray import wire
from moray.errors import FrameMalformed, FrameTooLarge, WireError
from wire_kit import KINDS, MAKERS, assert_same, body_of, decodes_or_is_refused, payload_of

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
LARGE = np.ones(50_000, np.float32)
U64_FIELDS = {
    *("chain_id", "incarnation", "expires_at", "epoch_rows", "seq", "token", "rows_done"),
    *("epoch", "asked", "returned", "rows"),
}


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
        {"kind": "voucher", "channel": bytes(31)},
        {"kind": "voucher", "cumulative": bytes(33)},
        {"kind": "voucher", "cumulative": 7},
        {"kind": "voucher", "signature": bytes(64)},
        {"kind": "lease", "router": "x" * 129},
        {"kind": "join", "capacity": 2**31},
        {"kind": "hello", "features": [""] * 33},
        {"kind": "hello", "features": [b""]},
        {"kind": "hello", "protocol_min": True},
        {"kind": "dispatch", "groups": []},
        {"kind": "dispatch", "groups": [[1]]},
        {"kind": "dispatch", "groups": [[1, 2, 3]]},
        {"kind": "dispatch", "groups": [[1, -1]]},
        {"kind": "dispatch", "groups": [[1, 1.0]]},
        {"kind": "dispatch", "groups": [[1, True]]},
        {"kind": "dispatch", "groups": [["1", 1]]},
        {"kind": "dispatch", "groups": [[2**31, 1]]},
        {"kind": "dispatch", "groups": [[1, 2**31]]},
        {"kind": "dispatch", "groups": [1, 1]},
        {"kind": "dispatch", "groups": ["11"]},
        {"kind": "dispatch", "groups": [[0, 1]] * 1025},
        {"kind": "dispatch", "groups": {"1": 1}},
        {"kind": "dispatch", "layer": 2**31},
        {"kind": "dispatch", "deadline_ms": 2**31},
        {"kind": "dispatch", "row_index": []},
        {"kind": "dispatch", "row_index": [0] * (wire.MAX_ROWS + 1)},
        {"kind": "dispatch", "row_index": [0, -1, 1]},
        {"kind": "dispatch", "row_index": [0, 2**31]},
        {"kind": "dispatch", "row_index": [0, True]},
        {"kind": "dispatch", "row_index": [0, 1.0]},
        {"kind": "dispatch", "row_index": ["0"]},
        {"kind": "dispatch", "row_index": [None]},
        {"kind": "dispatch", "row_index": [[0]]},
        {"kind": "dispatch", "row_index": 0},
        {"kind": "dispatch", "row_index": "01"},
        {"kind": "dispatch", "row_index": b"\0\1"},
        {"kind": "dispatch", "row_index": {"0": 0}},
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
    "bfloat16, which is not spoken yet": b"\x01\x01" + struct.pack("<I", 2) + bytes(4),
    "bfloat16 without values": b"\x01\x01" + struct.pack("<I", 0),
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


def test_a_row_index_sent_as_a_tensor_is_refused() -> None:
    body = body_of(MAKERS["dispatch"](random.Random(3)))
    tensor = body_of(wire.Result(0, np.array([0, 1], np.int32)))["outputs"]
    with pytest.raises(FrameMalformed):
        wire.decode(msgpack.packb(body | {"row_index": tensor}))


def test_a_row_index_may_be_as_long_and_its_numbers_as_large_as_the_protocol_says() -> None:
    longest = wire.Dispatch(0, 1, [(0, wire.MAX_ROWS)], [2**31 - 1] * wire.MAX_ROWS, LARGE, 1000)
    assert_same(longest, wire.decode(payload_of(longest)))


@pytest.mark.parametrize("code", [0, 2, 127])
def test_an_ext_type_that_is_no_tensor_is_refused(code: int) -> None:
    data = body_of(wire.Result(0, np.ones(1, np.float32)))["outputs"].data
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
    "a large frame cut short": payload_of(wire.Result(0, LARGE))[:-1],
    "a large frame with a byte too many": payload_of(wire.Result(0, LARGE)) + b"\0",
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
        parts = ("kind", "ping", "token", first, "token", second)
        return b"\x83" + b"".join(map(msgpack.packb, parts))

    assert wire.decode(twice("x", 5)) == wire.Ping(5)
    with pytest.raises(FrameMalformed):
        wire.decode(twice(5, "x"))


def test_a_large_frame_may_have_unknown_small_keys_and_a_large_unknown_tensor() -> None:
    result = wire.Result(0, LARGE)
    more = {"later": list(range(1000)), "second": msgpack.ExtType(1, bytes(100_000))}
    assert_same(result, wire.decode(msgpack.packb(body_of(result) | more)))


# -- of any content; tests/test_fuzz.py damages well-formed frames


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
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


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 64))
def test_a_stream_of_garbage_raises_refusals_only(chunks: list[bytes], limit: int) -> None:
    reader = wire.FrameReader(limit)
    try:
        for chunk in chunks:
            for payload in reader.feed(chunk):
                assert len(payload) <= limit
                wire.decode(payload)
    except WireError as refused:
        assert isinstance(refused, FrameMalformed | FrameTooLarge)
