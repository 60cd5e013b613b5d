"""The integer expert in torch's integers, for GPUs: bit for bit what the compiled kernel computes.

Products of bytes go through ``torch._int_mm``, whose sums are int32, where it is exact; elsewhere through float64, in
which every sum of at most 2^16 products of bytes is exact in any order. The rest is int64, value by value, as
``docs/integer-expert.md`` has it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from moray.experts.integer import IntegerWeights, sigmoid_table
from moray.experts.integer_kernel import MAX_SHIFT, MIN_SHIFT, RECIPROCAL_BITS, SIGMOID_STEPS
from moray.experts.row_kernel import SCALE_BYTES
from moray.experts.scaled_rows import ScaledRows

Scale = tuple[Tensor, Tensor]  # mantissas and shifts [T], int64

ROW_TILE, COLUMN_TILE = 32, 8  # CUDA wants more than 16 rows, and other sizes in multiples of 8


class TorchIntegerExpert:
    """As ``IntegerExpert``: rows as they travel, [T, D + SCALE_BYTES], in and out, on the machine's side."""

    def __init__(self, weights: IntegerWeights, device: str) -> None:
        self._gate, self._up, self._down = (_Matrix(m, device) for m in (weights.gate, weights.up, weights.down))
        self._sigmoid = torch.from_numpy(sigmoid_table().astype(np.int64)).to(device)
        self._device, self._row_bytes = device, weights.hidden_size + SCALE_BYTES

    @torch.inference_mode()
    def __call__(self, rows: NDArray[Any]) -> NDArray[np.int8]:
        if rows.shape[1] != self._row_bytes:
            raise ValueError(f"rows of {rows.shape[1]} bytes where {self._row_bytes} are due")
        values, scale = _split(torch.from_numpy(np.ascontiguousarray(rows)).to(self._device))
        out: NDArray[np.int8] = _joined(*self._compute(values, scale)).cpu().numpy()
        return out

    def _compute(self, x: Tensor, scale: Scale) -> tuple[Tensor, Scale]:
        gate, up = self._gate.project(x), self._up.project(x)
        steps = _floor_shift(gate * scale[0][:, None], (self._gate.lowest + scale[1] - 38)[:, None])
        half = SIGMOID_STEPS // 2
        sigmoid = self._sigmoid[steps.clamp(-half, half - 1) + half]
        hidden, hidden_scale = _requantise(_round_shift(gate * sigmoid, 16) * up)
        mantissa, shift = _times(_times(hidden_scale, scale), scale)
        shift = shift + self._gate.lowest + self._up.lowest - 62
        values, (low_mantissa, low_shift) = _requantise(self._down.project(hidden))
        mantissa, shift = _times((low_mantissa, low_shift - 31 + self._down.lowest), (mantissa, shift))
        is_zero = (mantissa == 0) | (shift > MAX_SHIFT)
        values = values.masked_fill(is_zero[:, None], 0)
        return values, (mantissa.masked_fill(is_zero, 0), shift.clamp(min=MIN_SHIFT).masked_fill(is_zero, 0))


class _Matrix:
    """A weight [out, in] and its rows' scales on the device."""

    def __init__(self, rows: ScaledRows, device: str) -> None:
        self.num_outputs, self.depth = rows.values.shape
        self._can_int_mm = has_exact_int_mm(device, self.depth, self.num_outputs)
        gaps = (0, -self.depth % COLUMN_TILE, 0, -self.num_outputs % COLUMN_TILE) if self._can_int_mm else (0, 0)
        self._weight = pad(torch.from_numpy(np.ascontiguousarray(rows.values)).to(device), gaps)
        shifts = rows.shifts.astype(np.int64)
        self.lowest = int(shifts.min())
        self._falls = torch.from_numpy(31 + shifts - self.lowest).to(device)
        self._mantissas = torch.from_numpy(rows.mantissas.astype(np.int64)).to(device)

    def project(self, values: Tensor) -> Tensor:
        """int8 [T, in] -> int64 [T, out]"""
        multiply = _int_mm if self._can_int_mm else _exact_product
        return _round_shift(multiply(values, self._weight)[:, : self.num_outputs] * self._mantissas, self._falls)


