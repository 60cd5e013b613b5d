"""Weights of four bits: two to a byte and back, whatever the bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moray.experts.nibbles import pack_nibbles, packed_width, unpack_nibbles

NIBBLE = {nibble: nibble - 16 if nibble > 7 else nibble for nibble in range(16)}  # two's complement


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=9))
def test_columns_stand_in_bytes_from_the_low_nibble_on(row: list[int]) -> None:
    packed = pack_nibbles(np.array([row], np.int8))
    number = int.from_bytes(packed.tobytes(), "little")
    assert [NIBBLE[number >> 4 * column & 15] for column in range(len(row))] == row
    assert number >> 4 * len(row) == 0
    assert packed.shape == (1, packed_width(len(row)))


@given(st.binary(min_size=1, max_size=9), st.booleans())
def test_any_bytes_are_weights(stored: bytes, is_odd: bool) -> None:
    width = 2 * len(stored) - is_odd
    nibbles = [nibble for byte in stored for nibble in (byte & 15, byte >> 4)]
    wanted = [NIBBLE[nibble] for nibble in nibbles[:width]]
    assert unpack_nibbles(np.frombuffer(stored, np.uint8)[None], width).tolist() == [wanted]
