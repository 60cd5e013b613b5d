"""Numbers in words and figures, read back by readers of their own."""

from __future__ import annotations

import random
import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moray.training.data import numerals

_ENGLISH = {word: value for value, word in enumerate(numerals._ONES)} | {
    word: 10 * value for value, word in enumerate(numerals._TENS) if value
}
_CHINESE = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2}


def read_english(text: str) -> Decimal:
    text = text.replace(",", "").lower()
    if match := re.fullmatch(r"([0-9.]+) ?(k|thousand|grand|m|million|mil)?", text):
        unit = {None: 1, "k": 1000, "thousand": 1000, "grand": 1000}.get(match[2], 1_000_000)
        return Decimal(match[1]) * unit
    if text == "one and a half":
        return Decimal("1.5")
    total = part = 0
    for word in re.split("[ -]", text):
        if word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = total + part * 1000, 0
        else:
            part += _ENGLISH[word]
    return Decimal(total + part)


def read_chinese(text: str) -> Decimal:
    text = text.replace(",", "")
    if match := re.fullmatch("([0-9.]+)(千|万)?", text):
        return Decimal(match[1]) * {None: 1, "千": 1000, "万": 10_000}[match[2]]
    total = part = digit = 0
    for character in text:
        if character in _CHINESE:
            digit = _CHINESE[character]
        elif character == "万":
            total, part, digit = total + (part + digit) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character], 0
    return Decimal(total + part + digit)


@given(st.integers(0, numerals.MAX_IN_WORDS))
def test_english_words_mean_their_number(number: int) -> None:
    assert read_english(numerals.in_english(number)) == number


@given(st.integers(1, 99_999_999))
def test_chinese_words_mean_their_number(number: int) -> None:
    assert read_chinese(numerals.in_chinese(number)) == number


@pytest.mark.parametrize(
    ("number", "words"),
    [(10, "十"), (12, "十二"), (105, "一百零五"), (3000, "三千"), (10_001, "一万零一"), (120_500, "十二万零五百")],
)
def test_chinese_numbers_known_by_heart(number: int, words: str) -> None:
    assert numerals.in_chinese(number) == words


@given(st.integers(0, 2**64))
@example(180976)  # one, which was once written as two
def test_every_way_to_write_an_amount_means_it(seed: int) -> None:
    rng = random.Random(seed)
    value = numerals.draw(rng)
    assert value > 0
    assert Decimal(numerals.plain(value)) == value and not re.search(r"[eE,]|\.\d*0$", numerals.plain(value))
    assert read_english(numerals.english(value, rng)) == value
    assert read_chinese(numerals.chinese(value, rng)) == value
