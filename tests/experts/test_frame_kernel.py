"""Frames in compiled code: what ``moray.wire`` writes and reads, or nothing at all, for whatever bytes a peer sends."""

from __future__ import annotations

import ctypes
import mmap
import random
import struct
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moray import wire
from moray.errors import FrameMalformed
from moray.experts import frame_kernel as frame
from moray.experts.compiled import Ids, kernel
from moray.experts.frame_kernel import Bytes
from wire_kit import bits

DTYPES: dict[int, np.dtype[Any]] = {frame.FLOAT32: np.dtype(np.float32), frame.INT8: np.dtype(np.int8)}
EDGES = sorted({max(0, 2**power + more) for power in (0, 4, 7, 8, 16, 31, 32, 63, 64) for more in (-2, -1, 0, 1)})
SEQS = [value for value in EDGES if value <= wire.MAX_U64]
COUNTS = [value for value in EDGES if value <= wire.MAX_COUNT]
MAX_SEQ = 2**63 - 1  # of compiled code; what is beyond goes to Python


@kernel("b1(u1[::1], i8, i8, i8[::1], i8[::1], i8[::1], i8[::1])")
def read_kernel(data: Bytes, start: int, end: int, fields: Ids, experts: Ids, counts: Ids, row_index: Ids) -> bool:
    return frame.read_dispatch(data, start, end, fields, experts, counts, row_index)


