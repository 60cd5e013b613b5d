"""The integer expert (``docs/integer-expert.md``): weights, rows and results as bytes with scales.

The specification is total: any bytes of the right lengths have exactly one result, on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray.experts.integer_kernel import SIGMOID_STEPS, integer_expert_kernel
from moray.experts.product_kernel import PANEL
from moray.experts.row_kernel import SCALE_BYTES
from moray.experts.scaled_rows import ScaledRows
from moray.experts.simd import whole_lanes
from moray.experts.simd_int8 import OFFSET, QUAD

MAX_WIDTH = 1 << 16  # of either side: sums of so many products of bytes have 31 bits
SIGMOID_STEP = Decimal(1) / 128


@dataclass(frozen=True, slots=True, eq=False)
class IntegerWeights:
    """One expert of one layer: gate [F, D], up [F, D], down [D, F], a scale for each row.

    Raises ValueError for matrices that do not fit together or are too wide."""

    gate: ScaledRows
    up: ScaledRows
    down: ScaledRows

    def __post_init__(self) -> None:
        for rows, shape in (
            (self.gate, (self.width, self.hidden_size)),
            (self.up, (self.width, self.hidden_size)),
            (self.down, (self.hidden_size, self.width)),
        ):
            if rows.values.shape != shape or not len(rows.mantissas) == len(rows.shifts) == shape[0] > 0 < shape[1]:
                raise ValueError(f"a matrix of {rows.values.shape} with {len(rows.mantissas)} scales; {shape} was due")
        if max(self.width, self.hidden_size) > MAX_WIDTH:
            raise ValueError(f"an integer expert of {self.width} x {self.hidden_size}; at most {MAX_WIDTH} on a side")

    @property
    def width(self) -> int:
        return len(self.gate.values)

    @property
    def hidden_size(self) -> int:
        return len(self.down.values)


class IntegerExpert:
    """The weights as the kernel wants them; calling it takes and gives rows as they travel, see ``scaled_rows``."""

    def __init__(self, weights: IntegerWeights) -> None:
        self.width, self.hidden_size = weights.width, weights.hidden_size
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

    def __call__(self, rows: NDArray[Any]) -> NDArray[np.int8]:
        """[T, D + SCALE_BYTES] -> as many; a row's result depends on nothing but the row and the weights."""
        if rows.shape[1] != self.hidden_size + SCALE_BYTES:  # the kernel would read beyond its arrays
            raise ValueError(f"rows of {rows.shape[1]} bytes where {self.hidden_size + SCALE_BYTES} are due")
        out = np.empty(rows.shape, np.int8)
        integer_expert_kernel(
            np.ascontiguousarray(rows),
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
        )
        return out


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
