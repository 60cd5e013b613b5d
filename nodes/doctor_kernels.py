"""Do the kernels that this machine would serve with compute rightly, and how fast: asked of random weights.

The judge of an integer kernel is the specification in torch's integers, value by value; of a float32 kernel the same
mathematics in float64, by the router's tolerance. Either has a row's bits depend on nothing but the row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import silu

from moray.experts.compiled import Array, Rows
from moray.experts.integer import IntegerWeights
from moray.experts.integer_torch import TorchIntegerExpert
from moray.experts.right_answers import fresh_rows, is_right
from moray.experts.row_format import row_format
from moray.experts.row_kernel import SCALE_BYTES
from moray.experts.scaled_rows import ScaledRows
from moray.experts.weights import AnyWeights, ExpertWeights
from moray.types import NumericClass

NUM_RANDOM_ROWS = 9  # with the four fresh ones: several tiles of rows and some left over
PARTS = (1, 2, 5)  # rows computed together; all must give the same

Compute = Callable[[Array], Array]  # rows as they travel, as many results


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One expert of one layer, and rows [R, W] as they travel."""

    weights: AnyWeights
    rows: Array


def make_sample(numeric_class: NumericClass, hidden_size: int, width: int) -> Sample:
    """The same one each time. ``width``: F."""
    rng = np.random.default_rng(0)
    fresh = row_format(numeric_class).encode(fresh_rows(rng, hidden_size))
    if numeric_class == "float32":
        usual = rng.standard_normal((NUM_RANDOM_ROWS, hidden_size), np.float32)
        gate_up, down = _normal(rng, 2 * width, hidden_size), _normal(rng, hidden_size, width)
        return Sample(ExpertWeights(gate_up, down), np.concatenate((fresh, usual)))
    anything = rng.integers(-128, 128, (NUM_RANDOM_ROWS, hidden_size + SCALE_BYTES), np.int8)  # a row is what it may be
    anything[:2, :-SCALE_BYTES], anything[:2, -SCALE_BYTES:] = [[-128], [127]], fresh[0, -SCALE_BYTES:]
    shapes = ((width, hidden_size), (width, hidden_size), (hidden_size, width))
    return Sample(IntegerWeights(*(_saturating(rng, *shape) for shape in shapes)), np.concatenate((fresh, anything)))


def find_fault(compute: Compute, sample: Sample) -> str:
    """What ``compute`` does wrong with the sample, empty for nothing."""
    found = compute(sample.rows)
    if not is_right(found, _reference(sample)):
        return "the compiled kernel does not compute what the plain one does"
    for count in PARTS:
        parts = [compute(sample.rows[start : start + count]) for start in range(0, len(sample.rows), count)]
        if np.concatenate(parts).tobytes() != found.tobytes():
            return "a row's result depends on the rows beside it"
    return ""


def measure_rows_per_s(compute: Compute, rows: Array, at_least_s: float) -> float:
    """Of calls with these rows, one after the other, for so long."""
    compute(rows)
    num_rows, start = 0, time.perf_counter()
    while True:
        compute(rows)
        num_rows += len(rows)
        elapsed_s = time.perf_counter() - start
        if elapsed_s >= at_least_s:
            return num_rows / elapsed_s


def _reference(sample: Sample) -> Array:
    if isinstance(sample.weights, IntegerWeights):
        return TorchIntegerExpert(sample.weights, "cpu")(sample.rows)
    gate_up, down = sample.weights.gate_up, sample.weights.down
    gate, up = (torch.from_numpy(sample.rows).double() @ gate_up.double().T).split(down.shape[1], dim=1)
    out: Rows = ((silu(gate) * up) @ down.double().T).float().numpy()
    return out


def _normal(rng: np.random.Generator, num_outputs: int, depth: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal((num_outputs, depth), np.float32) / np.float32(depth**0.5))


def _saturating(rng: np.random.Generator, num_outputs: int, depth: int) -> ScaledRows:
    """Any bytes, scales as a quantiser writes them, and two rows that overflow sums of 16 bits."""
    values = rng.integers(-128, 128, (num_outputs, depth), np.int8)
    values[0], values[-1] = -128, 127
    mantissas = rng.integers(1 << 30, (1 << 31) - 1, num_outputs, np.int32)
    return ScaledRows(values, mantissas, rng.integers(30, 42, num_outputs, np.int8))
