"""Rows as bytes: equal to the plain definition, whatever the row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moray.experts.scaled_rows import decode, encode, quantise
from row_oracle import as_bytes, as_lists, decode_row, encode_row

WIDTHS = (1, 2, 3, 15, 16, 17, 63, 64, 65, 130)
ANY_FLOAT = st.floats(width=32)  # subnormal ones, infinities and NaN among them


@settings(max_examples=200)
@given(row=st.lists(ANY_FLOAT, min_size=1, max_size=40), highest=st.sampled_from([127, 7]))
def test_any_row_has_the_bytes_of_the_plain_definition(row: list[float], highest: int) -> None:
    assert as_lists(encode(np.array([row], np.float32), highest)) == [encode_row(row, highest)]


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), width=st.sampled_from(WIDTHS), exponent=st.integers(-149, 126))
def test_rows_of_every_magnitude_have_the_bytes_of_the_plain_definition(seed: int, width: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((5, width)) * 2.0**exponent).astype(np.float32)
    rows[rng.integers(5)] = 0
    assert as_lists(encode(rows)) == [encode_row(row) for row in rows.tolist()]


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), highest=st.sampled_from([127, 7]))
def test_halves_go_to_the_even_value(seed: int, highest: int) -> None:
    halves = (np.random.default_rng(seed).integers(-2 * highest, 2 * highest + 1, (3, 20)) / 2).astype(np.float32)
    halves[:, 0] = highest  # so that the factor is 1
    values = encode(halves, highest)[:, :20]
    assert np.array_equal(values, [[round(value) for value in row] for row in halves.tolist()])


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_a_row_that_is_not_finite_becomes_zeros_and_its_neighbours_stay(wrong: float) -> None:
    rows = np.ones((3, 20), np.float32)
    rows[1, 7] = wrong
    encoded = as_lists(encode(rows))
    assert encoded[1] == ([0] * 20, (0, 0))
    assert encoded[0] == encoded[2] == encode_row([1.0] * 20)
    assert not decode(encode(rows))[1].any()


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), width=st.sampled_from(WIDTHS), num_rows=st.integers(1, 4))
def test_any_bytes_are_the_floats_of_the_plain_definition(seed: int, width: int, num_rows: int) -> None:
    rows = np.random.default_rng(seed).integers(-128, 128, (num_rows, width + 5)).astype(np.int8)
    assert np.array_equal(decode(rows), [decode_row(*row) for row in as_lists(rows)])


def test_rows_may_lie_apart() -> None:
    wide = np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32)
    assert np.array_equal(encode(wide[::2, :7]), encode(wide[::2, :7].copy()))
    travelled = encode(wide)
    assert np.array_equal(decode(travelled[::2]), decode(travelled)[::2])


def scales_of(rows: NDArray[np.float32]) -> list[tuple[int, int]]:
    return [scale for _, scale in as_lists(encode(rows))]


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), exponent=st.integers(-30, 30), highest=st.sampled_from([127, 7]))
def test_a_quantised_row_is_within_half_a_step(seed: int, exponent: int, highest: int) -> None:
    rows = (np.random.default_rng(seed).standard_normal((5, 33)) * 2.0**exponent).astype(np.float32)
    rows[2] = 0
    quantised = quantise(rows, highest)
    assert np.abs(quantised.values).max(axis=1).tolist() == [highest, highest, 0, highest, highest]
    assert scales_of(rows)[2] == (0, 0)
    assert all(2**30 <= m < 2**31 for i, m in enumerate(quantised.mantissas.tolist()) if i != 2)
    steps = np.abs(rows).max(axis=1, keepdims=True) / highest
    assert (np.abs(decode(as_bytes(quantised)) - rows) <= steps * 0.5001).all()


def test_parts_and_bytes_are_the_same_rows() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 9)).astype(np.float32)
    assert np.array_equal(as_bytes(quantise(rows)), encode(rows))
