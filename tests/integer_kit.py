"""Integer experts of any weights, and what the oracle says of them."""

from __future__ import annotations

import numpy as np

import integer_oracle
from moray.experts.integer import IntegerWeights
from moray.experts.scaled_rows import ScaledRows


def any_rows(rng: np.random.Generator, num_rows: int, width: int, *, is_wild: bool) -> ScaledRows:
    """Any bytes at all, or scales as a quantiser writes them."""
    values = rng.integers(-128, 128, (num_rows, width)).astype(np.int8)
    if rng.integers(4) == 0:
        values[rng.integers(num_rows)] = rng.choice([-128, 0, 127])
    low, high = (-(2**31), 2**31) if is_wild else (2**30, 2**31)
    shifts = rng.integers(-128, 128, num_rows) if is_wild else rng.integers(30, 42, num_rows)
    return ScaledRows(values, rng.integers(low, high, num_rows).astype(np.int32), shifts.astype(np.int8))


def any_weights(rng: np.random.Generator, hidden_size: int, width: int, *, is_wild: bool) -> IntegerWeights:
    shapes = ((width, hidden_size), (width, hidden_size), (hidden_size, width))
    return IntegerWeights(*(any_rows(rng, *shape, is_wild=is_wild) for shape in shapes))


def scales_of(rows: ScaledRows) -> list[tuple[int, int]]:
    return list(zip(rows.mantissas.tolist(), rows.shifts.tolist(), strict=True))


def expected(weights: IntegerWeights, x: ScaledRows) -> list[tuple[list[int], tuple[int, int]]]:
    matrices = [(m.values.tolist(), scales_of(m)) for m in (weights.gate, weights.up, weights.down)]
    rows = zip(x.values.tolist(), scales_of(x), strict=True)
    return [integer_oracle.expert(values, scale, *matrices) for values, scale in rows]
