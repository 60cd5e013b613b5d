"""Liquidity planned, simulated and carried out against Uniswap's own bytecode, and what moves the price stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from math import isqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defi_kit import ETHER, HELD_USD, HELD_WETH, USD, Defi, carried_out, market
from moray.actions import Action, AddLiquidity, RemoveLiquidity
from moray.agents.plan import NATIVE, Plan
from moray.agents.planning.planner import plan
from moray.agents.simulation import check, simulate
from moray.contracts import erc20, uniswap_v3
from moray.contracts.outside import entry
from moray.contracts.uniswap_v3 import Q96, TICK_SPACINGS, Pool, Position
from moray.contracts.uniswap_v3_liquidity import amounts_of, liquidity_of, sqrt_price_at
from moray.errors import BadSetting, FundsTooLow, NotPlanned, PriceDoubtful, Reverted, SimulationDisagrees
from sender_kit import DEPLOYER, SIGNER

ADD = AddLiquidity(asset="WETH", other="USD", amount="2")


def run(scene: Callable[[Defi], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with market() as there:
            await scene(there)

    asyncio.run(whole())


async def pool_of(there: Defi) -> Pool:
    at = there.addresses
    return await uniswap_v3.find_pool(there.chain, at.v3, at.weth, at.usd, there.book.pools[0].fee)


async def positions_of(there: Defi) -> list[Position]:
    ids = await uniswap_v3.position_ids(there.chain, there.addresses.v3, SIGNER.address)
    return [await uniswap_v3.read_position(there.chain, there.addresses.v3, token_id) for token_id in ids]


async def push(there: Defi, weth: int) -> None:
    """Somebody sells so much WETH into the pool."""
    at, pool = there.addresses, await pool_of(there)
    deadline = (await there.chain.head()).timestamp + 1000
    swap = uniswap_v3.swap_exact_input(at.v3, pool, at.weth, weth, 0, DEPLOYER.address, deadline, is_native_in=True)
    await there.send(swap, DEPLOYER)


def test_liquidity_goes_in_and_grows_and_comes_out_to_the_owner_and_nothing_stays_approved(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        at = there.addresses
        positions = at.v3.position_manager
        steps: list[tuple[Action, int]] = [  # and how many positions there are after it
            (ADD, 1),
            (AddLiquidity(asset="USD", other="WETH", amount="$1000", venue="uniswap"), 1),
            (RemoveLiquidity(asset="WETH", other="USD", amount="25%"), 1),
            (RemoveLiquidity(asset="USD", other="WETH", amount="500"), 1),
            (RemoveLiquidity(asset="WETH", other="USD", amount="all"), 0),
        ]
        for number, (action, count) in enumerate(steps):
            before = {token: await there.balance(token) for token in (at.weth, at.usd)}
            wanted = await there.plan(action, str(number))
            result = await carried_out(there, tmp_path, wanted)
            assert result.is_done and result.doubt is None, result
            bounds = {bound.asset: bound for bound in wanted.bounds}
            for token, had in before.items():
                change = await there.balance(token) - had
                assert result.changes[token] == change
                assert bounds[token].min_change <= change <= bounds[token].max_change
                assert (change < 0) == isinstance(action, AddLiquidity)
                assert await there.allowance(token, positions) == 0
            found = await positions_of(there)
            assert len(found) == count
            assert all((each.owed0, each.owed1) == (0, 0) for each in found)
        for token, held in ((at.weth, HELD_WETH), (at.usd, HELD_USD)):
            assert 0 <= held - await there.balance(token) <= 10  # rounded against whoever gives and takes

    run(scene)


def test_ether_goes_in_as_it_is_and_comes_out_wrapped(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        wanted = await there.plan(AddLiquidity(asset="ETH", other="USD", amount="2"))
        assert [call.value_wei for call in wanted.calls] == [0, 2 * ETHER, 0]
        result = await carried_out(there, tmp_path, wanted)
        assert result.is_done and result.doubt is None, result
        assert -2 * ETHER <= result.changes[NATIVE] < -2 * ETHER + 10**9  # what is not taken comes back
        assert await there.balance(there.addresses.weth) == HELD_WETH
        assert len(await positions_of(there)) == 1
        back = await there.plan(RemoveLiquidity(asset="ETH", other="USD", amount="1"), "2")
        assert "WETH" in back.summary[0]
        result = await carried_out(there, tmp_path, back)
        assert result.is_done and result.doubt is None, result
        assert ETHER * 99 // 100 <= result.changes[there.addresses.weth] <= ETHER

    run(scene)


def test_what_is_signed_holds_the_price_the_receiver_and_the_deadline() -> None:
    async def scene(there: Defi) -> None:
        pool, at = await pool_of(there), there.addresses
        action = ADD.model_copy(update={"slippage": 100})
        world = await there.world(action)
        wanted = plan(action, world, "1")
        names = [call.data[:4] for call in wanted.calls]
        approve = entry("approve(address,uint256)").selector
        assert names == [approve, approve, entry(uniswap_v3.MINT).selector, approve, approve]
        head = await there.chain.head()
        assert head.timestamp <= wanted.deadline <= head.timestamp + 120
        approved = {call.to: int.from_bytes(call.data[36:68]) for call in wanted.calls[:2]}
        assert approved[at.weth] == 2 * ETHER and 4990 * USD < approved[at.usd] < 5010 * USD
        amounts = approved[pool.token0], approved[pool.token1]
        least = {bound.asset: -bound.max_change for bound in wanted.bounds}
        mins = least[pool.token0], least[pool.token1]
        held = world.market(world.book.token("asset", "WETH"), world.book.token("other", "USD"))
        for token, other in ((at.weth, at.usd), (at.usd, at.weth)):  # a hundredth from the worse of the two prices
            worth = max(held.state.value(other, approved[other]), held.value(other, approved[other]))
            assert worth * 9899 <= least[token] * 10_000 <= worth * 9901
            assert least[token] < approved[token]
        assert wanted.calls[2] == uniswap_v3.mint_position(
            at.v3, pool, pool.full_range, amounts, mins, SIGNER.address, wanted.deadline
        )
        assert all(int.from_bytes(call.data[36:68]) == 0 for call in wanted.calls[3:])

    run(scene)


@pytest.mark.parametrize("is_adding", [True, False])
def test_a_price_that_is_pushed_between_plan_and_block_moves_nothing(tmp_path: Path, is_adding: bool) -> None:
    async def scene(there: Defi) -> None:
        at = there.addresses
        if is_adding:
            wanted = await there.plan(ADD)
        else:
            await carried_out(there, tmp_path, await there.plan(ADD))
            wanted = await there.plan(RemoveLiquidity(asset="WETH", other="USD", amount="all"), "2")
        await push(there, 10 * ETHER)  # of 1,000: two percent of the price
        with pytest.raises(SimulationDisagrees, match="Price slippage check"):
            check(wanted, await simulate(there.chain, wanted))
        had = await there.balance(at.weth), await there.balance(at.usd)
        is_last = {entry(uniswap_v3.MINT).selector, entry(uniswap_v3.DECREASE).selector}
        for call in wanted.calls:  # and if somebody sent it all the same
            if call.data[:4] in is_last:
                with pytest.raises(Reverted, match="Price slippage check"):
                    await there.send(call, SIGNER)
                break
            await there.send(call, SIGNER)
        assert (await there.balance(at.weth), await there.balance(at.usd)) == had

    run(scene)


def test_a_pool_whose_price_is_off_its_mean_takes_and_gives_nothing(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        await carried_out(there, tmp_path, await there.plan(ADD))
        await push(there, 5 * ETHER)  # a percent: within what a price may be off, not within the slippage
        for action in (ADD, RemoveLiquidity(asset="WETH", other="USD", amount="all")):
            with pytest.raises(PriceDoubtful, match="50 bps from its mean"):
                await there.plan(action, "2")
        assert (await there.plan(ADD.model_copy(update={"slippage": 150}), "2")).calls
        with pytest.raises(NotPlanned, match="at most 300"):
            await there.plan(ADD.model_copy(update={"slippage": 301}), "2")
        await push(there, 50 * ETHER)
        with pytest.raises(PriceDoubtful, match="apart"):
            await there.plan(ADD.model_copy(update={"slippage": 300}), "2")

    run(scene)


def test_what_the_account_or_the_pool_cannot_do_is_refused() -> None:
    async def scene(there: Defi) -> None:
        refused: list[tuple[Action, type[Exception], str]] = [
            (ADD.model_copy(update={"amount": "101"}), FundsTooLow, "101 WETH"),
            (ADD.model_copy(update={"asset": "USD", "other": "WETH", "amount": "1000000"}), FundsTooLow, "WETH is"),
            (ADD.model_copy(update={"other_amount": "1"}), NotPlanned, "one of the two only"),
            (ADD.model_copy(update={"other": "ETH"}), NotPlanned, "the same"),
            (ADD.model_copy(update={"amount": "0.000000000000000001"}), FundsTooLow, "so little"),
            (RemoveLiquidity(asset="WETH", other="USD", amount="all"), FundsTooLow, "no liquidity"),
        ]
        for action, error, reason in refused:
            with pytest.raises(error, match=reason):
                await there.plan(action)
        both = await there.plan(ADD.model_copy(update={"other_amount": "5001"}))
        check(both, await simulate(there.chain, both))
        pool = there.book.pools[0]
        other = replace(there, book=there.book.model_copy(update={"pools": (pool.model_copy(update={"fee": 500}),)}))
        with pytest.raises(PriceDoubtful, match="correct the address book"):
            await other.plan(ADD)

    run(scene)


def test_a_position_that_a_stranger_gives_is_neither_grown_nor_taken_for_the_owners(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        at, pool = there.addresses, await pool_of(there)
        await carried_out(there, tmp_path, await there.plan(ADD))
        (own,) = await positions_of(there)
        await there.send(erc20.wrap(at.weth, DEPLOYER.address, ETHER), DEPLOYER)
        await there.send(erc20.approve(at.weth, DEPLOYER.address, at.v3.position_manager, ETHER), DEPLOYER)
        state = await uniswap_v3.read_pool(there.chain, pool, await there.chain.head())
        above, below = state.tick // 60 * 60 + 600, state.tick // 60 * 60 - 600
        is_first = pool.is_token0(at.weth)
        ticks = (above, above + 60) if is_first else (below - 60, below)  # narrow: little money, much liquidity
        amounts = (ETHER, 0) if is_first else (0, ETHER)
        deadline = (await there.chain.head()).timestamp + 1000
        await there.send(
            uniswap_v3.mint_position(at.v3, pool, ticks, amounts, (0, 0), SIGNER.address, deadline), DEPLOYER
        )
        assert len(await positions_of(there)) == 2
        grown = await there.plan(ADD, "2")
        deadline_word, mins = grown.deadline, {bound.asset: -bound.max_change for bound in grown.bounds}
        most = {bound.asset: -bound.min_change for bound in grown.bounds}
        assert grown.calls[2] == uniswap_v3.increase_liquidity(
            at.v3,
            own.token_id,
            (most[pool.token0], most[pool.token1]),
            (mins[pool.token0], mins[pool.token1]),
            deadline_word,
        )
        taken = await there.plan(RemoveLiquidity(asset="WETH", other="USD", amount="all"), "3")
        assert taken.calls[1] == uniswap_v3.collect(at.v3, own.token_id, SIGNER.address)
        assert taken.calls[2] == uniswap_v3.burn_position(at.v3, own.token_id, SIGNER.address)
        assert taken.summary[1].startswith("1 more")

    run(scene)


def test_a_plan_for_other_tokens_than_it_says_is_stopped_by_its_bounds() -> None:
    async def scene(there: Defi) -> None:
        world = await there.world(ADD)
        wanted = plan(ADD, world, "1")
        bounds = tuple(bound for bound in wanted.bounds if bound.asset != there.addresses.v3.position_manager)
        silent: Plan = replace(wanted, bounds=bounds)
        with pytest.raises(SimulationDisagrees, match="says nothing of it"):
            check(silent, await simulate(there.chain, silent))

    run(scene)


# -- the formulas -----------------------------------------------------------------------------------------------------


def test_the_square_root_of_a_price_is_uniswaps_to_its_rounding() -> None:
    """TickMath.sol's own constants: MIN_SQRT_RATIO and MAX_SQRT_RATIO, right to some 20 digits."""
    assert sqrt_price_at(0) == Q96
    assert abs(sqrt_price_at(uniswap_v3.MIN_TICK) - 4295128739) <= 1
    most = 1461446703485210103287273052203988822378723970342
    assert abs(sqrt_price_at(uniswap_v3.MAX_TICK) - most) < most // 10**15
    for tick in (uniswap_v3.MIN_TICK - 1, uniswap_v3.MAX_TICK + 1):
        with pytest.raises(BadSetting, match="no tick"):
            sqrt_price_at(tick)


