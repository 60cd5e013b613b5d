"""What `moray node join` takes for a size, for a list of experts, and for being paid."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.cli.join import parse_experts, parse_size, pay_options
from moray.errors import BadSetting


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("8GB", 8_000_000_000),
        ("8g", 8_000_000_000),
        ("500 MB", 500_000_000),
        (" 1.5 kb ", 1_500),
        ("0.001T", 1_000_000_000),
    ],
)
def test_a_size_is_a_number_and_a_decimal_unit(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    ["", " ", "GB", "-1", "1e9", "8GiB", "8 G B", "1.2345G", ".5G", "5.", "0x10", "\u0663", "nan", "9" * 16, "8GB\n8"],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match=r"--memory .* is no size; give 8GB or 500MB"):
        parse_size(text)


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=20, unique=True))
def test_experts_may_come_in_any_order(experts: list[int]) -> None:
    assert parse_experts(" , ".join(map(str, experts))) == tuple(sorted(experts))


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "1,,2", "1 2", "a", "-1", "1.0", "3,3", "3,03", "\u0663", "\u00b2", "123456", "0x1"]
)
def test_what_names_no_experts_or_one_twice_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match=r"--experts .*: give different numbers with commas between them, 3,17"):
        parse_experts(text)


@given(st.text(max_size=12))
def test_any_text_is_a_list_of_experts_or_is_refused(text: str) -> None:
    try:
        experts = parse_experts(text)
    except BadSetting as error:
        assert str(error).isprintable()
    else:
        assert list(experts) == sorted(set(experts))


ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_pay_is_off_unless_asked_for() -> None:
    assert pay_options("", [], 0, None, None, None) is None
    assert pay_options("", [], 0, 100, None, None) is None


@pytest.mark.parametrize(
    ("payee", "payers", "row_price", "max_unpaid_rows", "problem"),
    [
        (ADDRESS, [ADDRESS], 5, None, "give all of"),
        (ADDRESS, [ADDRESS], 0, 100, "give all of"),
        (ADDRESS, [], 5, 100, "give all of"),
        ("", [ADDRESS], 5, 100, "give all of"),
        (ADDRESS.lower(), [ADDRESS], 5, 100, "checksum"),
        (ADDRESS, [ADDRESS, "0x1"], 5, 100, "checksum"),
        (ADDRESS, [ADDRESS], 5, 100, "--chain"),
    ],
)
def test_half_of_what_being_paid_takes_is_refused(
    payee: str, payers: list[str], row_price: int, max_unpaid_rows: int | None, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting, match=problem):
        pay_options(payee, payers, row_price, max_unpaid_rows, None, tmp_path)
