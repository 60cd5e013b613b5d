"""Combine: the weighted sum of the experts' rows, always in ascending expert id.

The order is part of the answer: float32 addition does not associate, and arrival order would change bits.
"""

from __future__ import annotations

from moray.experts.compiled import Rows
from moray.router.gate_kernel import combine_kernel


def combine(total: Rows, outputs: Rows, weights: Rows) -> None:
    """Add to ``total`` [T, D] the sum of outputs [T, K, D] weighted by weights [T, K], both in ascending expert id."""
    combine_kernel(outputs, weights, total)
