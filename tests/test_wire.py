"""The wire protocol: what is sent arrives, however the stream is cut."""

from __future__ import annotations

import random
import struct
from dataclasses import fields
from typing import Any, cast

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray import wire
from moray.errors import FrameTooLarge
from wire_kit import DTYPES, KINDS, MAKERS, assert_same, bits, body_of, payload_of, random_message


def sent(tensor: wire.Tensor) -> wire.Tensor:
    """The tensor as the other side has it."""
    return cast(wire.Result, wire.decode(payload_of(wire.Result(0, tensor)))).outputs


# -- round trips


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_message_arrives_as_it_was_sent(kind: str, seed: int) -> None:
    message = MAKERS[kind](random.Random(seed))
    assert_same(message, wire.decode(payload_of(message)))


def test_every_kind_has_a_maker_here() -> None:
    assert {message.kind for message in (MAKERS[kind](random.Random(0)) for kind in KINDS)} == set(KINDS)
    assert len(KINDS) == len(wire.Message.__args__)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4, 5)], ids=str)
def test_tensors_of_every_dtype_and_shape_keep_their_bits(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    tensor = np.asarray(np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)
    assert bits(sent(tensor)) == bits(tensor)


CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LAYOUTS = {
    "transposed": CUBE.T,
    "in Fortran's order": np.asfortranarray(CUBE),
    "every second column": CUBE[:, :, ::2],
    "backwards": CUBE[::-1, :, ::-1],
    "columns of a wider one": CUBE[0][:, 1:3],
    "the same row thrice": np.broadcast_to(CUBE[0, 0], (3, 4)),
    "at an odd address": np.frombuffer(b"x" + CUBE.tobytes(), np.float32, offset=1),
}


@pytest.mark.parametrize("tensor", LAYOUTS.values(), ids=LAYOUTS)
def test_a_tensor_that_does_not_lie_in_one_piece_arrives_value_by_value(tensor: wire.Tensor) -> None:
    received = sent(tensor)
    assert received.dtype == np.float32 and received.shape == tensor.shape
    assert received.tolist() == tensor.tolist()


@pytest.mark.parametrize("num_bytes_before", range(4))
@pytest.mark.parametrize("ndim", range(5))
def test_values_arrive_from_any_offset_in_a_frame(num_bytes_before: int, ndim: int) -> None:
    numbers = [1.5, -2.0, 3.25e-38, 7.0][: 4 if ndim else 1]
    tensor = np.array(numbers, np.float32).reshape((1,) * (ndim - 1) + (4,) if ndim else ())
    payload = msgpack.packb({"pad": bytes(num_bytes_before), **body_of(wire.Result(0, tensor))})
    reader = wire.FrameReader(wire.MAX_FRAME_BYTES)
    first, second = reader.feed(b"".join(struct.pack("<I", len(payload)) + payload for _ in range(2)))
    inside = memoryview(bytes(num_bytes_before) + payload)[num_bytes_before:]
    for received in (wire.decode(part) for part in (first, second, inside)):
        assert isinstance(received, wire.Result)
        assert struct.pack(f"<{len(numbers)}f", *received.outputs.ravel().tolist()) == tensor.tobytes()
        assert (received.outputs + 1).shape == tensor.shape


@pytest.mark.parametrize("shape", [(), (1,), (2, 2), (200, 200)], ids=str)
def test_a_received_tensor_cannot_be_written_to(shape: tuple[int, ...]) -> None:
    received = sent(np.ones(shape, np.float32))
    assert not received.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        received[...] = 0
    assert received.sum() == received.size


def test_a_received_tensor_does_not_change_with_the_bytes_that_it_came_in() -> None:
    buffer = bytearray(payload_of(wire.Result(0, np.ones((2, 2), np.float32))))
    message = wire.decode(buffer)
    buffer[:] = bytes(len(buffer))
    assert isinstance(message, wire.Result) and message.outputs.sum() == 4


UNSPEAKABLE = {
    "float64": np.ones(2),
    "big-endian float32": np.ones(2, ">f4"),
    "big-endian float16": np.ones(2, ">f2"),
    "big-endian int32": np.ones(2, ">i4"),
    "int64": np.ones(2, np.int64),
    "int16": np.ones(2, np.int16),
    "uint8": np.ones(2, np.uint8),
    "bool": np.ones(2, np.bool_),
    "complex64": np.ones(2, np.complex64),
    "text": np.array(["a"]),
    "objects": np.array([object()]),
    "records": np.zeros(2, [("a", "<f4")]),
    "times": np.zeros(2, "M8[s]"),
    "five dimensions": np.ones((1, 1, 1, 1, 1), np.float32),
    "a big-endian one without values": np.ones((0, 3), ">f4"),
}


@pytest.mark.parametrize("tensor", UNSPEAKABLE.values(), ids=UNSPEAKABLE)
def test_a_tensor_that_the_protocol_has_no_words_for_is_not_sent(tensor: wire.Tensor) -> None:
    with pytest.raises(TypeError):
        wire.encode(wire.Result(0, tensor))


# -- the stream


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_a_stream_cut_anywhere_gives_the_same_payloads(seed: int) -> None:
    rng = random.Random(seed)
    frames = [wire.encode(random_message(rng)) for _ in range(rng.randrange(1, 6))]
    stream, reader, received = b"".join(frames), wire.FrameReader(wire.MAX_FRAME_BYTES), list[bytes | memoryview]()
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
