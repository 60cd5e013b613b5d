"""An oracle for the compiled kernels: fused multiply-adds of float32 in numpy, every bit as IEEE 754 has it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
WIDTHS = (1, 7, 15, 16, 17, 63, 65, 130)  # around the sixteen lanes and the panels of 32 and 64 columns


def random_rows(seed: int, *shape: int) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Stricter than equality: 0 and -0 differ, and a NaN is itself."""
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def fma(x: F32, y: F32, z: F32) -> F32:
    """``x * y + z``, rounded once.

    In float64 the product is exact and the sum is not; where it is not, its last bit is made odd. Such a sum lies on
    the right side of every float32 and of every middle between two, so rounding it again is harmless (Boldo and
    Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    """
    product, addend = np.broadcast_arrays(x.astype(np.float64) * y, z.astype(np.float64))
    total = product + addend
    virtual = total - product
    error = (product - (total - virtual)) + (addend - virtual)  # TwoSum (Knuth): what the sum lost, exactly
    is_even = total.view(np.int64) % 2 == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    odd = np.where((error != 0) & is_even, np.nextafter(total, towards), total)
    rounded: F32 = odd.astype(np.float32)
    return rounded


def chain(x: F32, w: F32, start: F32 | None = None) -> F32:
    """``x [T, K] @ w [K, N]``: one chain of fused multiply-adds per output, k ascending, from zero or ``start``."""
    total = np.zeros((len(x), w.shape[1]), np.float32) if start is None else start
    for k in range(x.shape[1]):
        total = fma(x[:, k : k + 1], w[k], total)
    return total


def fold(lanes: F32) -> F32:
    """The last axis of sixteen added in halves: of sixteen, of the eight that result, and so on."""
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


def nearest_float32(exact: Fraction) -> np.float32:
    """The float32 closest to ``exact``, among two as close the one whose last bit is zero."""
    guess = np.float32(float(exact))  # rounded twice: at most one place off
    places = (np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf)))
    return min(places, key=lambda place: (abs(Fraction(float(place)) - exact), int(place.view(np.int32)) & 1))
