"""The doorways to Uniswap, to vaults and to staking, against the real bytecode of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defi_kit import DEPLOYER, ETHER, FRIEND, OWNER, USD, Defi, defi
from moray.contracts import erc20, erc4626, unbonding_stake, uniswap_v2, uniswap_v3
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.defi_deploy import STAKING_NAME, UNBONDING_TIME_S, USD_PER_ETH, VAULT_NAME, check_defi, deploy_defi
from moray.contracts.intents import Mined
from moray.contracts.multicall import native_balance, read_all
from moray.contracts.outside import Read, entry
from moray.contracts.tasks import NOBODY
from moray.errors import BadSetting, ContractMissing, EventMissing, Reverted

POOL = uniswap_v3.Pool(OWNER.address, *uniswap_v3.sort_tokens(OWNER.address, FRIEND.address), 3000, 60)


def run(anvil: Anvil, use: Callable[[Defi], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with defi(anvil) as there:
            await use(there)

    asyncio.run(inside())


def test_the_market_has_a_past_and_its_sources_agree(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        head = await there.chain.head()
        state = await uniswap_v3.read_pool(there.chain, there.pool, head)
        mean = await uniswap_v3.read_time_weighted(there.chain, there.pool, 1800, head)
        pair = await uniswap_v2.find_pair(there.chain, there.addresses.v2, there.addresses.weth, there.addresses.usd)
        second = await uniswap_v2.read_pair(there.chain, pair, head)
        weth = there.addresses.weth
        for price in (
            state.value(weth, ETHER),
            uniswap_v3.quote_at_tick(there.pool, mean.tick, weth, ETHER),
            second.value(weth, ETHER),
        ):
            assert uniswap_v3.difference_bps(price, USD_PER_ETH * USD) <= 30
        assert state.num_observations > 8 and mean.liquidity == state.liquidity

    run(anvil, use)


@pytest.mark.parametrize("is_first_token", [True, False])
def test_a_swap_gives_what_was_quoted_at_its_block_and_leaves_no_allowance(anvil: Anvil, is_first_token: bool) -> None:
    async def use(there: Defi) -> None:
        v3, router = there.addresses.v3, there.addresses.v3_router
        await there.fund(2, 5000)
        pay = there.pool.token0 if is_first_token else there.pool.token1
        get = there.pool.other(pay)
        amount = ETHER if pay == there.addresses.weth else 2000 * USD
        await there.approve(pay, router, amount)
        quote = await uniswap_v3.quote_exact_input(there.chain, v3, there.pool, pay, amount, await there.chain.head())
        before = await there.balance(get)
        greedy = uniswap_v3.swap_exact_input(
            v3, there.pool, pay, amount, quote.amount_out + 1, OWNER.address, await there.deadline()
        )
        with pytest.raises(Reverted, match="Too little received"):
            await there.send(greedy)
        await there.send(
            uniswap_v3.swap_exact_input(
                v3, there.pool, pay, amount, quote.amount_out, OWNER.address, await there.deadline()
            )
        )
        assert await there.balance(get) - before == quote.amount_out
        assert await there.allowance(pay, router) == 0

    run(anvil, use)


def test_exact_output_takes_no_more_than_was_quoted_and_gives_unused_ether_back(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        v3, usd = there.addresses.v3, there.addresses.usd
        quote = await uniswap_v3.quote_exact_output(there.chain, v3, there.pool, usd, 1000 * USD)
        had = await there.chain.balance_wei(OWNER.address)
        call = uniswap_v3.swap_exact_output(
            v3,
            there.pool,
            usd,
            1000 * USD,
            2 * quote.amount_in,
            FRIEND.address,
            await there.deadline(),
            is_native_in=True,
        )
        assert call.value_wei == 2 * quote.amount_in
        before = await there.balance(usd, FRIEND.address)
        await there.send(call)
        assert await there.balance(usd, FRIEND.address) - before == 1000 * USD
        spent = had - await there.chain.balance_wei(OWNER.address)
        assert quote.amount_in < spent < quote.amount_in + ETHER // 100  # and gas
        assert await there.chain.balance_wei(v3.router) == 0

    run(anvil, use)


def test_ether_comes_out_unwrapped_to_whom_it_was_promised(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        v3, usd = there.addresses.v3, there.addresses.usd
        await there.fund(1, 1000)
        await there.approve(usd, v3.router, 1000 * USD)
        quote = await uniswap_v3.quote_exact_input(there.chain, v3, there.pool, usd, 1000 * USD)
        had = await there.chain.balance_wei(FRIEND.address)
        await there.send(
            uniswap_v3.swap_exact_input(
                v3,
                there.pool,
                usd,
                1000 * USD,
                quote.amount_out,
                FRIEND.address,
                await there.deadline(),
                is_native_out=True,
            )
        )
        assert await there.chain.balance_wei(FRIEND.address) - had == quote.amount_out

    run(anvil, use)


def test_a_swap_after_its_deadline_is_refused(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        v3, weth = there.addresses.v3, there.addresses.weth
        late = (await there.chain.head()).timestamp - 1
        call = uniswap_v3.swap_exact_input(v3, there.pool, weth, ETHER, 1, OWNER.address, late, is_native_in=True)
        with pytest.raises(Reverted, match="Transaction too old"):
            await there.send(call)

    run(anvil, use)


def test_a_position_is_made_grown_shrunk_emptied_and_burned(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        v3, pool = there.addresses.v3, there.pool
        await there.fund(3, 7500)
        for token in (there.addresses.weth, there.addresses.usd):
            await there.approve(token, v3.position_manager, await there.balance(token))
        amounts = tuple(ETHER if token == there.addresses.weth else 2500 * USD for token in (pool.token0, pool.token1))
        assert len(amounts) == 2
        before = await uniswap_v3.position_ids(there.chain, v3, OWNER.address)
        deadline = await there.deadline()
        await there.send(uniswap_v3.mint_position(v3, pool, pool.full_range, amounts, (0, 0), OWNER.address, deadline))
        (token_id,) = set(await uniswap_v3.position_ids(there.chain, v3, OWNER.address)) - set(before)
        minted = await uniswap_v3.read_position(there.chain, v3, token_id)
        assert (minted.token0, minted.token1, minted.fee) == (pool.token0, pool.token1, pool.fee)
        await there.send(uniswap_v3.increase_liquidity(v3, token_id, amounts, (0, 0), deadline))
        grown = await uniswap_v3.read_position(there.chain, v3, token_id)
        assert grown.liquidity > minted.liquidity
        held = await there.balance(pool.token0), await there.balance(pool.token1)
        await there.send(uniswap_v3.decrease_liquidity(v3, token_id, grown.liquidity, (0, 0), deadline))
        freed = await uniswap_v3.read_position(there.chain, v3, token_id)
        assert freed.liquidity == 0 and freed.owed0 > 0 and freed.owed1 > 0
        assert held == (await there.balance(pool.token0), await there.balance(pool.token1))
        await there.send(uniswap_v3.collect(v3, token_id, OWNER.address))
        assert await there.balance(pool.token0) - held[0] == freed.owed0
        assert await there.balance(pool.token1) - held[1] == freed.owed1
        await there.send(uniswap_v3.burn_position(v3, token_id, OWNER.address))
        assert await uniswap_v3.position_ids(there.chain, v3, OWNER.address) == before

    run(anvil, use)


def test_a_v2_swap_gives_what_the_pair_reckons(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        v2, weth, usd = there.addresses.v2, there.addresses.weth, there.addresses.usd
        await there.fund(2, 0)
        await there.approve(weth, v2.router, 2 * ETHER)
        pair = await uniswap_v2.find_pair(there.chain, v2, weth, usd)
        state = await uniswap_v2.read_pair(there.chain, pair, await there.chain.head())
        out = state.amount_out(weth, ETHER)
        before = await there.balance(usd)
        deadline = await there.deadline()
        await there.send(uniswap_v2.swap_exact_input(v2, pair, weth, ETHER, out, OWNER.address, deadline))
        assert await there.balance(usd) - before == out
        await there.send(uniswap_v2.swap_exact_output(v2, pair, usd, 100 * USD, ETHER, OWNER.address, deadline))
        assert await there.balance(usd) - before == out + 100 * USD

    run(anvil, use)


def test_a_vault_keeps_pays_and_shares_what_it_earned(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        vault, usd = there.addresses.vaults[VAULT_NAME], there.addresses.usd
        await there.fund(1, 1100)
        await there.approve(usd, vault, 1000 * USD)
        previewed = await erc4626.preview_deposit(vault, 1000 * USD).ask(there.chain)
        logs = await there.send(erc4626.deposit(vault, OWNER.address, 1000 * USD))
        mined = Mined(bytes(32), 1, bytes(32), 1, 1, tuple(logs))
        assert erc4626.require_min_shares(mined, vault, OWNER.address, erc4626.min_shares(previewed, 10)) == previewed
        with pytest.raises(EventMissing, match="at least"):
            erc4626.require_min_shares(mined, vault, OWNER.address, previewed + 1)
        await there.send(erc20.transfer(usd, OWNER.address, vault, 100 * USD))  # what it earns
        state = await erc4626.read_vault(there.chain, vault, OWNER.address)
        assert (state.asset, state.shares, state.total_assets) == (usd, previewed, 1100 * USD)
        assert 1099 * USD < state.value <= 1100 * USD
        before = await there.balance(usd)
        await there.send(erc4626.withdraw(vault, OWNER.address, 500 * USD))
        assert await there.balance(usd) - before == 500 * USD
        rest = await erc4626.read_vault(there.chain, vault, OWNER.address)
        await there.send(erc4626.redeem(vault, OWNER.address, rest.shares))
        assert await there.balance(usd) - before == 500 * USD + rest.value
        with pytest.raises(Reverted, match="withdraw at most 0"):
            await there.send(erc4626.withdraw(vault, OWNER.address, 1))

    run(anvil, use)


def test_a_stake_is_back_after_its_unbonding_and_not_before(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        staking, weth = there.addresses.stakings[STAKING_NAME], there.addresses.weth
        await there.fund(3, 0)
        before = await there.balance(weth)
        await there.approve(weth, staking, 2 * ETHER)
        await there.send(unbonding_stake.stake(staking, OWNER.address, 2 * ETHER))
        with pytest.raises(Reverted, match="more than"):
            await there.send(unbonding_stake.unstake(staking, OWNER.address, 2 * ETHER + 1))
        await there.send(unbonding_stake.unstake(staking, OWNER.address, ETHER))
        state = await unbonding_stake.read_stake(there.chain, staking, OWNER.address)
        head = await there.chain.head()
        assert (state.token, state.staked, state.unbonding) == (weth, ETHER, ETHER)
        assert state.withdrawable_at == head.timestamp + UNBONDING_TIME_S
        with pytest.raises(Reverted, match="wait until then"):
            await there.send(unbonding_stake.withdraw(staking, OWNER.address))
        await there.later(UNBONDING_TIME_S)
        await there.send(unbonding_stake.withdraw(staking, OWNER.address))
        assert await there.balance(weth) == before - ETHER
        with pytest.raises(Reverted, match="nothing"):
            await there.send(unbonding_stake.withdraw(staking, OWNER.address))

    run(anvil, use)


def test_many_questions_are_answered_of_one_block(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        weth, multicall = there.addresses.weth, there.addresses.multicall
        await there.fund(1, 0)
        then = await there.chain.head()
        before = await there.balance(weth)
        reads = [native_balance(multicall, OWNER.address)] + [erc20.balance_of(weth, OWNER.address)] * 300
        await there.fund(1, 0)
        native, *wrapped = await read_all(there.chain, multicall, reads, then)
        assert native == await there.chain.endpoints[0].number("eth_getBalance", OWNER.address, hex(then.number))
        assert wrapped == [before] * 300 and await there.balance(weth) == before + ETHER
        refused = Read(there.pool.address, "observe(uint32[]) returns (int56[],uint160[])", ([2**31, 0],))
        nobody = erc20.balance_of(OWNER.address, OWNER.address)  # no contract, so no answer
        assert await read_all(there.chain, multicall, [refused, nobody], then, is_partial=True) == (None, None)
        with pytest.raises(Reverted, match="OLD"):
            await read_all(there.chain, multicall, [refused], then)
        with pytest.raises(ContractMissing, match="balanceOf"):
            await read_all(there.chain, multicall, [nobody], then)
        with pytest.raises(BadSetting, match="checksum"):
            erc20.balance_of(weth.lower(), OWNER.address)

    run(anvil, use)


def test_a_pool_or_pair_that_nobody_made_is_told(anvil: Anvil) -> None:
    async def use(there: Defi) -> None:
        weth, usd = there.addresses.weth, there.addresses.usd
        with pytest.raises(ContractMissing, match="try another fee"):
            await uniswap_v3.find_pool(there.chain, there.addresses.v3, weth, usd, 500)
        with pytest.raises(ContractMissing, match="no pair"):
            await uniswap_v2.find_pair(there.chain, there.addresses.v2, weth, OWNER.address)
        for refused in (there.pool.is_token0, there.pool.other):
            with pytest.raises(BadSetting, match="does not trade"):
                refused(NOBODY)

    run(anvil, use)


def test_deploying_again_takes_what_the_file_names_and_forgets_a_chain_that_is_gone(
    anvil: Anvil, tmp_path: Path
) -> None:
    path = tmp_path / "defi.json"

    async def deploy(url: str) -> tuple[str, int]:
        chain = await Chain.open([url])
        try:
            addresses = await deploy_defi(chain, DEPLOYER, path)
            await check_defi(chain, addresses)
            return addresses.v3_router, (await chain.head()).number
        finally:
            await chain.close()

    first = asyncio.run(deploy(anvil.url))
    assert asyncio.run(deploy(anvil.url)) == first  # not a block more
    assert path.stat().st_mode & 0o777 == 0o600
    with Anvil() as other:
        assert asyncio.run(deploy(other.url))[1] > 0


def test_off_the_development_chain_nothing_is_deployed() -> None:
    async def deploy(url: str) -> None:
        chain = await Chain.open([url])
        try:
            await deploy_defi(chain, DEPLOYER)
        finally:
            await chain.close()

    with Anvil(chain_id=31338) as other, pytest.raises(BadSetting, match="nothing is deployed on chain 31338"):
        asyncio.run(deploy(other.url))


@given(st.integers(-200_000, 200_000), st.integers(1, 10**24))
def test_a_price_at_a_tick_is_the_power_rounded_down(tick: int, amount: int) -> None:
    """Against a plain product: rounding of 80 digits is far below one base unit here."""
    found = uniswap_v3.quote_at_tick(POOL, tick, POOL.token0, amount)
    exact = _power(tick) * amount
    assert found <= exact < found + 1 or abs(exact - round(exact)) < Fraction(1, 10**20)


def _power(tick: int) -> Fraction:
    """1.0001^tick by squaring, with 100 digits kept."""
    result, base, left = Fraction(1), Fraction(10001, 10000), abs(tick)
    while left:
        if left & 1:
            result = _short(result * base)
        base, left = _short(base * base), left >> 1
    return result if tick >= 0 else 1 / result


def _short(number: Fraction) -> Fraction:
    return Fraction(number.numerator * 10**100 // number.denominator, 10**100)


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_a_difference_is_symmetric_and_zero_only_for_the_same(one: int, other: int) -> None:
    found = uniswap_v3.difference_bps(one, other)
    assert found == uniswap_v3.difference_bps(other, one)
    assert (found == 0) == (one == other)
    assert (found - 1) * min(one, other) < abs(one - other) * 10_000 <= found * min(one, other)


@given(st.integers(1, 10**30), st.integers(0, 9_999))
def test_the_fewest_shares_are_never_none_and_never_more_than_previewed(previewed: int, slippage_bps: int) -> None:
    fewest = erc4626.min_shares(previewed, slippage_bps)
    assert 1 <= fewest <= previewed
    assert fewest * 10_000 >= previewed * (10_000 - slippage_bps) > (fewest - 1) * 10_000


@pytest.mark.parametrize(("previewed", "slippage_bps"), [(0, 0), (10, 10_000), (10, -1)])
def test_a_deposit_that_gives_nothing_is_refused(previewed: int, slippage_bps: int) -> None:
    with pytest.raises(BadSetting):
        erc4626.min_shares(previewed, slippage_bps)


@given(st.integers(1, 2**112 - 1), st.integers(1, 2**112 - 1), st.integers(1, 2**112 - 1))
def test_a_pair_never_gives_more_than_its_price_or_its_reserve(reserve0: int, reserve1: int, amount: int) -> None:
    pair = uniswap_v2.Pair(OWNER.address, POOL.token0, POOL.token1)
    state = uniswap_v2.PairState(pair, reserve0, reserve1, 0)
    out = state.amount_out(POOL.token0, amount)
    assert out <= state.value(POOL.token0, amount) and out < reserve1
    mirrored = replace(state, reserve0=reserve1, reserve1=reserve0)
    assert mirrored.amount_out(POOL.token1, amount) == out


def test_a_signature_is_read_as_solidity_means_it() -> None:
    assert entry("transfer(address,uint256)").selector.hex() == "a9059cbb"  # of the ERC-20 standard
    assert entry("f((address,(uint8,bytes)),bytes[]) returns (int24)").outputs[0].kind == "int24"
    assert [each.kind for each in entry("f((address,(uint8,bytes)),bytes[])").inputs] == [
        "(address,(uint8,bytes))",
        "bytes[]",
    ]
    assert entry("f()").inputs == ()
