"""Combine: the weighted sum of the experts' rows, always in ascending expert id.

The order is part of the answer: float32 addition does not associate, and arrival order would change bits.
"""

from __future__ import annotations

from torch import Tensor


def combine(outputs: Tensor, weights: Tensor) -> Tensor:
    """outputs [T, K, D] unweighted, weights [T, K], both in ascending expert id -> [T, D]."""
    total = outputs[:, 0] * weights[:, 0, None]
    for k in range(1, outputs.shape[1]):
        total = total + outputs[:, k] * weights[:, k, None]
    return total
