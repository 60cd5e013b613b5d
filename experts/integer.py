"""The integer expert (``docs/integer-expert.md``): weights, rows and results as bytes with scales.

A scale is a mantissa (int32) and a shift (int8), and stands for ``mantissa / 2^shift``. The specification is total: any
bytes of the right lengths have exactly one result, on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import Rows
from moray.experts.integer_kernel import SIGMOID_STEPS, integer_expert_kernel
from moray.experts.product_kernel import PANEL
from moray.experts.simd import whole_lanes
from moray.experts.simd_int8 import OFFSET, QUAD

SCALE_BYTES = 5  # a mantissa and a shift
MAX_WIDTH = 1 << 16  # of either side: sums of so many products of bytes have 31 bits
SIGMOID_STEP = Decimal(1) / 128


@dataclass(frozen=True, slots=True, eq=False)
class ScaledRows:
    """``values[r] * mantissas[r] / 2^shifts[r]``: int8 [R, width], int32 [R], int8 [R]."""

    values: NDArray[np.int8]
    mantissas: NDArray[np.int32]
    shifts: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class IntegerWeights:
    """One expert of one layer: gate [F, D], up [F, D], down [D, F], a scale for each row."""

    gate: ScaledRows
    up: ScaledRows
    down: ScaledRows


class IntegerExpert:
    """The weights as the kernel wants them; calling it takes and gives rows as they travel, see ``to_bytes``."""

    def __init__(self, weights: IntegerWeights) -> None:
        self.width, self.hidden_size = weights.gate.values.shape
        for rows, shape in (
            (weights.gate, (self.width, self.hidden_size)),
            (weights.up, (self.width, self.hidden_size)),
            (weights.down, (self.hidden_size, self.width)),
        ):
            if rows.values.shape != shape or not len(rows.mantissas) == len(rows.shifts) == shape[0] > 0 < shape[1]:
                raise ValueError(f"a matrix of {rows.values.shape} with {len(rows.mantissas)} scales; {shape} was due")
        if max(self.width, self.hidden_size) > MAX_WIDTH:
            raise ValueError(f"an integer expert of {self.width} x {self.hidden_size}; at most {MAX_WIDTH} on a side")
        gap = np.zeros((whole_lanes(self.width) - self.width, self.hidden_size), np.int8)  # both halves in whole lanes
        self._gate_up, self._gate_up_start = pack_bytes(
            np.concatenate((weights.gate.values, gap, weights.up.values, gap))
        )
        self._down, self._down_start = pack_bytes(weights.down.values)
        lowest, falls, mantissas = [], [], []
        for rows in (weights.gate, weights.up, weights.down):
            shifts = rows.shifts.astype(np.int64)
            lowest.append(shifts.min())
            falls.append(31 + shifts - shifts.min())
            mantissas.append(rows.mantissas.astype(np.int64))
        self._gate_up_scales = np.concatenate(mantissas[:2]), np.concatenate(falls[:2])
        self._down_scales = mantissas[2], falls[2]
        self._lowest = np.array(lowest, np.int64)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernel reads, in the order of ``serving_kernel.integer_rows``."""
        gate_up, down = (self._gate_up, self._gate_up_start), (self._down, self._down_start)
        return *gate_up, *self._gate_up_scales, self._lowest, *down, *self._down_scales, sigmoid_table()

    def __call__(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        return to_bytes(self.compute(from_bytes(rows)))

    def compute(self, x: ScaledRows) -> ScaledRows:
        """x [T, D] -> [T, D]; a row's result depends on nothing but the row and the weights."""
        num_rows, width = x.values.shape
        if width != self.hidden_size or not len(x.mantissas) == len(x.shifts) == num_rows:
            raise ValueError(f"rows of {width} values where {self.hidden_size} are due")
        shifted = np.zeros((num_rows, -(-width // QUAD) * QUAD), np.uint8)
        shifted[:, :width] = x.values.view(np.uint8) ^ OFFSET  # the same as adding it
        out = np.empty((num_rows, width), np.int8)
        mantissas, shifts = np.empty(num_rows, np.int64), np.empty(num_rows, np.int64)
        integer_expert_kernel(
            shifted,
            x.mantissas.astype(np.int64),
            x.shifts.astype(np.int64),
            self._gate_up,
            self._gate_up_start,
            *self._gate_up_scales,
            self._lowest,
            self._down,
            self._down_start,
            *self._down_scales,
            self.width,
            sigmoid_table(),
            out,
            mantissas,
            shifts,
        )
        return ScaledRows(out, mantissas.astype(np.int32), shifts.astype(np.int8))


def to_bytes(rows: ScaledRows) -> NDArray[np.int8]:
    """[R, width + SCALE_BYTES]: a row's values, its mantissa (four bytes, little-endian), its shift."""
    num_rows, width = rows.values.shape
    out = np.empty((num_rows, width + SCALE_BYTES), np.int8)
    out[:, :width] = rows.values
    out[:, width:-1] = rows.mantissas.astype("<i4").view(np.int8).reshape(num_rows, SCALE_BYTES - 1)
    out[:, -1] = rows.shifts
    return out


def from_bytes(rows: NDArray[np.int8]) -> ScaledRows:
    mantissas = np.ascontiguousarray(rows[:, -SCALE_BYTES:-1]).view("<i4")[:, 0]
    return ScaledRows(rows[:, :-SCALE_BYTES], mantissas, rows[:, -1])


def quantise(rows: Rows) -> ScaledRows:
    """float32 [R, width] to bytes from -127 to 127, each row by its greatest magnitude; a row of zeros has scale 0.

    Rows must be finite."""
    peaks = np.abs(rows).max(axis=1, initial=0.0).astype(np.float64)
    fractions, exponents = np.frexp(peaks / 127)  # [0.5, 1) * 2^exponent
    mantissas, shifts = np.rint(fractions * 2**31), 31 - exponents
    mantissas, shifts = np.where(mantissas == 2**31, 2**30, mantissas), np.where(mantissas == 2**31, shifts - 1, shifts)
    is_zero = (peaks == 0) | (shifts > 127)  # also what is too small for a shift
    factors = np.where(is_zero, 0.0, 127 / np.where(is_zero, 1.0, peaks))
    values = np.rint(rows * factors[:, None]).astype(np.int8)
    return ScaledRows(
        values, np.where(is_zero, 0, mantissas).astype(np.int32), np.where(is_zero, 0, shifts).astype(np.int8)
    )


def dequantise(rows: ScaledRows) -> Rows:
    """[R, width] float32, infinite where a scale says so much."""
    scales = np.ldexp(rows.mantissas.astype(np.float64), -rows.shifts.astype(np.int32))
    with np.errstate(over="ignore"):
        return (rows.values * scales[:, None]).astype(np.float32)


def pack_bytes(weight: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """``[out, in]`` in panels of quads, and where each output's sum starts: 128 times its weights, taken back."""
    num_outputs, depth = weight.shape
    stored, quads = whole_lanes(num_outputs), -(-depth // QUAD)
    whole = np.zeros((stored, quads * QUAD), np.int8)
    whole[:num_outputs, :depth] = weight
    panels = [whole[start : start + PANEL] for start in range(0, stored, PANEL)]
    by_quads = [panel.reshape(len(panel), quads, QUAD).transpose(1, 0, 2).ravel() for panel in panels]
    return np.concatenate(by_quads), (-OFFSET * whole.astype(np.int64).sum(axis=1)).astype(np.int32)


@cache
def sigmoid_table() -> NDArray[np.uint16]:
    """Entry j: 65536 times the sigmoid of (j - 2048 + 1/2) / 128, rounded, at most 65535."""
    entries = []
    with localcontext(prec=50, rounding=ROUND_HALF_UP):
        for j in range(SIGMOID_STEPS):
            argument = (Decimal(j - SIGMOID_STEPS // 2) + Decimal("0.5")) * SIGMOID_STEP
            entries.append(min(int((65536 / (1 + (-argument).exp())).to_integral_value()), 65535))
    return np.array(entries, np.uint16)
