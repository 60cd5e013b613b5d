"""Rows that find a wrong kernel, and which answers to them are right: for the router, which asks a replica before it
gets work, and for a node that asks itself.
"""

from __future__ import annotations

import numpy as np

from moray.experts.compiled import Array, Rows

LARGE = 1e4  # times a usual value: it saturates what can saturate
FLOAT_TOLERANCE = 1e-4  # of a row's largest output: another processor may add in another order. Integers are exact.


def fresh_rows(rng: np.random.Generator, hidden_size: int) -> Rows:
    """Usual values, values that saturate, one that leaves nothing of the others, and nothing: [4, hidden_size]."""
    usual, large, outlier = rng.standard_normal((3, hidden_size), np.float32)
    outlier[rng.integers(hidden_size)] = LARGE
    return np.stack([usual, LARGE * np.sign(large), outlier, np.zeros_like(usual)])


def is_right(outputs: Array, answer: Array) -> bool:
    if answer.dtype != np.float32:
        return bool(np.array_equal(outputs, answer))
    largest = np.abs(answer).max(axis=-1, keepdims=True)
    return bool((np.abs(outputs - answer) <= FLOAT_TOLERANCE * largest).all())  # NaN is never right