@cache
def has_exact_int_mm(device: str, depth: int, num_outputs: int) -> bool:
    """Whether ``torch._int_mm`` multiplies the largest bytes of this shape without a fault on this device: some CPUs'
    instructions saturate on the way, some libraries refuse shapes, and widths of 1 are known to go wrong."""
    if min(depth, num_outputs) == 1:
        return False
    draw = np.random.default_rng(0)
    x, weight = (draw.choice(np.array([-128, 127], np.int8), (size, depth)) for size in (ROW_TILE, num_outputs))
    x[0], x[1], weight[0], weight[1] = -128, 127, -128, 127
    left, right = (torch.from_numpy(values).to(device) for values in (x, weight))
    gaps = (0, -depth % COLUMN_TILE, 0, -num_outputs % COLUMN_TILE)
    try:
        sums = _int_mm(left, pad(right, gaps))[:, :num_outputs]
    except RuntimeError:
        return False
    return torch.equal(sums, _exact_product(left, right))


def _int_mm(x: Tensor, weight: Tensor) -> Tensor:
    """int8 x [T, in], weight [padded out, padded in] -> int64 [T, padded out]"""
    num_rows, depth = x.shape
    gaps = (0, weight.shape[1] - depth, 0, max(ROW_TILE, -(-num_rows // ROW_TILE) * ROW_TILE) - num_rows)
    return torch._int_mm(pad(x, gaps).contiguous(), weight.t())[:num_rows].long()


def _exact_product(x: Tensor, weight: Tensor) -> Tensor:
    return (x.double() @ weight.t().double()).long()


def _split(rows: Tensor) -> tuple[Tensor, Scale]:
    """Values and scales of rows as they travel."""
    mantissas = rows[:, -SCALE_BYTES:-1].clone(memory_format=torch.contiguous_format).view(torch.int32)[:, 0]
    return rows[:, :-SCALE_BYTES], (mantissas.long(), rows[:, -1].long())


def _joined(values: Tensor, scale: Scale) -> Tensor:
    mantissas = scale[0].int()[:, None].contiguous().view(torch.int8)
    return torch.cat((values, mantissas, scale[1].to(torch.int8)[:, None]), dim=1)


def _round_shift(values: Tensor, counts: Tensor | int) -> Tensor:
    """``values / 2^counts`` rounded, halves up; of at most 62 bits, counts from 0."""
    if isinstance(counts, int):
        return (values + (1 << counts >> 1)) >> counts
    held = counts.clamp(max=62)
    return ((values + (torch.ones_like(held) << held >> 1)) >> held).masked_fill(counts >= 63, 0)


def _floor_shift(values: Tensor, counts: Tensor) -> Tensor:
    """``values / 2^counts``, floored; where counts are negative the product, as far as the sigmoid's table goes."""
    lifted = values.clamp(-SIGMOID_STEPS, SIGMOID_STEPS) << (-counts).clamp(0, 13)
    return torch.where(counts >= 0, values >> counts.clamp(0, 63), lifted)


def _bit_length(values: Tensor) -> Tensor:
    """Of values from 0."""
    count = torch.zeros_like(values)
    for step in (32, 16, 8, 4, 2, 1):
        is_longer = values >= 1 << step
        count += is_longer * step
        values = torch.where(is_longer, values >> step, values)
    return count + (values > 0)


def _normalised(mantissa: Tensor, shift: Tensor) -> Scale:
    excess = _bit_length(mantissa.abs()) - 31
    shifted = (mantissa >> excess.clamp(min=0)) << (-excess).clamp(min=0)
    return shifted, (shift - excess).masked_fill(mantissa == 0, 0)


def _times(one: Scale, other: Scale) -> Scale:
    return _normalised(one[0] * other[0], one[1] + other[1])


def _requantise(values: Tensor) -> tuple[Tensor, Scale]:
    """int64 [T, width] of at most 61 bits -> int8 values and their rows' scales."""
    peak = values.abs().amax(dim=1)
    excess = (_bit_length(peak) - 30).clamp(min=0)
    peak = _round_shift(peak, excess)
    reciprocal = torch.div(127 << RECIPROCAL_BITS, peak.clamp(min=1), rounding_mode="floor")
    narrowed = _round_shift(values, excess[:, None]) * reciprocal[:, None]
    left = 38 - _bit_length(peak)
    mantissa, shift = _normalised(torch.div(peak << left, 127, rounding_mode="floor"), left)
    quantised = _round_shift(narrowed, RECIPROCAL_BITS).to(torch.int8)
    return quantised, (mantissa, (shift - excess).masked_fill(mantissa == 0, 0))