@kernel("i8(u1[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def write_dispatch_kernel(data: Bytes, fields: Ids, experts: Ids, counts: Ids, row_index: Ids) -> int:
    at: int = frame.write_dispatch_head(data, fields, experts, counts, row_index)
    return at


@kernel("i8(u1[::1], i8, i8, i8, i8, i8)")
def write_result_kernel(data: Bytes, start: int, seq: int, dtype: int, height: int, width: int) -> int:
    at: int = frame.write_result_head(data, start, seq, dtype, height, width)
    return at


@kernel("i8(u1[::1], i8, i8)")
def whole_frame_kernel(data: Bytes, start: int, end: int) -> int:
    size: int = frame.whole_frame(data, start, end)
    return size


class Fence:
    """Memory that ends where the frame does: one byte more, and the process is killed."""

    def __init__(self, num_bytes: int = 1 << 18) -> None:
        self._pages = mmap.mmap(-1, num_bytes + mmap.PAGESIZE)
        whole: NDArray[np.uint8] = np.frombuffer(self._pages, np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(whole.ctypes.data + num_bytes), ctypes.c_size_t(mmap.PAGESIZE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        self._memory = whole[:num_bytes]

    def put(self, data: bytes) -> Bytes:
        place = self._memory[len(self._memory) - len(data) :]
        place[:] = np.frombuffer(data, np.uint8)
        return place


FENCE = Fence()
# As large as the serving kernel's, with a margin that shows what is written beyond them.
EXPERTS, GROUP_SIZES = (np.empty(wire.MAX_GROUPS + 1, np.int64) for _ in range(2))
ROW_INDEX = np.empty(wire.MAX_ROWS + 1, np.int64)
MARK = -12345


def read(data: bytes, before: bytes = b"") -> wire.Dispatch | None:
    """The Dispatch of a frame as compiled code sees it; None when it is not recognised."""
    fields = np.full(frame.NUM_FIELDS + 1, MARK, np.int64)
    EXPERTS[-1] = GROUP_SIZES[-1] = ROW_INDEX[-1] = MARK
    where = FENCE.put(before + data) if len(before + data) <= 1 << 18 else np.frombuffer(before + data, np.uint8).copy()
    known = read_kernel(where, len(before), len(where), fields[:-1], EXPERTS[:-1], GROUP_SIZES[:-1], ROW_INDEX[:-1])
    assert fields[-1] == EXPERTS[-1] == GROUP_SIZES[-1] == ROW_INDEX[-1] == MARK
    if not known:
        return None
    seq, layer, deadline_ms, num_groups, num_rows, dtype, height, width, start = fields[:-1].tolist()
    values = where[start:].tobytes()
    assert len(values) == height * width * DTYPES[dtype].itemsize
    states = np.frombuffer(values, DTYPES[dtype]) if values else np.empty(0, DTYPES[dtype])
    groups = list(zip(EXPERTS[:num_groups].tolist(), GROUP_SIZES[:num_groups].tolist(), strict=True))
    return wire.Dispatch(seq, layer, groups, ROW_INDEX[:num_rows].tolist(), states.reshape(height, width), deadline_ms)


def judge(data: bytes) -> wire.Message | None:
    try:
        return wire.decode(data[frame.LENGTH_BYTES :])
    except FrameMalformed:
        return None


def assert_equal(ours: wire.Dispatch, theirs: wire.Message | None) -> None:
    assert isinstance(theirs, wire.Dispatch)
    assert bits(ours.hidden_states) == bits(theirs.hidden_states)
    nothing = np.empty(0, np.float32)
    assert replace(ours, hidden_states=nothing).__repr__() == replace(theirs, hidden_states=nothing).__repr__()


def is_computable(dispatch: wire.Dispatch) -> bool:
    return (
        dispatch.seq <= MAX_SEQ
        and dispatch.hidden_states.ndim == 2
        and dispatch.hidden_states.dtype in DTYPES.values()
        and sum(count for _, count in dispatch.groups) == len(dispatch.row_index)
        and max(dispatch.row_index) < len(dispatch.hidden_states)
    )


def make_dispatch(rng: random.Random, max_groups: int = 40) -> wire.Dispatch:
    """A Dispatch whose parts fit together."""
    sizes = [rng.choice([0, 1, 1, 2, 17]) for _ in range(rng.randint(1, max_groups))]
    sizes[rng.randrange(len(sizes))] = rng.choice([1, 3, 130, 300])
    groups = [(rng.choice(COUNTS), size) for size in sizes]
    dtype, width = rng.choice(list(DTYPES.values())), rng.choice([0, 0, 1, 3, 21])
    height = rng.choice([1, 2, 200, 2**31] if width == 0 else [1, 2, 200, 70_000] if width == 1 else [1, 5, 300])
    hidden_states = np.empty((height, width), dtype)
    hidden_states.view(np.uint8)[:] = rng.randrange(256)
    if hidden_states.size:
        hidden_states.view(np.uint8).flat[:: rng.randint(1, 9)] = rng.randrange(256)
    numbers = [value for value in COUNTS if value < height]
    row_index = [rng.choice([rng.choice(numbers), rng.randrange(height)]) for _ in range(sum(sizes))]
    return wire.Dispatch(rng.choice(SEQS), rng.choice(COUNTS), groups, row_index, hidden_states, rng.choice(COUNTS))


# -- what this side writes


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), before=st.binary(max_size=9))
def test_a_dispatch_is_read_as_it_was_encoded_or_left_to_python(seed: int, before: bytes) -> None:
    dispatch = make_dispatch(random.Random(seed))
    received = read(wire.encode(dispatch), before)
    if dispatch.seq > MAX_SEQ:
        assert received is None
    else:
        assert received is not None
        assert_equal(received, dispatch)


@pytest.mark.parametrize("num_groups", [1, 15, 16, 255, 256, wire.MAX_GROUPS - 1, wire.MAX_GROUPS])
def test_groups_are_read_up_to_their_limit(num_groups: int) -> None:
    groups = [(expert, 1) for expert in range(num_groups)]
    dispatch = wire.Dispatch(1, 2, groups, [0] * num_groups, np.ones((1, 3), np.int8), 5)
    received = read(wire.encode(dispatch))
    assert received is not None
    assert_equal(received, dispatch)
    beyond = replace(dispatch, groups=groups * 2, row_index=[0] * 2 * num_groups)
    assert (read(wire.encode(beyond)) is None) == (2 * num_groups > wire.MAX_GROUPS)


@pytest.mark.parametrize("num_rows", [1, 15, 16, 255, 256, wire.MAX_ROWS])
def test_row_numbers_are_read_up_to_their_limit(num_rows: int) -> None:
    dispatch = wire.Dispatch(1, 2, [(3, num_rows)], list(range(num_rows)), np.ones((num_rows, 2), np.int8), 5)
    received = read(wire.encode(dispatch))
    assert received is not None
    assert_equal(received, dispatch)
    rows = [0] * (wire.MAX_ROWS + 1)
    assert read(wire.encode(replace(dispatch, groups=[(3, len(rows))], row_index=rows))) is None


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_a_dispatch_is_written_as_wire_encodes_it(seed: int) -> None:
    dispatch = make_dispatch(random.Random(seed))
    dispatch.seq = min(dispatch.seq, MAX_SEQ)
    expected = wire.encode(dispatch)
    head_bytes = len(expected) - dispatch.hidden_states.nbytes
    code = next(code for code, dtype in DTYPES.items() if dtype == dispatch.hidden_states.dtype)
    fields = np.array(
        [
            dispatch.seq,
            dispatch.layer,
            dispatch.deadline_ms,
            len(dispatch.groups),
            len(dispatch.row_index),
            code,
            *dispatch.hidden_states.shape,
            MARK,
        ],
        np.int64,
    )
    experts, counts = (np.array(column, np.int64) for column in zip(*dispatch.groups, strict=True))
    data = np.full(head_bytes + 16, 0xEE, np.uint8)
    at = write_dispatch_kernel(data, fields, experts, counts, np.array(dispatch.row_index, np.int64))
    assert at == head_bytes
    assert data[:at].tobytes() == expected[:head_bytes] and set(data[at:].tolist()) == {0xEE}


@settings(max_examples=150)
@given(
    seq=st.sampled_from([seq for seq in SEQS if seq <= MAX_SEQ]),
    dtype=st.sampled_from(sorted(DTYPES)),
    shape=st.one_of(st.tuples(st.integers(0, 300), st.integers(0, 70)), st.tuples(st.sampled_from(COUNTS), st.just(0))),
    start=st.integers(0, 70),
)
def test_a_result_is_written_as_wire_encodes_it(seq: int, dtype: int, shape: tuple[int, int], start: int) -> None:
    outputs = np.full(shape, 7, DTYPES[dtype])
    expected = wire.encode(wire.Result(seq, outputs))
    data = np.full(start + frame.RESULT_HEAD_BYTES, 0xEE, np.uint8)
    at = write_result_kernel(data, start, seq, dtype, *shape)
    assert at - start == len(expected) - outputs.nbytes <= frame.RESULT_HEAD_BYTES
    assert data[start:at].tobytes() == expected[: at - start]
    assert set(data[:start].tolist()) | set(data[at:].tolist()) <= {0xEE}


@settings(max_examples=100)
@given(
    size=st.one_of(st.integers(0, 40), st.sampled_from([2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1])),
    start=st.integers(0, 9),
    num_bytes=st.integers(0, 50),
)
def test_a_frame_is_whole_when_its_last_byte_is_there(size: int, start: int, num_bytes: int) -> None:
    data = (bytes(start) + struct.pack("<I", size) + bytes(50))[: start + num_bytes]
    is_whole = num_bytes >= 4 + size
    assert whole_frame_kernel(FENCE.put(data), start, len(data)) == (4 + size if is_whole else 0)


# -- what a peer may send instead


def assert_judged_alike(data: bytes) -> wire.Dispatch | None:
    """Compiled code takes nothing that ``wire.decode`` refuses, and what it takes it reads alike."""
    received = read(data)
    if received is not None:
        assert_equal(received, judge(data))
        assert is_computable(received)
    return received


def small_dispatch(rng: random.Random) -> bytes:
    dispatch = make_dispatch(rng, max_groups=rng.choice([1, 2, 20]))
    return wire.encode(dispatch)


@settings(max_examples=400)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_damaged_frame_is_declined_or_read_as_wire_reads_it(seed: int, data: st.DataObject) -> None:
    rng = random.Random(seed)
    damaged = bytearray(small_dispatch(rng))
    for _ in range(data.draw(st.integers(1, 3))):
        # mostly in what comes before the values
        place = rng.choice([rng.randrange(min(len(damaged), 60) or 1), rng.randrange(len(damaged) or 1)])
        match data.draw(st.sampled_from(["flip", "set", "cut", "insert", "remove", "swap"])):
            case "flip" if damaged:
                damaged[place] ^= 1 << rng.randrange(8)
            case "set" if damaged:
                damaged[place] = rng.choice([0, 1, 0x7F, 0x80, 0x92, 0xC9, 0xCC, 0xCD, 0xCE, 0xCF, 0xDC, 0xDD, 0xFF])
            case "cut":
                del damaged[place:]
            case "insert":
                damaged[place:place] = rng.randbytes(rng.choice([1, 2, 8]))
            case "remove":
                del damaged[place : place + rng.choice([1, 2, 8])]
            case "swap":
                damaged[place : place + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80", b"\xff\xff\xff\x7f"])
    assert_judged_alike(bytes(damaged))


def test_a_frame_cut_anywhere_is_declined_and_nothing_behind_the_cut_is_read() -> None:
    whole = wire.encode(
        wire.Dispatch(2**40, 300, [(7, 1), (300, 2), (70_000, 1)], [0, 1, 70_000, 2], np.ones((70_001, 0), np.int8), 9)
    ) + wire.encode(wire.Dispatch(1, 2, [(3, 2)], [1, 0], np.ones((2, 3), np.float32), 5))
    second = 4 + struct.unpack_from("<I", whole)[0]
    for start, end in ((0, second), (second, len(whole))):
        assert read(whole[start:end], whole[:start]) is not None
        for cut in range(start, end):
            assert read(whole[start:cut], whole[:start]) is None


@settings(max_examples=100)
@given(tail=st.binary(max_size=200), keep=st.integers(0, 60))
def test_any_bytes_after_a_good_beginning_are_judged_alike(tail: bytes, keep: int) -> None:
    whole = wire.encode(wire.Dispatch(200, 2, [(3, 2)], [1, 0], np.ones((2, 3), np.float32), 5))
    assert_judged_alike(whole[:keep] + tail)


def shaped(dtype: int, height: int, width: int, values: bytes = b"", rows: tuple[int, ...] = (0,)) -> bytes:
    """A Dispatch whose tensor claims a shape."""
    tensor = struct.pack("<BBII", dtype, 2, height, width) + values
    body = {"kind": "dispatch", "seq": 0, "layer": 0, "groups": [[0, len(rows)]], "row_index": list(rows)}
    head: bytes = msgpack.packb(body | {"deadline_ms": 0, "hidden_states": None})[:-1]
    payload = head + struct.pack(">BIb", 0xC9, len(tensor), wire.TENSOR_EXT) + tensor
    return struct.pack("<I", len(payload)) + payload


SIDES = [0, 1, 2, 3, 2**16, 2**30, 2**30 + 1, 2**31 - 1, 2**31, 2**31 + 1, 3 << 30, 2**32 - 2, 2**32 - 1]


@settings(max_examples=300)
@given(
    dtype=st.sampled_from([0, 1, 2, 3, 4, 255]),
    height=st.sampled_from(SIDES),
    width=st.sampled_from(SIDES),
    num_values=st.sampled_from([0, 1, 4, 8, 16]),
)
@example(dtype=0, height=2**31, width=2**31, num_values=0)  # whose bytes are 2^64
@example(dtype=0, height=2**31 + 1, width=2**31, num_values=0)
@example(dtype=3, height=2**32 - 1, width=2**32 - 1, num_values=0)
def test_a_shape_whose_bytes_no_integer_holds_is_declined(dtype: int, height: int, width: int, num_values: int) -> None:
    received = assert_judged_alike(shaped(dtype, height, width, bytes(num_values)))
    assert received is None or height * width * DTYPES[dtype].itemsize == num_values


def packed(**changes: Any) -> bytes:
    body = {"kind": "dispatch", "seq": 0, "layer": 0, "groups": [[0, 1]], "row_index": [0], "deadline_ms": 0}
    tensor = msgpack.ExtType(wire.TENSOR_EXT, struct.pack("<BBII", 3, 2, 2**32 - 1, 0))
    head: bytes = msgpack.packb(body | changes | {"hidden_states": None})[:-1]
    payload: bytes = head + struct.pack(">BIb", 0xC9, len(tensor.data), tensor.code) + tensor.data
    return struct.pack("<I", len(payload)) + payload


NUMBERS = [-1, 0, 2**31 - 1, 2**31, 2**32 - 2, 2**32, 2**63 - 1, 2**63, 2**64 - 1]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_beyond_their_limits_are_declined_wherever_they_stand(number: int) -> None:
    for changes in (
        {"seq": number},
        {"layer": number},
        {"deadline_ms": number},
        {"groups": [[number, 1]]},
        {"groups": [[0, number]]},
        {"groups": [[0, 1], [0, number]]},
        {"row_index": [number]},
        {"groups": [[0, 2]], "row_index": [0, number]},
        {"groups": [[0, 2]], "row_index": [number, 0]},
    ):
        assert_judged_alike(packed(**changes))


def test_counts_that_would_add_up_only_in_64_bits_are_declined() -> None:
    for high in (2**62, 2**63 - 1):
        assert read(packed(groups=[[0, high], [1, high], [2, 3]])) is None


def test_numbers_in_more_bytes_than_they_need_are_read_as_wire_reads_them() -> None:
    data = bytearray(packed(seq=2**40))
    at = data.index(b"\xa3seq") + 4
    data[at : at + 9] = struct.pack(">BQ", 0xCF, 5)
    received = assert_judged_alike(bytes(data))
    assert received is not None and received.seq == 5


def test_more_bytes_outside_of_the_tensor_than_wire_accepts_are_declined() -> None:
    num_rows = wire.MAX_PLAIN_BYTES // 9 + 1
    data = packed(groups=[[0, num_rows]], row_index=[2**40] * num_rows)  # nine bytes each, as a stingy peer would not
    wide = data.replace(struct.pack(">BQ", 0xCF, 2**40), struct.pack(">BQ", 0xCF, 1))
    assert judge(wide) is None
    assert read(wide) is None
