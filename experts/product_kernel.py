"""Matrix products, norms and the gated feed-forward of rows: a row's result has the same bits in any company.

Every output element of a product is one chain of fused multiply-adds along the inner dimension, ascending, from zero.
That holds by construction, for every shape, number of rows and CPU: see ``experts.simd``.

Arrays are [rows, columns] of float32 with neighbouring columns; rows may lie any distance apart. A weight is in
panels, as ``experts.linear.pack`` lays it out.
"""

from __future__ import annotations

import numpy as np

from moray.experts.compiled import HAS_WIDE_REGISTERS, Rows, kernel, part
from moray.experts.simd import LANES, dot_tile, gated_lanes, product_tile, whole_lanes

TILE_ROWS = 4 if HAS_WIDE_REGISTERS else 2
PANEL = 64 if HAS_WIDE_REGISTERS else 32  # columns
F32_BYTES = 4
BLOCK_ROWS = 128  # whose intermediate values are held at a time

_tile = product_tile(TILE_ROWS, PANEL // LANES)
_pair = product_tile(2, PANEL // LANES)
_row = product_tile(1, PANEL // LANES)
_narrow_tile = product_tile(TILE_ROWS, 1)
_narrow_row = product_tile(1, 1)
_dot = dot_tile(1, 1)

padded = part(whole_lanes)


@part
def accumulate(x: Rows, w: int, w_stride: int, depth: int, columns: int, out: Rows, is_sum: int) -> None:
    """``out[:, :columns] (+)= x[:, :depth] @ w[:depth, :columns]`` for an address ``w`` and whole lanes of columns, at
    most PANEL."""
    num_rows, x_stride, out_stride = x.shape[0], x.strides[0] // F32_BYTES, out.strides[0] // F32_BYTES
    r = 0
    while r < num_rows:
        source, target = x.ctypes.data + r * x.strides[0], out.ctypes.data + r * out.strides[0]
        left = num_rows - r
        if columns < PANEL:
            for start in range(0, F32_BYTES * columns, F32_BYTES * LANES):
                if left >= TILE_ROWS:
                    _narrow_tile(source, x_stride, w + start, w_stride, depth, target + start, out_stride, is_sum)
                else:
                    _narrow_row(source, x_stride, w + start, w_stride, depth, target + start, out_stride, is_sum)
            r += TILE_ROWS if left >= TILE_ROWS else 1
        elif left >= TILE_ROWS:
            _tile(source, x_stride, w, w_stride, depth, target, out_stride, is_sum)
            r += TILE_ROWS
        elif left >= 2:
            _pair(source, x_stride, w, w_stride, depth, target, out_stride, is_sum)
            r += 2
        else:
            _row(source, x_stride, w, w_stride, depth, target, out_stride, is_sum)
            r += 1


@part
def multiply(x: Rows, panels: Rows, depth: int, out: Rows) -> None:
    """``out = x[:, :depth] @ w``"""
    width = out.shape[1]
    for start in range(0, width, PANEL):
        stored = min(PANEL, padded(width) - start)
        panel = panels.ctypes.data + F32_BYTES * start * depth
        if start + stored <= width:
            accumulate(x, panel, stored, depth, stored, out[:, start:], 0)
            continue
        scratch = np.empty((TILE_ROWS, stored), np.float32)  # the last panel holds more columns than are wanted
        for r in range(0, x.shape[0], TILE_ROWS):
            rows = x[r : r + TILE_ROWS]
            accumulate(rows, panel, stored, depth, stored, scratch, 0)
            for i in range(rows.shape[0]):
                for j in range(width - start):
                    out[r + i, start + j] = scratch[i, j]


@part
def normalise(x: Rows, weight: Rows, eps: float, out: Rows) -> None:
    """``out = weight * x / sqrt(mean(x^2) + eps)`` of one row [width]."""
    width = x.shape[0]
    squares = np.empty(1, np.float32)
    _dot(x.ctypes.data, 0, x.ctypes.data, 0, width // LANES, squares.ctypes.data, 0)
    total = squares[0]
    for i in range(width // LANES * LANES, width):
        total += x[i] * x[i]
    scale = np.float32(1.0) / np.sqrt(total / np.float32(width) + np.float32(eps))
    for i in range(width):
        out[i] = weight[i] * (x[i] * scale)


@kernel("void(f4[:,::1], f4[::1], f4[:,::1])")
def linear_kernel(x: Rows, panels: Rows, out: Rows) -> None:
    multiply(x, panels, x.shape[1], out)


@kernel("void(f4[:,:], f4[::1], f8, f4[:,::1])")
def rms_norm_kernel(x: Rows, weight: Rows, eps: float, out: Rows) -> None:
    for r in range(x.shape[0]):
        normalise(x[r], weight, eps, out[r])


@kernel("void(f4[:,::1], f4[::1], f4[::1], i8, f4[:,::1])")
def feed_forward_kernel(x: Rows, gate_up: Rows, down: Rows, width: int, out: Rows) -> None:
    """gate_up: ``padded(width)`` gate columns, then as many of up; down: ``width`` deep."""
    half = padded(width)
    hidden = np.empty((min(x.shape[0], BLOCK_ROWS), 2 * half), np.float32)
    for start in range(0, x.shape[0], BLOCK_ROWS):
        rows = x[start : start + BLOCK_ROWS]
        block = hidden[: rows.shape[0]]
        multiply(rows, gate_up, x.shape[1], block)
        for r in range(rows.shape[0]):
            gate = block[r].ctypes.data
            for lane in range(0, F32_BYTES * half, F32_BYTES * LANES):
                gated_lanes(gate + lane, gate + F32_BYTES * half + lane, gate + lane)
        multiply(block, down, width, out[start : start + BLOCK_ROWS])
