"""Numbers as people write them: 1500 is also 1,500, 1.5k, 一千五百 or 1.5千."""

from __future__ import annotations

import random
from decimal import Decimal

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
MAX_IN_WORDS = 999_999


def plain(value: Decimal) -> str:
    """One text for each value: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_english(number: int) -> str:
    """``number`` in words, 0 to ``MAX_IN_WORDS``."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[rest]}" if rest else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    many, rest = divmod(number, unit)
    return f"{in_english(many)} {name}" + (f" {in_english(rest)}" if rest else "")


def in_chinese(number: int) -> str:
    """``number`` in characters, 1 to 99,999,999."""
    high, low = divmod(number, 10_000)
    text = _under_ten_thousand(low) if low else ""
    if high:
        gap = "零" if 0 < low < 1000 else ""
        text = f"{_under_ten_thousand(high)}万{gap}{text}"
    return text[1:] if text.startswith("一十") else text


def _under_ten_thousand(number: int) -> str:
    text, has_gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit:
            text += ("零" if has_gap else "") + _DIGITS[digit] + _PLACES[place]
        has_gap = not digit and bool(text)
    return text


def draw(rng: random.Random) -> Decimal:
    """An amount as wallets see them: mostly small or round."""
    kind = rng.random()
    if kind < 0.25:
        return Decimal(rng.randint(1, 20))
    if kind < 0.5:
        return Decimal(rng.choice((1, 2, 3, 5, 15, 25, 4, 75, 8, 12))) * Decimal(10) ** rng.randint(1, 4)
    if kind < 0.6:
        return Decimal(rng.randint(21, 9999))
    if kind < 0.64:
        return Decimal(rng.randint(10_000, 3_000_000))
    places = rng.randint(1, 4)
    return Decimal(rng.randint(1, int(9 * Decimal(10) ** rng.randint(1, places + 1)))) / Decimal(10) ** places


def english(value: Decimal, rng: random.Random) -> str:
    """One way to write ``value`` in English text."""
    ways = [plain(value)] * 5
    if value == value.to_integral_value():
        number = int(value)
        if number >= 1000:
            ways += [f"{number:,}"] * 3
        if number <= 20 or (number <= MAX_IN_WORDS and number % 100 == 0):
            ways.append(in_english(number))
        for unit, names in ((1000, ("k", "K", " thousand", " grand")), (1_000_000, ("m", "M", " million", " mil"))):
            if number >= unit and number % (unit // 100) == 0:
                ways += [plain(value / unit) + rng.choice(names)] * 2
    elif value == Decimal("1.5"):
        ways.append("one and a half")
    elif value < 1:
        ways.append(plain(value)[1:])  # ".5"
    return rng.choice(ways)


def chinese(value: Decimal, rng: random.Random) -> str:
    """One way to write ``value`` in Chinese text."""
    ways = [plain(value)] * 4
    if value == value.to_integral_value():
        number = int(value)
        if number <= 20 or (number < 10**8 and number % 100 == 0):
            words = in_chinese(number)
            ways += [words, "两" if number == 2 else words.replace("二千", "两千").replace("二万", "两万")]
            ways += [words.replace("二百", "两百")]
        if number >= 1000:
            ways.append(f"{number:,}")
        for unit, name in ((1000, "千"), (10_000, "万")):
            if number >= unit and number % (unit // 100) == 0:
                ways.append(plain(value / unit) + name)
    return rng.choice(ways)
