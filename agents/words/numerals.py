"""Numbers that stand in a text, in digits or in English or Chinese words: 1,500 is also 1.5k, 一千五百 and 1.5千.

What can be read in two ways is read in none: "1,5000" and "5-10" name no amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Unit = Literal["", "%", "$", "bps"]

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_SCALES = {"k": 1000, "thousand": 1000, "grand": 1000, "m": 10**6, "mil": 10**6, "million": 10**6, "hundred": 100}
_SCALES |= {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_HAN_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_PLACES = {"十": 10, "百": 100, "千": 1000}
HAN = "零〇一二两三四五六七八九十百千万亿"
_UNITS: dict[str, Unit] = {"%": "%", "percent": "%", "per cent": "%", "pct": "%", "bps": "bps", "bp": "bps"}
_UNITS |= {"basis points": "bps", "个基点": "bps", "基点": "bps", "美元": "$", "美金": "$", "刀": "$", "u": "$"}
_UNITS |= {"dollars": "$", "dollar": "$", "bucks": "$", "usd": "$"}


def _any_of(words: object) -> str:
    """The longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_WORD = _any_of((*_SMALL, *_LARGE))
_LATIN_SCALES = [name for name in _SCALES if name.isascii()]
# What may not follow digits at once, where a symbol may ("5usdc"): a time, an ordinal, a symbol with a digit before.
_NO_SYMBOL = r"[a-z](?![a-z])|(?:(?:min|hr|hour|day|week|mo|month|yr|year)s?|[ap]m|st|nd|rd|th|inch)(?![a-z])"
_NUMBER = re.compile(
    rf"""
    (?P<share>(?<![a-z])(?:
        (?P<half_a>half\s+an?) | (?P<half>half)
        | (?P<quarters>(?:a|one|three)\s+quarters?) | (?P<tenth>(?:a|one)\s+tenth)
    )(?![a-z]))
    | 百分之(?P<han_percent>[{HAN}]+|[0-9]+(?:\.[0-9]+)?)
    | (?P<below>[二四五十])分之(?P<above>[{HAN}]) | (?P<tenths>[一二两三四五六七八九])成(?!交|为|功|本)
    | (?P<han_half>一半) | (?P<half_piece>半)个(?!月|小时)
    | (?P<dollar>\$\s?)?
      (?:
        (?<![0-9a-z_.])(?<![0-9][,:-])
        (?P<digits>(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)
        (?:\s?(?P<scale>(?:{_any_of(_LATIN_SCALES)})(?![a-z])|[百千万亿]))?
        | (?<![a-z-])(?P<words>(?:{_WORD})(?:(?:-|\s+(?:and\s+)?)(?:{_WORD}))*)
          (?P<and_half>\s+and\s+a\s+half)?(?![a-z-])
        | (?P<han>[{HAN}]+)(?!点|月|分之|成(?!交|为|功|本))
      )
      (?:\s?(?P<unit>{_any_of(_UNITS)})(?![a-z]))?
      (?![0-9_]|[.,:-][0-9])(?:(?<![0-9])|(?!{_NO_SYMBOL}))
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """``unit`` "" is of whatever is counted."""

    value: Decimal
    unit: Unit = ""


def quantities(text: str) -> frozenset[Quantity]:
    """Every number of ``text``. Names that have digits in them ("moon7.eth", "1INCH") are none."""
    return frozenset(quantity for quantity, _ in placed_quantities(text))


def placed_quantities(text: str) -> Iterator[tuple[Quantity, int]]:
    """Each with the place where it ends."""
    for match in _NUMBER.finditer(text):
        shared = _share(match)
        if shared is not None:
            yield shared, match.end()
            continue
        value = _value(match)
        if value is None:
            continue
        unit = _UNITS[match["unit"].lower()] if match["unit"] else ""
        if match["dollar"] and unit not in ("", "$"):
            continue
        yield Quantity(value, "$" if match["dollar"] else unit), match.end()


def _share(match: re.Match[str]) -> Quantity | None:
    if match["half_a"] or match["half_piece"]:
        return Quantity(Decimal("0.5"))
    if match["half"] or match["han_half"]:
        return Quantity(Decimal(50), "%")
    if match["quarters"]:
        return Quantity(Decimal(75 if match["quarters"].lower().startswith("three") else 25), "%")
    if match["tenth"]:
        return Quantity(Decimal(10), "%")
    if match["han_percent"]:
        text = match["han_percent"]
        value = Decimal(text) if text[0].isascii() else han_number(text)
        return Quantity(Decimal(value), "%") if value is not None else None
    if match["below"]:
        below, above = han_number(match["below"]), han_number(match["above"])
        return Quantity(Decimal(100 * above) / below, "%") if below and above else None
    return Quantity(Decimal(10 * _HAN_DIGITS[match["tenths"]]), "%") if match["tenths"] else None


def _value(match: re.Match[str]) -> Decimal | None:
    if match["digits"]:
        scale = _SCALES[match["scale"].lower()] if match["scale"] else 1
        return Decimal(match["digits"].replace(",", "")) * scale
    number = han_number(match["han"]) if match["han"] else english_number(match["words"])
    if number is None:
        return None
    return number + Decimal("0.5") if match["and_half"] else Decimal(number)


def english_number(text: str) -> int | None:
    """Of words as ``three thousand five hundred`` and ``twenty-one``; None where they are no one number."""
    total = group = 0
    before = 10**9  # the place of the word before: what follows is smaller
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "and":
            continue
        if word in _SMALL:
            value = _SMALL[word]
            if (before < 20 or (before < 100 and value > 9)) or (value == 0 and text.lower() != "zero"):
                return None
            group, before = group + value, value if value >= 20 else 1
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group, before = group * 100, 100
        else:
            place = _LARGE[word]
            if not 0 < group < 1000 or (total and total % (place * 1000)):
                return None
            total, group, before = total + group * place, 0, place
    return total + group


def han_number(text: str) -> int | None:
    """Of characters as 一万二千零五; 三千五 is 3500. None where they are no one number."""
    total, section, digit, place = 0, 0, None, 0
    for char in text:
        if char in _HAN_DIGITS:
            if digit:  # two digits in a row: a phone number, a year
                return None
            digit = _HAN_DIGITS[char]
            place = 1 if digit == 0 else place  # behind a zero come ones
        elif char in _HAN_PLACES:
            place = _HAN_PLACES[char]
            section, digit = section + (1 if digit is None and place == 10 else digit or 0) * place, None
        else:
            place = _SCALES[char]
            total, section, digit = (total + section + (digit or 0)) * place, 0, None
    if digit is not None:
        section += digit * (place // 10 if place >= 100 else 1)
    return total + section if total + section or text in "零〇" else None
