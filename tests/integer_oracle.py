"""The integer expert as docs/integer-expert.md words it, in plain Python integers of any size."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache

Scale = tuple[int, int]
Matrix = Sequence[Sequence[int]]


def round_shift(value: int, count: int) -> int:
    return (2 * value + (1 << count)) >> (count + 1)


def normalise(mantissa: int, shift: int) -> Scale:
    if mantissa == 0:
        return 0, 0
    excess = abs(mantissa).bit_length() - 31
    return (mantissa >> excess if excess > 0 else mantissa << -excess), shift - excess


def times(one: Scale, other: Scale) -> Scale:
    return normalise(one[0] * other[0], one[1] + other[1])


def project(values: Sequence[int], weight: Matrix, scales: Sequence[Scale]) -> list[int]:
    lowest = min(shift for _, shift in scales)
    return [
        round_shift(sum(v * w for v, w in zip(values, row, strict=True)) * mantissa, 31 + shift - lowest)
        for row, (mantissa, shift) in zip(weight, scales, strict=True)
    ]


def requantise(values: Sequence[int]) -> tuple[list[int], Scale]:
    peak = max(map(abs, values))
    if peak == 0:
        return [0] * len(values), (0, 0)
    excess = max(peak.bit_length() - 30, 0)
    peak = round_shift(peak, excess)
    reciprocal = (127 << 52) // peak
    left = 38 - peak.bit_length()
    mantissa, shift = normalise((peak << left) // 127, left)
    return [round_shift(round_shift(v, excess) * reciprocal, 52) for v in values], (mantissa, shift - excess)


@cache
def sigmoid(step: int) -> int:
    with localcontext(prec=60):
        exact = 65536 / (1 + (-(Decimal(step) + Decimal("0.5")) / 128).exp())
        return min(int(exact + Decimal("0.5")), 65535)


def expert(
    values: Sequence[int],
    scale: Scale,
    gate: tuple[Matrix, Sequence[Scale]],
    up: tuple[Matrix, Sequence[Scale]],
    down: tuple[Matrix, Sequence[Scale]],
) -> tuple[list[int], Scale]:
    """One row through one expert."""
    mantissa, shift = scale
    lowest = [min(s for _, s in scales) for _, scales in (gate, up, down)]
    gated = []
    for steering, raised in zip(project(values, *gate), project(values, *up), strict=True):
        argument, fall = steering * mantissa, lowest[0] + shift - 38
        step = argument >> fall if fall >= 0 else argument << -fall
        gated.append(round_shift(steering * sigmoid(max(-2048, min(2047, step))), 16) * raised)
    hidden, hidden_scale = requantise(gated)
    hidden_scale = times(times(hidden_scale, scale), scale)
    hidden_scale = (hidden_scale[0], hidden_scale[1] + lowest[0] + lowest[1] - 62)
    out, out_scale = requantise(project(hidden, *down))
    result = times((out_scale[0], out_scale[1] - 31 + lowest[2]), hidden_scale)
    if result[0] == 0 or result[1] > 127:
        return [0] * len(out), (0, 0)
    return out, (result[0], max(result[1], -128))
