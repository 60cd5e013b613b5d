"""Rows of bytes with a scale each: what they are, and float32 rows made into them and back.

A scale is a mantissa (int32) and a shift (int8), and stands for ``mantissa / 2^shift``. A row travels with its scale
behind it, see ``experts.row_kernel``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import Rows
from moray.experts.row_kernel import SCALE_BYTES, decode_kernel, encode_kernel

HIGHEST = 127  # value of a byte that a quantiser writes


@dataclass(frozen=True, slots=True, eq=False)
class ScaledRows:
    """``values[r] * mantissas[r] / 2^shifts[r]``: int8 [R, width], int32 [R], int8 [R]."""

    values: NDArray[np.int8]
    mantissas: NDArray[np.int32]
    shifts: NDArray[np.int8]


def encode(rows: Rows, highest: int = HIGHEST) -> NDArray[np.int8]:
    """float32 [R, width] as it travels, [R, width + SCALE_BYTES]: values from ``-highest`` to ``highest``, each row by
    its greatest magnitude. A row of zeros, or one that is not finite, becomes zeros with the scale (0, 0)."""
    out = np.empty((rows.shape[0], rows.shape[1] + SCALE_BYTES), np.int8)
    encode_kernel(np.ascontiguousarray(rows), highest, out)
    return out


def decode(rows: NDArray[np.int8]) -> Rows:
    """Rows as they travel to float32 [R, width], infinite where a scale says so much."""
    out = np.empty((rows.shape[0], rows.shape[1] - SCALE_BYTES), np.float32)
    decode_kernel(np.ascontiguousarray(rows), out)
    return out


def quantise(rows: Rows, highest: int = HIGHEST) -> ScaledRows:
    """What ``encode`` makes of rows, in parts."""
    encoded = encode(rows, highest)
    mantissas = np.ascontiguousarray(encoded[:, -SCALE_BYTES:-1]).view("<i4")[:, 0]
    return ScaledRows(encoded[:, :-SCALE_BYTES], mantissas, encoded[:, -1])
