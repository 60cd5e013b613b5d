"""The wire protocol: what is sent arrives, however the stream is cut."""

from __future__ import annotations

import random
import struct
from dataclasses import fields
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moray import wire
from moray.errors import FrameTooLarge
from wire_kit import DTYPES, KINDS, MAKERS, assert_same, bits, payload_of, random_message

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
