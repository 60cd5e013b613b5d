"""Lengths of time, times of day and dates that stand in a text, as ``moray.actions`` spells them."""

from __future__ import annotations

import re

from moray.agents.words.numerals import HAN, english_number, han_number

_UNITS = {"minute": "min", "min": "min", "hour": "h", "hr": "h", "h": "h", "day": "d", "d": "d", "week": "w", "w": "w"}
_UNITS |= {"month": "mo", "mo": "mo", "year": "y", "yr": "y", "y": "y", "分钟": "min", "小时": "h", "个小时": "h"}
_UNITS |= {
    "天": "d",
    "日": "d",
    "周": "w",
    "星期": "w",
    "个星期": "w",
    "礼拜": "w",
    "个月": "mo",
    "月": "mo",
    "年": "y",
}
_EACH = {
    "hourly": "1h",
    "daily": "1d",
    "weekly": "1w",
    "fortnightly": "2w",
    "monthly": "1mo",
    "yearly": "1y",
    "annually": "1y",
}
_WEEKDAY = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:周|星期|礼拜)[一二三四五六日天]", re.IGNORECASE)
_LATIN_SPAN = re.compile(
    r"(?<![0-9a-z.,])(?:([0-9]{1,3})\s?-?|([a-z]+)[\s-])?(minute|min|hour|hr|day|week|month|year|yr|mo|h|d|w|y)s?(?![a-z])",
    re.IGNORECASE,
)
_HAN_SPAN = re.compile(rf"(?:(?<![0-9.])([0-9]{{1,3}})|([{HAN}]+)|(半))?(个?小时|个?星期|分钟|个?月|天|日|周|礼拜|年)")
_CLOCK = re.compile(r"(?<![0-9:])([01]?[0-9]|2[0-3]):([0-5][0-9])(?!:?[0-9])(?!\s?[ap]\.?m)", re.IGNORECASE)
_HALF_CLOCK = re.compile(r"(?<![0-9:])(1[0-2]|[1-9])(?::([0-5][0-9]))?\s?([ap])\.?m(?![a-z])", re.IGNORECASE)
_HAN_CLOCK = re.compile(
    rf"(凌晨|早上|早晨|上午|中午|下午|傍晚|晚上)?(?:([01]?[0-9]|2[0-3])|([{HAN}]+))点(?:(半)|(一刻)|(三刻)|([0-5]?[0-9])分)?"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_DATES = (
    (re.compile(r"(?<![0-9-])(20[0-9]{2})-([01][0-9])-([0-3][0-9])(?![0-9-])"), "ymd"),
    (re.compile(r"(20[0-9]{2})年([0-9]{1,2})月([0-9]{1,2})[日号]"), "ymd"),
    (re.compile(rf"(?<![a-z]){_MONTH}\s+([0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(20[0-9]{{2}})", re.IGNORECASE), "mdy"),
    (
        re.compile(rf"(?<![0-9])([0-9]{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH},?\s+(20[0-9]{{2}})", re.IGNORECASE),
        "dmy",
    ),
)  # fmt: skip


def durations(text: str) -> frozenset[str]:
    """As "12h". A unit alone ("every hour") is one of it."""
    found = {_EACH[word] for word in _EACH if re.search(rf"(?<![a-z]){word}(?![a-z])", text, re.IGNORECASE)}
    if _WEEKDAY.search(text):
        found.add("1w")
    for digits, word, unit in _LATIN_SPAN.findall(text):
        number = int(digits) if digits else (english_number(word) if _is_number(word) else 1)
        if number and (digits or len(unit) > 2):
            found.add(f"{number}{_UNITS[unit.lower()]}")
    for digits, han, half, unit in _HAN_SPAN.findall(text):
        if half:
            found |= {{"年": "6mo", "小时": "30min", "个小时": "30min"}.get(unit, "")} - {""}
            continue
        number = int(digits) if digits else (han_number(han) if han else 1)
        if number:
            found.add(f"{number}{_UNITS[unit]}")
    return frozenset(found)


def _is_number(word: str) -> bool:
    try:
        return english_number(word) is not None
    except KeyError:
        return False


def clocks(text: str) -> frozenset[str]:
    """As "09:30"."""
    found = {f"{int(hour):02}:{minute}" for hour, minute in _CLOCK.findall(text)}
    for hour, minute, half in _HALF_CLOCK.findall(text):
        found.add(f"{int(hour) % 12 + (12 if half.lower() == 'p' else 0):02}:{minute or '00'}")
    for part, digits, han, half, quarter, three, minute in _HAN_CLOCK.findall(text):
        hour_said = int(digits) if digits else han_number(han)
        if hour_said is None or hour_said > 24:
            continue
        minutes = 30 if half else 15 if quarter else 45 if three else int(minute or 0)
        later = part in ("下午", "傍晚", "晚上") or (part == "中午" and hour_said < 11)
        hours = {(hour_said % 12 + 12) if later else hour_said % 24}
        if part in ("凌晨", "晚上") and hour_said == 12:
            hours.add(0)
        found |= {f"{hour:02}:{minutes:02}" for hour in hours}
    return frozenset(found)


def dates(text: str) -> frozenset[str]:
    """As "2027-03-05"."""
    found = set()
    for pattern, order in _DATES:
        for parts in pattern.findall(text):
            named = dict(zip(order, parts, strict=True))
            month = named["m"]
            number = int(month) if month.isdigit() else 1 + _MONTHS.index(month[:3].lower())
            found.add(f"{named['y']}-{number:02}-{int(named['d']):02}")
    return frozenset(found)
