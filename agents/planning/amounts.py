"""From the amount that the user said to base units. Money is integers; nothing here is a float."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from moray.errors import FundsTooLow, NotPlanned, PriceDoubtful

_EXACT = Context(prec=120)  # digits: 30 before the point and 18 after it, times 36 decimals, and room


def base_units(number: str, decimals: int) -> int:
    """Of a plain decimal. Raises NotPlanned for one that is finer than the token."""
    scaled = _EXACT.scaleb(Decimal(number), decimals)
    if scaled != scaled.to_integral_value():
        raise NotPlanned(f"{number} is finer than the token's {decimals} decimals; round it")
    return int(scaled)


def resolve(amount: str, decimals: int, held: int, dollars_per_unit: Fraction | None) -> int:
    """``amount`` as moray.actions has it, of a token of which the user holds ``held``. Never rounds up.

    ``dollars_per_unit``: of one whole unit; None where it was not read. Raises NotPlanned and PriceDoubtful.
    """
    if amount == "all":
        found = held
    elif amount.endswith("%"):
        found = int(Fraction(held) * Fraction(amount[:-1]) / 100)
    elif amount.startswith("$"):
        if not dollars_per_unit:
            raise PriceDoubtful("no price in dollars is known for the token; give the amount in units of it")
        found = int(Fraction(amount[1:]) / dollars_per_unit * 10**decimals)
    else:
        found = base_units(amount, decimals)
    if found <= 0:
        raise FundsTooLow(f"{amount} of what is there comes to nothing; give another amount")
    return found


def less_bps(amount: int, bps: int) -> int:
    """``amount`` less ``bps`` hundredths of a percent, rounded up: for what must at least come in."""
    return -(-amount * (10_000 - bps) // 10_000)


def more_bps(amount: int, bps: int) -> int:
    """``amount`` and ``bps`` hundredths of a percent more, rounded down: for what may at most go out."""
    return amount * (10_000 + bps) // 10_000


def shown(amount: int, decimals: int) -> str:
    """In whole units, for people."""
    number = _EXACT.scaleb(Decimal(amount), -decimals)
    text = f"{number.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR, _EXACT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
