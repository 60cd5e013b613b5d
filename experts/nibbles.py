"""Weights of four bits, two to a byte: of columns 2i and 2i + 1 the first is in the low nibble, in two's complement.

An odd row's last high nibble is 0 when written and not looked at when read, so any bytes are weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def packed_width(width: int) -> int:
    """Bytes of a row."""
    return (width + 1) // 2


def pack_nibbles(values: NDArray[np.int8]) -> NDArray[np.uint8]:
    """[R, width] of -8 to 7 -> [R, packed_width(width)]."""
    even = np.zeros((len(values), 2 * packed_width(values.shape[1])), np.uint8)
    even[:, : values.shape[1]] = values.view(np.uint8) & 15
    return even[:, ::2] | even[:, 1::2] << np.uint8(4)


def unpack_nibbles(stored: NDArray[np.uint8], width: int) -> NDArray[np.int8]:
    """[R, packed_width(width)] -> [R, width], from -8 to 7."""
    values = np.empty((len(stored), 2 * stored.shape[1]), np.int8)
    values[:, ::2] = (stored << 4).view(np.int8) >> 4
    values[:, 1::2] = stored.view(np.int8) >> 4
    return values[:, :width]
