"""Drawing a token from a whole row of logits, compiled: one pass for the masses, one for the draw; and its mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import kernel


@kernel("i8(f4[::1], f8, f8)")
def draw_kernel(logits: NDArray[np.float32], temperature: float, fraction: float) -> Any:
    """The first id whose cumulated mass exceeds ``fraction`` (below 1) of the whole; masses are exp(logit /
    temperature) in float64, and an id of mass 0 is never drawn."""
    highest = -np.inf
    for logit in logits:
        highest = max(highest, np.float64(logit))
    masses, total = np.empty(logits.shape[0], np.float64), 0.0
    for i in range(logits.shape[0]):
        total += np.exp((np.float64(logits[i]) - highest) / temperature)
        masses[i] = total  # cumulated
    target = total * fraction
    for i in range(logits.shape[0]):
        if masses[i] > target:
            return i
    return logits.shape[0] - 1


@kernel("f4[::1](f4[::1], Array(u1, 1, 'C', readonly=True))")
def mask_kernel(logits: NDArray[np.float32], mask: NDArray[np.uint8]) -> Any:
    """The row with -inf in the place of every token that ``mask`` (``moray.types.Mask``) does not have."""
    masked = np.full(logits.shape[0], -np.inf, np.float32)
    for i in range(min(logits.shape[0], 8 * mask.shape[0])):
        if mask[i >> 3] >> (i & 7) & 1:
            masked[i] = logits[i]
    return masked
