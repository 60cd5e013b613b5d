"""Prices that money may be staked on: what a Uniswap v3 pool said over half an hour, if that is to be believed.

The price now is anybody's who can borrow for one transaction; a mean over 30 minutes costs as long to move, if enough
lies in the pool. It counts only if the pool was deep all the while, the price now is near it, and a second market of the
same two tokens says the same. Otherwise there is no price: PriceDoubtful, and nothing is planned on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from moray.contracts.uniswap_v2 import PairState
from moray.contracts.uniswap_v3 import PoolState, TimeWeighted, difference_bps, quote_at_tick
from moray.errors import BadSetting, PriceDoubtful

MIN_WINDOW_S = 1800
_FEE_UNIT = 1_000_000
_FINE = 10**12  # times a unit: for the digits of prices far below one


@dataclass(frozen=True, slots=True)
class PriceRules:
    """``max_apart_bps``: how far the price now and the second source may each be from the mean."""

    window_s: int = MIN_WINDOW_S
    max_apart_bps: int = 200

    def __post_init__(self) -> None:
        if self.window_s < MIN_WINDOW_S or self.max_apart_bps < 1:
            raise BadSetting(f"prices are means over at least {MIN_WINDOW_S} s; correct the settings")


@dataclass(frozen=True, slots=True)
class Market:
    """One pool and its second source, at one block. ``min_depth``: base units of ``deep_in`` that must lie in each."""

    state: PoolState
    mean: TimeWeighted
    pair: PairState
    deep_in: str
    min_depth: int

    def depth(self) -> int:
        """What of ``deep_in`` the pool's liquidity, as it was over the window, amounts to over its whole range."""
        pool, liquidity = self.state.pool, self.mean.liquidity
        return isqrt(quote_at_tick(pool, self.mean.tick, pool.other(self.deep_in), liquidity**2))

    def value(self, token: str, amount: int) -> int:
        """``amount`` of ``token`` in the other one by the mean price, before any fee, rounded down."""
        return quote_at_tick(self.state.pool, self.mean.tick, token, amount)

    def fair_out(self, token: str, amount: int) -> int:
        """What ``amount`` of ``token`` should bring, after the pool's fee, rounded down."""
        return self.value(token, amount) * (_FEE_UNIT - self.state.pool.fee) // _FEE_UNIT

    def fair_in(self, token: str, amount: int) -> int:
        """What ``amount`` of ``token`` should cost of the other one, with the pool's fee, rounded up."""
        return -(-(self.value(token, amount) + 1) * _FEE_UNIT // (_FEE_UNIT - self.state.pool.fee))

    def price(self, token: str, decimals: int, other_decimals: int) -> Fraction:
        """Of one whole unit of ``token``, in whole units of the other."""
        return Fraction(self.value(token, 10**decimals * _FINE), 10**other_decimals * _FINE)


def check_market(market: Market, rules: PriceRules) -> None:
    """Raises PriceDoubtful."""
    address, token = market.state.pool.address, market.deep_in
    if market.mean.window_s < rules.window_s:
        raise PriceDoubtful(f"the price of the pool {address} is a mean over {market.mean.window_s} s only; wait")
    own, in_pair = market.depth(), _reserve(market.pair, token)
    for where, depth in ((f"the pool {address}", own), (f"the pair {market.pair.pair.address}", in_pair)):
        if depth < market.min_depth:
            raise PriceDoubtful(
                f"{where} holds {depth} base units of {token} and {market.min_depth} are asked for; use a deeper one"
            )
    probe = market.min_depth or 10**18
    mean = market.value(token, probe)
    for source, value in (("now", market.state.value(token, probe)), ("by v2", market.pair.value(token, probe))):
        if min(mean, value) <= 0 or difference_bps(mean, value) > rules.max_apart_bps:
            raise PriceDoubtful(
                f"the pool {address} says {mean} over {market.mean.window_s} s for {probe} of {token}, and {source} it "
                f"is {value}: more than {rules.max_apart_bps} bps apart; wait until they agree"
            )


def _reserve(pair: PairState, token: str) -> int:
    return pair.reserve0 if token == pair.pair.token0 else pair.reserve1
