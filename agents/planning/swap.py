"""A swap on Uniswap v3. What is signed holds the price: at least so much out, at most so much in, by a deadline, to the
owner, each reckoned from the worse for the market of two: what the exchange quotes at the world's block, and what the
mean over half an hour says after the pool's fee."""

from __future__ import annotations

from moray.actions import Swap
from moray.agents.names import Exchange, Token
from moray.agents.plan import NATIVE, Bound
from moray.agents.planning.amounts import less_bps, more_bps
from moray.agents.planning.drafts import ANY, Draft
from moray.agents.planning.leave import revoke
from moray.agents.planning.world import World
from moray.agents.prices import Market
from moray.contracts.calls import Call
from moray.contracts.uniswap_v3 import swap_exact_input, swap_exact_output
from moray.errors import NotPlanned, PriceDoubtful


def swap_amount(action: Swap, world: World) -> int:
    """In base units, of what is paid, or got where the action says so. The exchange is asked about just that much."""
    pay, get = tokens(action, world)
    if action.amount_of is None:
        return world.held_amount(action.amount, pay, world.balance(pay.address))
    if action.amount == "all" or action.amount.endswith("%"):
        raise NotPlanned(f"{action.amount} of what is to be got is no amount; say how much")
    return world.amount(action.amount, get, 0)


def tokens(action: Swap, world: World) -> tuple[Token, Token]:
    pay, get = world.book.token("pay", action.pay), world.book.token("get", action.get)
    if world.book.erc20(pay) == world.book.erc20(get):
        raise NotPlanned(f"{action.pay} and {action.get} are the same; name two")
    return pay, get


def plan_swap(action: Swap, world: World) -> Draft:
    """Of the chain's own currency, whoever pays all of it has none for gas."""
    pay, get = tokens(action, world)
    market = world.market(pay, get)
    amount, slippage_bps = swap_amount(action, world), world.slippage_bps(action.slippage)
    if action.amount_of is None:
        return _pay(world, market, pay, get, amount, slippage_bps)
    return _get(world, market, pay, get, amount, slippage_bps)


def _pay(world: World, market: Market, pay: Token, get: Token, amount: int, slippage_bps: int) -> Draft:
    v3, token, owner = world.book.venue("venue", None, Exchange).v3, world.book.erc20(pay), world.owner
    if world.quote is None or world.quote.amount_in != amount:
        raise PriceDoubtful("the exchange was not asked about just this amount; read the world anew")
    quoted, fair = world.quote.amount_out, market.fair_out(token, amount)
    least = less_bps(max(quoted, fair), slippage_bps)
    if quoted < least or least <= 0:
        raise PriceDoubtful(
            f"the exchange gives {world.said(quoted, get)} and the mean price says {world.said(fair, get)}: "
            f"more than {slippage_bps} bps less; swap a smaller amount, or wait"
        )
    swap = swap_exact_input(v3, market.state.pool, token, amount, least, owner, world.deadline, **_native(pay, get))
    leave = () if pay.address == NATIVE else world.leave(token, v3.router, amount)
    line = f"swap {world.said(amount, pay)} for at least {world.said(least, get)}"
    bounds = (Bound(pay.address, -amount, -amount), Bound(get.address, least, ANY))
    return Draft((*leave, swap), bounds, (), (line, f"the exchange quotes {world.said(quoted, get)}"))


def _get(world: World, market: Market, pay: Token, get: Token, amount: int, slippage_bps: int) -> Draft:
    v3, token, owner = world.book.venue("venue", None, Exchange).v3, world.book.erc20(get), world.owner
    if world.quote is None or world.quote.amount_out != amount:
        raise PriceDoubtful("the exchange was not asked about just this amount; read the world anew")
    quoted, fair = world.quote.amount_in, market.fair_in(token, amount)
    most = more_bps(min(quoted, fair), slippage_bps)
    if quoted > most:
        raise PriceDoubtful(
            f"the exchange asks {world.said(quoted, pay)} and the mean price says {world.said(fair, pay)}: "
            f"more than {slippage_bps} bps more; swap a smaller amount, or wait"
        )
    world.check_held(most, pay, world.balance(pay.address))
    swap = swap_exact_output(v3, market.state.pool, token, amount, most, owner, world.deadline, **_native(pay, get))
    calls: tuple[Call, ...] = (swap,)
    if pay.address != NATIVE:  # less than the most is taken, so something of the leave is left
        calls = (*world.leave(pay.address, v3.router, most), swap, revoke(pay.address, owner, v3.router))
    line = f"swap at most {world.said(most, pay)} for {world.said(amount, get)}"
    bounds = (Bound(pay.address, -most, -1), Bound(get.address, amount, amount))
    return Draft(calls, bounds, (), (line, f"the exchange quotes {world.said(quoted, pay)}"))


def _native(pay: Token, get: Token) -> dict[str, bool]:
    return {"is_native_in": pay.address == NATIVE, "is_native_out": get.address == NATIVE}
