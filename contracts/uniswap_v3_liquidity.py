"""What a Uniswap v3 position holds at a price, and how much liquidity amounts make.

Formulas 6.29 and 6.30 of the v3 whitepaper, as LiquidityAmounts.sol has them. A price is a square root in 96 binary
places, as a pool keeps it. Everything is rounded down, so what is here is never more than what the pool gives.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

from moray.contracts.uniswap_v3 import MAX_TICK, MIN_TICK, Q96
from moray.errors import BadSetting

_CONTEXT: Final = Context(prec=80, rounding=ROUND_FLOOR)  # digits; the root of a price has 20 before the point


def sqrt_price_at(tick: int) -> int:
    """Of the price 1.0001^tick. Raises BadSetting."""
    if not MIN_TICK <= tick <= MAX_TICK:
        raise BadSetting(f"there is no tick {tick}; a tick is between {MIN_TICK} and {MAX_TICK}")
    root = _CONTEXT.sqrt(_CONTEXT.power(Decimal("1.0001"), tick))
    return int(_CONTEXT.multiply(root, Q96).to_integral_value(ROUND_FLOOR))


def liquidity_of(amounts: tuple[int | None, int | None], sqrt_price: int, ticks: tuple[int, int]) -> int:
    """The most that at most ``amounts`` of token0 and token1 make between two ticks; None for any amount of one."""
    low, price, high = _ends(sqrt_price, ticks)
    makes = []
    if amounts[0] is not None and price < high:
        makes.append(amounts[0] * price * high // (Q96 * (high - price)))
    if amounts[1] is not None and low < price:
        makes.append(amounts[1] * Q96 // (price - low))
    return min(makes, default=0)


def amounts_of(liquidity: int, sqrt_price: int, ticks: tuple[int, int]) -> tuple[int, int]:
    """Of token0 and token1 in ``liquidity`` between two ticks."""
    low, price, high = _ends(sqrt_price, ticks)
    return liquidity * Q96 * (high - price) // (high * price), liquidity * (price - low) // Q96


def _ends(sqrt_price: int, ticks: tuple[int, int]) -> tuple[int, int, int]:
    """The price as the range sees it: outside, it is at its nearer end."""
    low, high = map(sqrt_price_at, ticks)
    return low, min(max(sqrt_price, low), high), high
