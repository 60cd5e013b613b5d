"""Actions planned, simulated and carried out against Uniswap's own bytecode, a vault and a staking contract."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from defi_kit import ETHER, HELD_WETH, USD, Defi, carried_out, market
from moray.actions import Action, Deposit, Stake, Swap, Unstake, Withdraw
from moray.agents.plan import NATIVE, Plan
from moray.agents.planning.planner import plan
from moray.agents.simulation import check, simulate
from moray.contracts import erc20, uniswap_v3
from moray.contracts.currency import Currency
from moray.contracts.defi_deploy import VAULT_NAME
from moray.contracts.endpoint import Endpoint
from moray.errors import CodeUnexpected, FundsTooLow, NotPlanned, PriceDoubtful, SimulationDisagrees
from sender_kit import DEPLOYER, SIGNER


def run(scene: Callable[[Defi], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with market() as there:
            await scene(there)

    asyncio.run(whole())


def test_swaps_of_every_form_are_carried_out_within_what_was_signed(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        at = there.addresses
        forms = [
            (Swap(pay="WETH", get="USD", amount="1"), at.weth, at.usd),
            (Swap(pay="USD", get="WETH", amount="$100"), at.usd, at.weth),
            (Swap(pay="WETH", get="USD", amount="$100"), at.weth, at.usd),
            (Swap(pay="WETH", get="USD", amount="500", amount_of="get"), at.weth, at.usd),
            (Swap(pay="ETH", get="USD", amount="1"), NATIVE, at.usd),
            (Swap(pay="ETH", get="USD", amount="500", amount_of="get"), NATIVE, at.usd),
            (Swap(pay="USD", get="ETH", amount="1%"), at.usd, NATIVE),
            (Swap(pay="USD", get="ETH", amount="0.1", amount_of="get"), at.usd, NATIVE),
        ]
        for number, (action, pay, get) in enumerate(forms):
            wanted = await there.plan(action, str(number))
            result = await carried_out(there, tmp_path, wanted)
            assert result.is_done and result.doubt is None, result
            bounds = {bound.asset: bound for bound in wanted.bounds}
            assert set(result.changes) == {pay, get} == set(bounds)
            for asset, change in result.changes.items():
                assert bounds[asset].min_change <= change <= bounds[asset].max_change
            assert result.changes[pay] < 0 < result.changes[get]
            for token in (at.weth, at.usd):
                assert await there.allowance(token, at.v3_router) == 0
        weth = await there.balance(at.weth)
        assert weth < HELD_WETH

    run(scene)


def test_what_is_signed_holds_the_price_the_deadline_and_the_receiver() -> None:
    async def scene(there: Defi) -> None:
        action = Swap(pay="WETH", get="USD", amount="1", slippage=30)
        world = await there.world(action)
        wanted = plan(action, world, "1")
        head = await there.chain.head()
        assert head.timestamp <= wanted.deadline <= head.timestamp + 120
        swap = wanted.calls[-1]
        assert world.quote is not None
        held = world.market(world.book.token("pay", "WETH"), world.book.token("get", "USD"))
        least = next(bound.min_change for bound in wanted.bounds if bound.asset == there.addresses.usd)
        for source in (world.quote.amount_out, held.fair_out(there.addresses.weth, ETHER)):
            assert least * 10_000 >= source * 9_970
        pool = held.state.pool
        expected = uniswap_v3.swap_exact_input(
            there.addresses.v3, pool, there.addresses.weth, ETHER, least, SIGNER.address, wanted.deadline
        )
        assert swap == expected
        with pytest.raises(NotPlanned):
            plan(replace_action(action, slippage=301), world, "1")
        with pytest.raises(PriceDoubtful):
            plan(replace_action(action, amount="2"), world, "1")
        wrong = replace(world, code_hashes={**world.code_hashes, there.addresses.v3_router: "0x" + "00" * 32})
        with pytest.raises(CodeUnexpected):
            plan(action, wrong, "1")

    run(scene)


def replace_action(action: Swap, **changes: object) -> Swap:
    return action.model_copy(update=changes)


def test_a_price_that_is_pushed_or_shallow_or_disputed_plans_nothing() -> None:
    async def scene(there: Defi) -> None:
        at, action = there.addresses, Swap(pay="WETH", get="USD", amount="1")
        deep = there.book.model_copy(
            update={"pools": (there.book.pools[0].model_copy(update={"min_depth": "100000000"}),)}
        )
        with pytest.raises(PriceDoubtful, match="holds"):
            await replace(there, book=deep).plan(action)
        with pytest.raises(PriceDoubtful, match="more than"):  # its own impact on the price
            await there.plan(Swap(pay="WETH", get="USD", amount="50"))
        with pytest.raises(FundsTooLow):
            await there.plan(Swap(pay="WETH", get="USD", amount="101"))
        pool = await uniswap_v3.find_pool(there.chain, at.v3, at.weth, at.usd, there.book.pools[0].fee)
        await there.send(erc20.approve(at.weth, SIGNER.address, at.v3_router, 50 * ETHER), SIGNER)
        head = await there.chain.head()
        push = uniswap_v3.swap_exact_input(at.v3, pool, at.weth, 50 * ETHER, 0, SIGNER.address, head.timestamp + 1000)
        await there.send(push, SIGNER)
        with pytest.raises(PriceDoubtful, match="apart"):
            await there.plan(action)

    run(scene)


def test_a_vault_takes_and_gives_and_a_donation_in_between_is_seen(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        at, vault = there.addresses, there.addresses.vaults[VAULT_NAME]
        actions: list[Action] = [
            Deposit(asset="USD", amount="1000", vault="House Vault"),
            Withdraw(asset="USD", amount="25%", vault="house vault"),
            Withdraw(asset="USD", amount="all", vault="house vault"),
        ]
        for number, action in enumerate(actions):
            before = await there.balance(at.usd)
            wanted = await there.plan(action, str(number))
            result = await carried_out(there, tmp_path, wanted)
            assert result.is_done and result.doubt is None, result
            assert result.changes[at.usd] == await there.balance(at.usd) - before
            assert await there.allowance(at.usd, vault) == 0
        assert await there.balance(vault) == 0
        await carried_out(there, tmp_path, await there.plan(Deposit(asset="USD", amount="10", vault="house vault")))
        wanted = await there.plan(Deposit(asset="USD", amount="1000", vault="house vault"), "2")
        await there.send(Currency(there.chain, at.usd).mint(vault, 1000 * USD), DEPLOYER)  # shares are dearer now
        with pytest.raises(SimulationDisagrees):
            check(wanted, await simulate(there.chain, wanted))

    run(scene)


def test_staking_and_unstaking_with_a_time_of_unbonding(tmp_path: Path) -> None:
    async def scene(there: Defi) -> None:
        at = there.addresses
        actions: list[tuple[Action, int]] = [
            (Stake(asset="WETH", amount="3"), -3 * ETHER),
            (Unstake(asset="WETH", amount="1"), 0),
            (Unstake(asset="WETH", amount="50%"), ETHER),  # and what had unbonded comes out
        ]
        for number, (action, change) in enumerate(actions):
            before = await there.balance(at.weth)
            result = await carried_out(there, tmp_path, await there.plan(action, str(number)))
            assert result.is_done and result.doubt is None, result
            assert await there.balance(at.weth) - before == change
            await there.ask("evm_increaseTime", 8 * 24 * 3600)
            await there.ask("evm_mine")
        with pytest.raises(FundsTooLow):
            await there.plan(Unstake(asset="WETH", amount="2"))

    run(scene)


def test_both_ways_of_simulating_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(there: Defi) -> None:
        wanted: list[Plan] = [
            await there.plan(Swap(pay="WETH", get="USD", amount="1")),
            await there.plan(Swap(pay="USD", get="ETH", amount="100")),
            await there.plan(Deposit(asset="USD", amount="1000", vault="house vault")),
        ]
        for each in wanted:
            by_method = await simulate(there.chain, each)
            with monkeypatch.context() as patch:
                lacking(patch, there)
                by_code = await simulate(there.chain, each)
            assert by_method.logged is not None and by_code.logged is None
            assert (by_code.changes, by_code.left) == (by_method.changes, by_method.left)
            assert {asset: by_method.logged.get(asset, 0) for asset in by_method.changes} == by_method.changes
            check(each, by_method)
            check(each, by_code)

    run(scene)


def lacking(patch: pytest.MonkeyPatch, there: Defi) -> None:
    """An endpoint that has no eth_simulateV1."""
    honest = Endpoint.make_request

    async def make_request(self: Endpoint, method: object, params: object) -> object:
        if method == "eth_simulateV1":
            return {"error": {"code": -32601, "message": "no such method"}}
        return await honest(self, method, params)  # type: ignore[arg-type]

    patch.setattr(Endpoint, "make_request", make_request)
