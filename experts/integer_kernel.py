"""The integer expert, compiled: what ``docs/integer-expert.md`` specifies, and nothing else decides its bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import kernel, part
from moray.experts.product_kernel import PANEL, TILE_ROWS, padded
from moray.experts.row_kernel import read_scale, write_scale
from moray.experts.simd import LANES
from moray.experts.simd_int8 import OFFSET, QUAD, byte_product_tile

Bytes = NDArray[np.int8]
Ints = NDArray[Any]
Int = Any  # one of numpy's or of Python's, all of 64 bits once compiled

INT32_BYTES = 4
SIGMOID_STEPS = 4096  # of the table, over [-16, 16)
RECIPROCAL_BITS = 52
MIN_SHIFT, MAX_SHIFT = -128, 127  # of a scale, as int8

_tile = byte_product_tile(TILE_ROWS, PANEL // LANES)
_row = byte_product_tile(1, PANEL // LANES)
_narrow_tile = byte_product_tile(TILE_ROWS, 1)
_narrow_row = byte_product_tile(1, 1)


@part
def round_shift(value: Int, count: Int) -> Int:
    """``value / 2^count`` rounded, halves up; ``value`` of at most 62 bits, ``count`` from 0."""
    if count <= 0:
        return value
    if count >= 63:
        return 0
    return (value + (np.int64(1) << (count - 1))) >> count


@part
def bit_length(value: Int) -> Int:
    count = 0
    while value > 0:
        value >>= 1
        count += 1
    return count


@part
def normalised(mantissa: Int, shift: Int) -> tuple[Int, Int]:
    """The same scale with a mantissa of 31 bits, what is beyond them cut off; (0, 0) for zero."""
    if mantissa == 0:
        return np.int64(0), np.int64(0)
    excess = bit_length(abs(mantissa)) - 31
    if excess > 0:
        return mantissa >> excess, shift - excess
    return mantissa << -excess, shift - excess


@part
def whole_quads(width: Int) -> Int:
    return (width + QUAD - 1) // QUAD * QUAD


@part
def multiply_bytes(x: Ints, packed: Bytes, start: Ints, out: Ints) -> None:
    """``out[rows, padded outputs] = x @ w``: x [rows, whole quads] of bytes with 128 added."""
    num_rows, depth, stored = x.shape[0], x.shape[1], out.shape[1]
    for column in range(0, stored, PANEL):
        width = min(PANEL, stored - column)
        panel = packed.ctypes.data + column * depth
        first = start.ctypes.data + INT32_BYTES * column
        r = 0
        while r < num_rows:
            count = TILE_ROWS if r + TILE_ROWS <= num_rows else 1
            source, target = x.ctypes.data + r * depth, out.ctypes.data + INT32_BYTES * (r * stored + column)
            if width == PANEL:
                if count == TILE_ROWS:
                    _tile(source, depth, panel, QUAD * PANEL, depth // QUAD, first, target, stored)
                else:
                    _row(source, depth, panel, QUAD * PANEL, depth // QUAD, first, target, stored)
            else:
                for lane in range(0, width, LANES):
                    w, begin, end = panel + QUAD * lane, first + INT32_BYTES * lane, target + INT32_BYTES * lane
                    if count == TILE_ROWS:
                        _narrow_tile(source, depth, w, QUAD * width, depth // QUAD, begin, end, stored)
                    else:
                        _narrow_row(source, depth, w, QUAD * width, depth // QUAD, begin, end, stored)
            r += count


@part
def requantise(values: Ints, out: Ints, offset: Int) -> tuple[Int, Int]:
    """int64 values of at most 61 bits -> signed bytes with ``offset`` added, and the scale that they share."""
    peak = np.int64(0)
    for i in range(values.shape[0]):
        peak = max(peak, abs(values[i]))
    if peak == 0:
        for i in range(values.shape[0]):
            out[i] = offset
        return np.int64(0), np.int64(0)
    excess = max(bit_length(peak) - 30, 0)
    peak = round_shift(peak, excess)
    reciprocal = (np.int64(127) << RECIPROCAL_BITS) // peak
    for i in range(values.shape[0]):
        out[i] = round_shift(round_shift(values[i], excess) * reciprocal, RECIPROCAL_BITS) + offset
    left = 38 - bit_length(peak)
    mantissa, shift = normalised((peak << left) // 127, left)
    return mantissa, shift - excess


@part
def times(mantissa: Int, shift: Int, other_mantissa: Int, other_shift: Int) -> tuple[Int, Int]:
    return normalised(mantissa * other_mantissa, shift + other_shift)


@kernel(
    "void(i1[:,::1], i1[::1], i4[::1], i8[::1], i8[::1], i8[::1], i1[::1], i4[::1], i8[::1], i8[::1], i8, u2[::1],"
    " i1[:,::1])"
)
def integer_expert_kernel(
    x: Bytes,  # [T, D + SCALE_BYTES], rows as they travel
    gate_up: Bytes,  # quads of padded F gate outputs, then as many of up
    gate_up_start: Ints,
    gate_up_mantissas: Ints,  # [2F]
    gate_up_falls: Ints,  # [2F] 31 + a row's shift - the lowest of its matrix
    lowest: Ints,  # [3] lowest shifts of gate, up and down
    down: Bytes,
    down_start: Ints,
    down_mantissas: Ints,  # [D]
    down_falls: Ints,  # [D]
    width: Int,  # F
    sigmoid: Ints,  # [SIGMOID_STEPS]
    out: Bytes,  # [T, D + SCALE_BYTES], the result
) -> None:
    num_rows, half, hidden_size = x.shape[0], padded(width), down_mantissas.shape[0]
    shifted = np.zeros((num_rows, whole_quads(hidden_size)), np.uint8)  # beyond the width are weights of zero
    for t in range(num_rows):
        for i in range(hidden_size):
            shifted[t, i] = np.int16(x[t, i]) + np.int16(OFFSET)
    raised = np.empty((num_rows, 2 * half), np.int32)
    multiply_bytes(shifted, gate_up, gate_up_start, raised)
    gated = np.empty(width, np.int64)
    hidden = np.zeros((num_rows, whole_quads(width)), np.uint8)
    scales = np.empty((num_rows, 2), np.int64)
    for t in range(num_rows):
        x_mantissa, x_shift = read_scale(x[t])
        fall = lowest[0] + x_shift - 38
        for i in range(width):
            gate = round_shift(np.int64(raised[t, i]) * gate_up_mantissas[i], gate_up_falls[i])
            up = round_shift(np.int64(raised[t, half + i]) * gate_up_mantissas[width + i], gate_up_falls[width + i])
            argument = gate * x_mantissa
            if fall >= 0:
                argument >>= min(fall, 63)
            else:
                argument = min(max(argument, -SIGMOID_STEPS), SIGMOID_STEPS) << min(-fall, 13)
            step = min(max(argument, -SIGMOID_STEPS // 2), SIGMOID_STEPS // 2 - 1) + SIGMOID_STEPS // 2
            gated[i] = round_shift(gate * np.int64(sigmoid[step]), 16) * up
        mantissa, shift = requantise(gated, hidden[t, :width], OFFSET)
        mantissa, shift = times(mantissa, shift, x_mantissa, x_shift)
        mantissa, shift = times(mantissa, shift, x_mantissa, x_shift)
        scales[t, 0], scales[t, 1] = mantissa, shift + lowest[0] + lowest[1] - 62
    lowered = np.empty((num_rows, padded(hidden_size)), np.int32)
    multiply_bytes(hidden, down, down_start, lowered)
    values = np.empty(hidden_size, np.int64)
    for t in range(num_rows):
        for j in range(hidden_size):
            values[j] = round_shift(np.int64(lowered[t, j]) * down_mantissas[j], down_falls[j])
        mantissa, shift = requantise(values, out[t, :hidden_size], 0)
        mantissa, shift = times(mantissa, shift - 31 + lowest[2], scales[t, 0], scales[t, 1])
        if shift > MAX_SHIFT:  # too small for a scale
            mantissa = np.int64(0)
        if mantissa == 0:
            shift = np.int64(0)
            for j in range(hidden_size):
                out[t, j] = 0
        write_scale(out[t], mantissa, max(shift, MIN_SHIFT))
