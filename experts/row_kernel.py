"""Rows between float32 and the bytes that travel, compiled.

A row travels as its values (int8), its mantissa (four bytes, little-endian) and its shift (int8). All arithmetic in
between is float64, one rounding an operation, so a row has the same bytes on every machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from moray.experts.compiled import Array, Rows, kernel, part

MANTISSA_BYTES = 4
SCALE_BYTES = MANTISSA_BYTES + 1
INFINITE = 0x7F800000  # bits of float32 from which on a magnitude is infinite or no number

Int = Any  # one of numpy's or of Python's, all of 64 bits once compiled


@part
def read_scale(row: Array) -> tuple[Int, Int]:
    """The mantissa and the shift behind the values of a row that travels."""
    start = row.shape[0] - SCALE_BYTES
    mantissa = np.int64(row[start + MANTISSA_BYTES - 1])  # the highest byte has the sign
    for k in range(MANTISSA_BYTES - 2, -1, -1):
        mantissa = (mantissa << 8) | (np.int64(row[start + k]) & 255)
    return mantissa, np.int64(row[start + MANTISSA_BYTES])


@part
def write_scale(row: Array, mantissa: Int, shift: Int) -> None:
    start = row.shape[0] - SCALE_BYTES
    for k in range(MANTISSA_BYTES):
        row[start + k] = np.int8(mantissa >> (8 * k))
    row[start + MANTISSA_BYTES] = np.int8(shift)


@part
def scale_of(peak: float, highest: float) -> tuple[Int, Int]:
    """The scale with which ``highest`` stands for ``peak``, to 31 bits; (0, 0) where that is too small for a shift."""
    fraction, exponent = math.frexp(peak / highest)  # [0.5, 1) * 2^exponent
    mantissa, shift = np.int64(np.rint(fraction * 2.0**31)), np.int64(31 - exponent)
    if mantissa == 1 << 31:
        mantissa, shift = np.int64(1 << 30), shift - 1
    if peak == 0 or shift > 127:
        return np.int64(0), np.int64(0)
    return mantissa, shift


@kernel("void(f4[:,::1], f8, i1[:,::1])")
def encode_kernel(rows: Rows, highest: float, out: Array) -> None:
    """rows [R, width] to values from ``-highest`` to ``highest`` in out [R, width + SCALE_BYTES], each row by its
    greatest magnitude, halves to even. A row without one, or not finite, becomes zeros with the scale (0, 0)."""
    width = rows.shape[1]
    bits = rows.view(np.int32)
    peak = np.empty(1, np.int32)
    for r in range(rows.shape[0]):
        most = np.int32(0)
        for i in range(width):  # magnitudes are in the order of their bits, and integers have no NaN to mind
            most = max(most, bits[r, i] & np.int32(0x7FFFFFFF))
        mantissa, shift, factor = np.int64(0), np.int64(0), 0.0
        if most < INFINITE:
            peak[0] = most
            magnitude = np.float64(peak.view(np.float32)[0])
            mantissa, shift = scale_of(magnitude, highest)
            factor = highest / magnitude
        if mantissa == 0:
            for i in range(width):
                out[r, i] = 0
        else:
            for i in range(width):
                out[r, i] = np.int8(np.rint(np.float64(rows[r, i]) * factor))
        write_scale(out[r], mantissa, shift)


@kernel("void(i1[:,::1], f4[:,::1])")
def decode_kernel(rows: Array, out: Rows) -> None:
    """rows [R, width + SCALE_BYTES] to float32 [R, width], infinite where a scale says so much."""
    for r in range(rows.shape[0]):
        mantissa, shift = read_scale(rows[r])
        scale = math.ldexp(np.float64(mantissa), -shift)
        for i in range(out.shape[1]):
            out[r, i] = np.float32(np.float64(rows[r, i]) * scale)
