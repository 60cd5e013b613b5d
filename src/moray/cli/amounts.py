"""Amounts of a currency and lengths of time as people write them."""

from __future__ import annotations

import re

from moray.errors import BadSetting

_AMOUNT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?")
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_amount(text: str, decimals: int, option: str) -> int:
    """Base units of ``1.5`` in a currency of ``decimals``. Raises BadSetting, also for what would be rounded."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise BadSetting(f"{option} {text!r} is no amount; give a number like 1.5")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise BadSetting(f"{option} {text} is finer than the currency, which has {decimals} decimals; give fewer")
    return int(whole + fraction.ljust(decimals, "0"))


def show_amount(amount: int, decimals: int) -> str:
    """``parse_amount`` backwards, in the shortest spelling."""
    digits = str(amount).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def parse_duration(text: str, option: str) -> int:
    """Seconds of ``90s``, ``10m``, ``2h`` or ``1d``. Raises BadSetting."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise BadSetting(f"{option} {text!r} is no length of time; give 90s, 10m, 2h or 1d")
    return int(match[1]) * _UNIT_S[match[2]]