@given(st.integers(-200_000, 200_000), st.integers(1, 10**30))
def test_over_the_whole_range_liquidity_is_the_root_of_the_product(tick: int, liquidity: int) -> None:
    """As in a pool of v2: x * y = L^2 and y / x = price, where the ends are far away."""
    pool = Pool("0x", "0x", "0x", 3000, TICK_SPACINGS[3000])
    price = sqrt_price_at(tick)
    first, second = amounts_of(liquidity, price, pool.full_range)
    assert isqrt(first * second) <= liquidity <= isqrt((first + 2) * (second + 2)) * Fraction(1_000_001, 1_000_000) + 1


@given(
    st.integers(-200_000, 200_000),
    st.integers(-200_000, 200_000),
    st.integers(1, 100_000),
    st.integers(0, 10**30),
    st.integers(0, 10**30),
)
def test_what_amounts_make_never_holds_more_than_them(at: int, lower: int, width: int, first: int, second: int) -> None:
    price, ticks = sqrt_price_at(at), (lower, lower + width)
    liquidity = liquidity_of((first, second), price, ticks)
    holds = amounts_of(liquidity, price, ticks)
    assert holds[0] <= first and holds[1] <= second
    low, high = map(sqrt_price_at, ticks)
    within = min(max(price, low), high)
    needed = (
        Fraction((liquidity + 1) * Q96 * (high - within), high * within),
        Fraction((liquidity + 1) * (within - low), Q96),
    )
    assert needed[0] > first or needed[1] > second, "one more would take more than there is"
