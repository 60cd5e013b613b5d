"""Sixteen lanes at a time: accurate to the last place, in a known order, and the same whatever the tile's size."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact import F32, chain, fma, fold, random_rows, same_bits
from moray.experts.compiled import part
from moray.experts.simd import LANES, dot_tile, exp_sum, gated_lanes, peak, product_tile, sigmoid_lanes

TILES = [(1, 1), (1, 4), (2, 1), (2, 2), (3, 2), (4, 1), (4, 4)]
LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.7)  # where exp ends: beyond, it is zero or infinite
UNIT = 2.0**-24  # a correctly rounded operation is off by this share of its result at most


@part
def compiled_exp_sum(x: F32, shift: float) -> float:
    total: float = exp_sum(x.ctypes.data, np.float32(shift), x.size // LANES)
    return total


@part
def compiled_peak(x: F32) -> float:
    highest: float = peak(x.ctypes.data, x.size // LANES)
    return highest


@part
def compiled_sigmoid(x: F32, out: F32) -> None:
    for start in range(0, 4 * x.size, 4 * LANES):
        sigmoid_lanes(x.ctypes.data + start, out.ctypes.data + start)


@part
def compiled_gated(gate: F32, up: F32, out: F32) -> None:
    for start in range(0, 4 * gate.size, 4 * LANES):
        gated_lanes(gate.ctypes.data + start, up.ctypes.data + start, out.ctypes.data + start)


@cache
def compiled_product(rows: int, vectors: int) -> Callable[[F32, F32, F32, int], None]:
    tile = product_tile(rows, vectors)

    @part
    def run(x: F32, w: F32, out: F32, is_sum: int) -> None:
        depth, w_stride = w.shape[0], w.strides[0] // 4
        x_stride, out_stride = x.strides[0] // 4, out.strides[0] // 4
        tile(x.ctypes.data, x_stride, w.ctypes.data, w_stride, depth, out.ctypes.data, out_stride, is_sum)

    return run


@cache
def compiled_dot(rows: int, columns: int) -> Callable[[F32, F32, F32], None]:
    tile = dot_tile(rows, columns)

    @part
    def run(x: F32, y: F32, out: F32) -> None:
        depth, y_stride = x.shape[1] // LANES, y.strides[0] // 4
        x_stride, out_stride = x.strides[0] // 4, out.strides[0] // 4
        tile(x.ctypes.data, x_stride, y.ctypes.data, y_stride, depth, out.ctypes.data, out_stride)

    return run


def lanes_of(*values: Any) -> F32:
    """The values repeated until whole lanes are full."""
    return np.resize(np.array(values, np.float32), -(-len(values) // LANES) * LANES)


def exp(x: F32) -> F32:
    powers = np.resize(x, -(-x.size // LANES) * LANES)
    compiled_exp_sum(powers, 0.0)
    return powers[: x.size]


def sigmoid(x: F32) -> F32:
    out = np.empty_like(x)
    compiled_sigmoid(x, out)
    return out


def gated(gate: F32, up: F32) -> F32:
    out = np.empty_like(gate)
    compiled_gated(gate, up, out)
    return out


def between(low: float, high: float, count: int = 1 << 20) -> F32:
    """Numbers spread evenly over the range, and small ones of every magnitude."""
    even = np.linspace(low, high, count).astype(np.float32)
    patterns = np.random.default_rng(0).integers(0, 2**32, count, np.uint32).view(np.float32)
    return np.concatenate((even, patterns[(patterns >= low) & (patterns <= high)]))


def units_off(powers: F32, x: F32) -> Any:
    exact = np.exp(x.astype(np.float64))
    return np.abs(powers - exact) / np.spacing(exact.astype(np.float32))


# -- exp and what stands on it


def test_exp_is_within_one_unit_in_the_last_place_over_its_whole_range() -> None:
    x = between(float(LOWEST), float(HIGHEST))
    assert units_off(exp(x), x).max() <= 1


def test_exp_is_as_accurate_where_its_reduction_changes_over() -> None:
    """Around (n + 1/2) ln 2, where the power of two jumps, and around n ln 2, where nothing is left of x."""
    centres = (np.arange(-251, 256) / 2 * np.log(2)).astype(np.float32)
    steps = np.arange(-200, 201, dtype=np.float32) * np.spacing(np.abs(centres))[:, None]
    x = (centres[:, None] + steps).ravel()
    assert units_off(exp(x), x).max() <= 1


def test_exp_of_what_has_no_finite_power() -> None:
    assert same_bits(exp(lanes_of(-np.inf, np.inf, -1e30, 1e30)), lanes_of(0, np.inf, 0, np.inf))
    assert np.isnan(exp(lanes_of(np.nan, -np.nan))).all()


@pytest.mark.parametrize("pattern", [0x7FC00001, 0x7FC001FF, 0xFFC000FF, 0x7F800001, 0x7FFFFFFF])
def test_exp_of_nan_is_nan_whatever_its_payload(pattern: int) -> None:
    """Low bits become the exponent: a payload in them could turn NaN into a number."""
    assert np.isnan(exp(np.full(LANES, pattern, np.uint32).view(np.float32))).all()


def test_exp_at_the_ends_of_its_range() -> None:
    beyond = lanes_of(np.nextafter(LOWEST, np.float32(-100)), np.nextafter(HIGHEST, np.float32(100)))
    assert same_bits(exp(beyond), lanes_of(0, np.inf))
    within = lanes_of(LOWEST, HIGHEST)
    assert units_off(exp(within), within).max() <= 1
    assert exp(within).min() >= np.finfo(np.float32).smallest_normal


def test_exp_of_next_to_nothing_is_one() -> None:
    assert same_bits(exp(lanes_of(0, -0.0, 1e-45, -1e-45, 1e-30, -1e-30)), np.ones(LANES, np.float32))


@pytest.mark.parametrize("depth", [0, 1, 2, 7])
def test_the_sum_of_powers_goes_lane_by_lane_and_then_in_halves(depth: int) -> None:
    x = random_rows(depth, depth * LANES)
    powers = exp(x - np.float32(0.75))
    total = compiled_exp_sum(x, 0.75)
    lanes = np.zeros(LANES, np.float32)
    for row in powers.reshape(depth, LANES):
        lanes = lanes + row
    assert np.float32(total) == fold(lanes) and same_bits(x, powers)


def test_sigmoid_is_accurate_and_ends_at_zero_and_one() -> None:
    x = between(-87.0, 100.0)
    x = x[: x.size // LANES * LANES]
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    # exp's unit in the last place counts double as a share; the addition and the division round once each.
    assert (np.abs(sigmoid(x) - exact) <= 4 * UNIT * exact).all()
    assert same_bits(sigmoid(lanes_of(-np.inf, -200, 0, 200, np.inf)), lanes_of(0, 0, 0.5, 1, 1))
    assert np.isnan(sigmoid(lanes_of(np.nan))).all()


def test_gated_lanes_are_silu_times_the_other() -> None:
    gate = between(-80.0, 100.0)
    gate = gate[np.abs(gate) > 1e-30]
    gate = gate[: gate.size // LANES * LANES]
    up = random_rows(1, gate.size) + np.float32(np.pi)
    exact = gate / (1 + np.exp(-gate.astype(np.float64))) * up
    smallest = np.finfo(np.float32).smallest_normal  # below, numbers have fewer digits
    assert (np.abs(gated(gate, up) - exact) <= 5 * UNIT * np.abs(exact) + smallest).all()


def test_gated_lanes_at_the_ends() -> None:
    assert (gated(lanes_of(0, -0.0, -1000, 3e38), lanes_of(5, 5, 5, 0)) == 0).all()
    assert same_bits(gated(lanes_of(1000), lanes_of(2)), lanes_of(2000))
    assert np.isnan(gated(lanes_of(np.nan, 1), lanes_of(1, np.nan))).all()


def test_lanes_may_be_computed_in_place() -> None:
    gate, up = random_rows(1, LANES), random_rows(2, LANES)
    expected = gated(gate, up)
    compiled_gated(gate, up, gate)
    assert same_bits(gate, expected)


# -- peak


@given(st.lists(st.floats(width=32), max_size=70))
def test_the_peak_is_the_highest_number_and_passes_over_nan(values: list[float]) -> None:
    x = np.full(-(-len(values) // LANES) * LANES, -np.inf, np.float32)
    x[: len(values)] = values
    assert compiled_peak(x) == max((value for value in values if value == value), default=-np.inf)


@pytest.mark.parametrize("place", range(2 * LANES))
def test_the_peak_is_found_in_every_lane_among_nothing_but_nan(place: int) -> None:
    x = np.full(2 * LANES, np.nan, np.float32)
    assert compiled_peak(x) == -np.inf
    x[place] = -5
    assert compiled_peak(x) == -5


# -- tiles


@pytest.mark.parametrize("depth", [0, 1, 33])
@pytest.mark.parametrize("rows, vectors", TILES)
def test_a_product_tile_of_any_size_is_made_of_the_same_chains(rows: int, vectors: int, depth: int) -> None:
    width = vectors * LANES
    x, w, out = random_rows(1, 4, depth + 3), random_rows(2, depth, width + 5), random_rows(3, 4, width + 7)
    before = out.copy()
    run = compiled_product(rows, vectors)
    run(x, w, out, 0)
    expected = chain(x[:rows, :depth], w[:, :width])
    assert same_bits(out[:rows, :width].copy(), expected)
    out[:rows, :width] = before[:rows, :width]
    run(x, w, out, 1)
    expected = chain(x[:rows, :depth], w[:, :width], before[:rows, :width])
    assert same_bits(out[:rows, :width].copy(), expected)
    out[:rows, :width] = before[:rows, :width]
    assert same_bits(out, before)  # nothing beside the tile was touched


def test_a_chain_cut_in_two_is_the_whole_chain() -> None:
    x, w, out = random_rows(1, 4, 50), random_rows(2, 50, 4 * LANES), np.empty((4, 4 * LANES), np.float32)
    run = compiled_product(4, 4)
    run(x, w[:19], out, 0)
    run(x[:, 19:], w[19:], out, 1)
    assert same_bits(out, chain(x, w))


@pytest.mark.parametrize("depth", [0, 1, 5])
@pytest.mark.parametrize("rows, columns", TILES)
def test_a_dot_tile_of_any_size_adds_lane_by_lane_and_then_in_halves(rows: int, columns: int, depth: int) -> None:
    width = depth * LANES
    x, y, out = random_rows(1, 4, width + 3)[:, :width], random_rows(2, 4, width + 9)[:, :width], random_rows(3, 4, 9)
    before = out.copy()
    compiled_dot(rows, columns)(x, y, out)
    lanes = np.zeros((rows, columns, LANES), np.float32)
    for start in range(0, width, LANES):
        lanes = fma(x[:rows, None, start : start + LANES], y[None, :columns, start : start + LANES], lanes)
    assert same_bits(out[:rows, :columns].copy(), fold(lanes))
    out[:rows, :columns] = before[:rows, :columns]
    assert same_bits(out, before)
