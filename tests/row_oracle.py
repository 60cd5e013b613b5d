"""Rows between float32 and the bytes that travel, in plain Python: its floats are float64, its rounding to even."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moray.experts.scaled_rows import ScaledRows


def encode_row(row: Sequence[float], highest: int = 127) -> tuple[list[int], tuple[int, int]]:
    """Values and scale."""
    zeros = [0] * len(row), (0, 0)
    if not all(map(math.isfinite, row)) or not any(row):
        return zeros
    peak = max(map(abs, row))
    fraction, exponent = math.frexp(peak / highest)
    mantissa, shift = round(fraction * 2**31), 31 - exponent
    if mantissa == 2**31:
        mantissa, shift = 2**30, shift - 1
    if shift > 127:
        return zeros
    return [round(value * (highest / peak)) for value in row], (mantissa, shift)


def decode_row(values: Sequence[int], scale: tuple[int, int]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.array([value * math.ldexp(scale[0], -scale[1]) for value in values]).astype(np.float32)


def as_bytes(rows: ScaledRows) -> NDArray[np.int8]:
    """As they travel: values, the mantissa's four bytes from the lowest on, the shift."""
    scales = zip(rows.mantissas.tolist(), rows.shifts.tolist(), strict=True)
    packed = b"".join(
        values.tobytes() + mantissa.to_bytes(4, "little", signed=True) + shift.to_bytes(1, "little", signed=True)
        for values, (mantissa, shift) in zip(rows.values, scales, strict=True)
    )
    return (
        np.frombuffer(packed, np.int8).reshape(len(rows.values), -1).copy()
    )  # kernels want arrays that can be written


def as_lists(rows: NDArray[np.int8]) -> list[tuple[list[int], tuple[int, int]]]:
    """Values and scale of each row as it travels."""
    return [
        (row[:-5].tolist(), (int.from_bytes(row[-5:-1].tobytes(), "little", signed=True), int(row[-1]))) for row in rows
    ]
