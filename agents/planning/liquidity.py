"""Putting two tokens into a Uniswap v3 pool over its whole range, and taking them out again.

What is signed holds the price: a pool takes and gives its two tokens as its price says, so the least of each is what it
would be at the ends of a corridor, the user's slippage around both the price now and the mean over half an hour. Who
moves the price out of it makes the call fail. Positions belong to the owner, and what they give goes to the owner.
"""

from __future__ import annotations

from math import isqrt

from moray.actions import AddLiquidity, RemoveLiquidity
from moray.agents.names import AddressBook, Exchange, Token
from moray.agents.plan import NATIVE, Bound
from moray.agents.planning.amounts import less_bps
from moray.agents.planning.drafts import ANY, Draft
from moray.agents.planning.leave import revoke
from moray.agents.planning.world import World
from moray.agents.prices import Market
from moray.contracts.calls import Call
from moray.contracts.uniswap_v3 import (
    PoolState,
    Position,
    burn_position,
    collect,
    decrease_liquidity,
    increase_liquidity,
    mint_position,
    paid_in_ether,
)
from moray.contracts.uniswap_v3_liquidity import amounts_of, liquidity_of, sqrt_price_at
from moray.errors import FundsTooLow, NotPlanned, PriceDoubtful

_BPS = 10_000
_Pair = tuple[int, int]  # of token0 and token1, or the lower and the higher end


def liquidity_tokens(action: AddLiquidity | RemoveLiquidity, book: AddressBook) -> tuple[Token, Token]:
    one, other = book.token("asset", action.asset), book.token("other", action.other)
    if book.erc20(one) == book.erc20(other):
        raise NotPlanned(f"{action.asset} and {action.other} are the same; name two")
    return one, other


def plan_add_liquidity(action: AddLiquidity, world: World) -> Draft:
    """To the owner's largest position over the whole range, or as a new one."""
    v3, owner = world.book.venue("venue", action.venue, Exchange).v3, world.owner
    one, other = liquidity_tokens(action, world.book)
    market, slippage_bps = world.market(one, other), world.slippage_bps(action.slippage)
    ends, pool = corridor(market, slippage_bps), market.state.pool
    is_first = pool.is_token0(world.book.erc20(one))
    tokens = (one, other) if is_first else (other, one)
    amounts = _amounts(action, world, market.state, tokens, is_first, slippage_bps)
    for token, amount in zip(tokens, amounts, strict=True):
        world.check_held(amount, token, world.balance(token.address))
    least = _least_taken(amounts, ends, pool.full_range)
    if min(least) < 1:
        raise FundsTooLow("so little makes no liquidity; give more")

    position = max((p for p in world.positions if _ticks(p) == pool.full_range), key=_size, default=None)
    if position is None:
        call = mint_position(v3, pool, pool.full_range, amounts, least, owner, world.deadline)
        where, num_new = "a new position", 1
    else:
        call = increase_liquidity(v3, position.token_id, amounts, least, world.deadline)
        where, num_new = f"the position {position.token_id}", 0
    leave, back, bounds = list[Call](), list[Call](), list[Bound]()
    for token, amount, low in zip(tokens, amounts, least, strict=True):
        bounds.append(Bound(token.address, -amount, -low))
        if token.address == NATIVE:
            call = paid_in_ether(v3, call, amount)
        else:
            leave += world.leave(token.address, v3.position_manager, amount)
            back.append(revoke(token.address, owner, v3.position_manager))
    bounds.append(Bound(v3.position_manager, num_new, num_new))
    line = f"add at most {_said(amounts, tokens, world)} to {where}, over the whole range of the pool {pool.address}"
    return Draft(
        (*leave, call, *back), tuple(bounds), (), (line, f"the pool takes at least {_said(least, tokens, world)}")
    )


def plan_remove_liquidity(action: RemoveLiquidity, world: World) -> Draft:
    """Out of the position that is worth most. "all" burns it. What it earned comes along; the chain's own currency
    comes wrapped."""
    v3, owner = world.book.venue("venue", action.venue, Exchange).v3, world.owner
    one, other = (world.book.wrapped(token) for token in liquidity_tokens(action, world.book))
    market, slippage_bps = world.market(one, other), world.slippage_bps(action.slippage)
    ends, state = corridor(market, slippage_bps), market.state
    if not world.positions:
        raise FundsTooLow(f"the account has no liquidity of {action.asset} and {action.other}; add some first")
    position = max(world.positions, key=lambda each: _worth(each, state))
    liquidity = _liquidity(action, world, one, position, state)
    is_all = liquidity == position.liquidity
    least = _least_given(liquidity, ends, _ticks(position))
    if max(least) < 1:
        raise FundsTooLow(f"{action.amount} of the position comes to nothing; take more")

    calls = [decrease_liquidity(v3, position.token_id, liquidity, least, world.deadline)]
    calls.append(collect(v3, position.token_id, owner))
    calls += [burn_position(v3, position.token_id, owner)] if is_all else []
    due = (least[0] + position.owed0, least[1] + position.owed1)
    bounds = [Bound(state.pool.token0, due[0], ANY), Bound(state.pool.token1, due[1], ANY)]
    bounds.append(Bound(v3.position_manager, -int(is_all), -int(is_all)))
    tokens = (one, other) if state.pool.is_token0(one.address) else (other, one)
    part = "all" if is_all else f"{liquidity} of {position.liquidity}"
    lines = [f"take {part} out of the position {position.token_id}, for at least {_said(due, tokens, world)}"]
    if len(world.positions) > 1:
        lines.append(f"{len(world.positions) - 1} more of the account's in this pool stay as they are")
    return Draft(tuple(calls), tuple(bounds), (), tuple(lines))


