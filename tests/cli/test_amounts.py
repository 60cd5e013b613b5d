"""Amounts and durations as people write them: nothing is rounded, nothing is guessed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.cli.amounts import parse_amount, parse_duration, show_amount
from moray.errors import BadSetting


@given(st.integers(0, 10**30 - 1), st.integers(0, 18))
def test_an_amount_is_read_back_as_it_was_shown_and_means_what_decimals_mean(amount: int, decimals: int) -> None:
    shown = show_amount(amount, decimals)
    assert parse_amount(shown, decimals, "--fee") == amount
    assert Fraction(shown) == Fraction(amount, 10**decimals)


@pytest.mark.parametrize(
    ("text", "base_units"), [("1.5", 1_500_000), ("2", 2_000_000), ("0.000001", 1), ("1.50", 1_500_000)]
)
def test_amounts_are_counted_in_base_units(text: str, base_units: int) -> None:
    assert parse_amount(text, 6, "--fee") == base_units


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1,5", ".5", "1.", "nan", "0x10", "٣", "1.0000001"])
def test_what_is_no_amount_is_refused_with_the_name_of_its_option(text: str) -> None:
    with pytest.raises(BadSetting, match="--fee"):
        parse_amount(text, 6, "--fee")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)])
def test_durations_have_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text, "--accept-within") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "1w", "-1m", "1.5h", "10 m"])
def test_what_is_no_duration_is_refused_with_the_name_of_its_option(text: str) -> None:
    with pytest.raises(BadSetting, match="--accept-within"):
        parse_duration(text, "--accept-within")
