"""What something is worth, for whoever asks: a question moves nothing, so a doubtful price is told with its doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moray.actions import Quote
from moray.agents.names import AddressBook, Token
from moray.agents.planning.amounts import shown
from moray.agents.planning.world import World
from moray.agents.prices import check_market
from moray.contracts.uniswap_v3 import difference_bps
from moray.errors import NameUnknown, NotPlanned, PriceDoubtful


@dataclass(frozen=True, slots=True)
class Worth:
    """``amount`` of ``pay`` in ``get``, before fees and its own impact on the price: by the mean over ``window_s``, by
    the pool now, and by the second source; amounts in whole units. ``doubt``: why no money would be staked on it."""

    pay: str
    get: str
    amount: str
    by_mean: str
    now: str
    by_second_source: str
    apart_bps: int
    window_s: int
    block_number: int
    doubt: str | None

    @property
    def lines(self) -> tuple[str, ...]:
        """For people."""
        sources = (
            f"now {self.now}, by the second source {self.by_second_source}; {self.apart_bps} bps apart",
            f"as of block {self.block_number}, without fees",
        )
        first = f"{self.amount} {self.pay} is worth {self.by_mean} {self.get} by the mean of {self.window_s // 60} min"
        return (first, *sources) if self.doubt is None else (first, *sources, f"doubtful: {self.doubt}")


def quote_tokens(action: Quote, book: AddressBook) -> tuple[Token, Token]:
    """What is asked about, and what in: a dollar where the user named nothing. Raises PlanRefused."""
    pay = book.token("pay", action.pay)
    get = book.dollar_of(pay) if action.get is None else book.token("get", action.get)
    if get is None:
        raise NameUnknown("get", f"the address book has no pool of {action.pay} and a dollar; name what to price it in")
    if book.erc20(pay) == book.erc20(get):
        raise NotPlanned(f"{action.pay} and {action.get} are the same; name two")
    return pay, get


def worth(action: Quote, world: World) -> Worth:
    """Raises PlanRefused."""
    world.book.check_chain(action.chain)
    pay, get = quote_tokens(action, world.book)
    market = world.markets[world.book.pool(pay, get).pool.address]
    token = world.book.erc20(pay)
    amount = world.amount(action.amount or "1", pay, world.balance(pay.address))
    values: list[Callable[[str, int], int]] = [market.value, market.state.value, market.pair.value]
    by_mean, now, second = (value(token, amount) for value in values)
    if min(by_mean, now, second) <= 0:
        raise NotPlanned(f"{shown(amount, pay.decimals)} {action.pay} is worth less than can be said; ask about more")
    doubt = None
    try:
        check_market(market, world.settings.prices)
    except PriceDoubtful as error:
        doubt = str(error)
    return Worth(
        pay=world.book.symbol(pay),
        get=world.book.symbol(get),
        amount=shown(amount, pay.decimals),
        by_mean=shown(by_mean, get.decimals),
        now=shown(now, get.decimals),
        by_second_source=shown(second, get.decimals),
        apart_bps=difference_bps(min(by_mean, now, second), max(by_mean, now, second)),
        window_s=market.mean.window_s,
        block_number=world.block_number,
        doubt=doubt,
    )