def corridor(market: Market, slippage_bps: int) -> _Pair:
    """Square roots of the lowest and the highest price that an order may meet: at most ``slippage_bps`` from the price
    now and from the mean. Raises PriceDoubtful where the price now is not within."""
    now, mean = market.state.sqrt_price_x96, sqrt_price_at(market.mean.tick)
    low = isqrt(max(now, mean) ** 2 * (_BPS - slippage_bps) // _BPS)
    high = isqrt(min(now, mean) ** 2 * _BPS // (_BPS - slippage_bps))
    if not low <= now <= high:
        raise PriceDoubtful(
            f"the pool {market.state.pool.address} is more than {slippage_bps} bps from its mean price; wait, or allow "
            "more slippage"
        )
    return low, high


def _amounts(
    action: AddLiquidity, world: World, state: PoolState, tokens: tuple[Token, Token], is_first: bool, slippage_bps: int
) -> _Pair:
    """The most to put in. Raises NotPlanned where the user named two amounts that the pool does not take together."""
    one, other = tokens if is_first else tokens[::-1]
    amount = world.amount(action.amount, one, world.balance(one.address))
    ticks = state.pool.full_range
    if action.other_amount is None:
        liquidity = liquidity_of((amount, None) if is_first else (None, amount), state.sqrt_price_x96, ticks)
        needed = amounts_of(liquidity, state.sqrt_price_x96, ticks)
        return (amount, needed[1] + 1) if is_first else (needed[0] + 1, amount)
    named = world.amount(action.other_amount, other, world.balance(other.address))
    amounts = (amount, named) if is_first else (named, amount)
    taken = amounts_of(liquidity_of(amounts, state.sqrt_price_x96, ticks), state.sqrt_price_x96, ticks)
    if any(low < less_bps(most, slippage_bps) for low, most in zip(taken, amounts, strict=True)):
        raise NotPlanned(
            f"of {_said(amounts, tokens, world)} the pool takes {_said(taken, tokens, world)}; name one of the two only"
        )
    return amounts


def _liquidity(action: RemoveLiquidity, world: World, token: Token, position: Position, state: PoolState) -> int:
    """Of the position, to take out: a share of it, or as much as holds so much of the action's asset now."""
    if action.amount == "all" or action.amount.endswith("%"):
        return world.amount(action.amount, token, position.liquidity)
    holds = _holds(position, state)
    held = holds[0] if state.pool.is_token0(token.address) else holds[1]
    return position.liquidity * world.held_amount(action.amount, token, held) // held


def _least_taken(amounts: _Pair, ends: _Pair, ticks: _Pair) -> _Pair:
    """Of token0 where it is dearest, of token1 where it is: anywhere between the ends more is taken of both."""
    low, high = ends
    first, _ = amounts_of(liquidity_of(amounts, high, ticks), high, ticks)
    _, second = amounts_of(liquidity_of(amounts, low, ticks), low, ticks)
    return first, second


def _least_given(liquidity: int, ends: _Pair, ticks: _Pair) -> _Pair:
    low, high = ends
    return amounts_of(liquidity, high, ticks)[0], amounts_of(liquidity, low, ticks)[1]


def _worth(position: Position, state: PoolState) -> int:
    """In token1, at the pool's price."""
    first, second = _holds(position, state)
    return state.value(state.pool.token0, first) + second


def _holds(position: Position, state: PoolState) -> _Pair:
    return amounts_of(position.liquidity, state.sqrt_price_x96, _ticks(position))


def _ticks(position: Position) -> _Pair:
    return position.tick_lower, position.tick_upper


def _size(position: Position) -> int:
    return position.liquidity


def _said(amounts: _Pair, tokens: tuple[Token, Token], world: World) -> str:
    return " and ".join(world.said(amount, token) for amount, token in zip(amounts, tokens, strict=True))
