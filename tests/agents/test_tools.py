"""The tools tell what the chain says, by the address book's names, and can neither sign nor send."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from chain_kit import proxy
from defi_kit import ETHER, FRIEND, OWNER, USD, Defi, defi
from moray.actions import Quote
from moray.agents.names import AddressBook
from moray.agents.planning.amounts import shown
from moray.agents.planning.read_world import read_world
from moray.agents.planning.worth import Worth, worth
from moray.agents.tools import Toolbox
from moray.contracts import erc4626, unbonding_stake, uniswap_v3
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.defi_deploy import STAKING_NAME, VAULT_NAME
from moray.errors import BadAction, BadSetting, NameUnknown, NotPlanned

READING = {
    "eth_chainId",
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_call",
    "eth_getBalance",
    "eth_gasPrice",
    "eth_getCode",
}
SWAP = {"do": "swap", "pay": "ETH", "get": "USD", "amount": "1"}
CALLS: dict[str, dict[str, Any]] = {
    "balances": {"account": OWNER.address},
    "price": {"asset": "ETH", "unit": "USD"},
    "quote": {"pay": "ETH", "get": "USD", "amount": "1"},
    "pool": {"asset": "WETH", "other": "USD"},
    "vault": {"vault": VAULT_NAME, "account": OWNER.address},
    "positions": {"account": OWNER.address},
    "gas": {},
    "action_schema": {},
    "propose": {"action": SWAP},
}


def run(anvil: Anvil, use: Callable[[Defi, Toolbox], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with defi(anvil) as there:
            await use(there, Toolbox(there.chain, there.book))

    asyncio.run(inside())


def test_balances_are_the_chains_in_whole_units(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        await there.fund(2, 1500)
        found = await tools.balances(OWNER.address)
        wei = await there.chain.balance_wei(OWNER.address)
        assert Decimal(found.amounts["ETH"]) * ETHER == wei
        assert found.amounts["WETH"] == "2" and found.amounts["USD"] == "1500"
        assert found.chain_block == (await there.chain.head()).number

    run(anvil, use)


def test_three_sources_of_a_price_are_told_apart(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        calm = await tools.price("ETH", "USD")
        assert calm.apart_bps <= 30 and abs(Decimal(calm.mean_30_min) - 2500) < 10
        inverse = await tools.price("USD", "ETH")
        assert abs(Decimal(inverse.now) * Decimal(calm.now) - 1) < Decimal("0.0001")
        deadline, v3 = await there.deadline(), there.addresses.v3
        await there.send(  # somebody moves the pool by a fifth; the others do not follow
            uniswap_v3.swap_exact_input(
                v3, there.pool, there.addresses.weth, 100 * ETHER, 1, OWNER.address, deadline, is_native_in=True
            )
        )
        moved = await tools.price("ETH", "USD")
        assert moved.second_source == calm.second_source and Decimal(moved.now) < Decimal(calm.now) * Decimal("0.85")
        assert abs(Decimal(moved.mean_30_min) - Decimal(calm.mean_30_min)) < 15
        assert moved.apart_bps > 1500

    run(anvil, use)


def test_a_quote_is_what_the_swap_then_gives(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        quote = await tools.quote("ETH", "USD", "1.5")
        back = await tools.quote("ETH", "USD", "1000", "get")
        assert back.gets == "1000" and Decimal("0.39") < Decimal(back.pays) < Decimal("0.42")
        assert 30 <= quote.worse_bps <= 80  # the fee and some impact
        before = await there.balance(there.addresses.usd)
        await there.send(
            uniswap_v3.swap_exact_input(
                there.addresses.v3,
                there.pool,
                there.addresses.weth,
                ETHER * 3 // 2,
                1,
                OWNER.address,
                await there.deadline(),
                is_native_in=True,
            )
        )
        assert Decimal(quote.gets) * USD == await there.balance(there.addresses.usd) - before

    run(anvil, use)


def test_positions_are_found_in_pool_vault_and_stake(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        usd, weth, v3 = there.addresses.usd, there.addresses.weth, there.addresses.v3
        vault, staking = there.addresses.vaults[VAULT_NAME], there.addresses.stakings[STAKING_NAME]
        empty = await tools.positions(OWNER.address)
        assert empty.pools == [] and empty.vaults[0].worth == "0" and empty.stakes[0].staked == "0"
        await there.fund(12, 30_000)
        await there.approve(usd, vault, 100 * USD)
        await there.send(erc4626.deposit(vault, OWNER.address, 100 * USD))
        await there.approve(weth, staking, 2 * ETHER)
        await there.send(unbonding_stake.stake(staking, OWNER.address, 2 * ETHER))
        await there.send(unbonding_stake.unstake(staking, OWNER.address, ETHER // 2))
        await there.approve(weth, v3.position_manager, 10 * ETHER)
        await there.approve(usd, v3.position_manager, 25_000 * USD)
        has = {weth: 10 * ETHER, usd: 25_000 * USD}
        amounts = has[there.pool.token0], has[there.pool.token1]
        await there.send(
            uniswap_v3.mint_position(
                v3, there.pool, there.pool.full_range, amounts, (0, 0), OWNER.address, await there.deadline()
            )
        )
        found = await tools.positions(OWNER.address)
        (position,), (in_vault,), (staked,) = found.pools, found.vaults, found.stakes
        assert position.is_in_range and Decimal("0.9") < Decimal(position.share_percent) < 1  # 10 ether of 1,010
        assert Decimal("99.99") < Decimal(in_vault.worth) <= 100 and in_vault.withdrawable == in_vault.worth
        assert (staked.staked, staked.unbonding) == ("1.5", "0.5") and staked.withdrawable_at > 0
        depth = await tools.pool("USD", "ETH")
        assert depth.fee_bps == "30" and Decimal(depth.asset_depth) > 2_500_000 and Decimal(depth.other_depth) > 1000

    run(anvil, use)


def test_what_the_book_does_not_name_is_refused(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        with pytest.raises(NameUnknown, match="DOGE"):
            await tools.price("DOGE", "USD")
        with pytest.raises(NameUnknown, match="elsewhere"):
            await tools.vault("elsewhere", OWNER.address)
        with pytest.raises(NotPlanned, match="is a contract"):
            await tools.balances(there.addresses.weth)
        with pytest.raises(NotPlanned, match="finer"):
            await tools.quote("USD", "ETH", "0.0000001")
        with pytest.raises(BadSetting, match="of chain 1,"):
            Toolbox(there.chain, there.book.model_copy(update={"chain_id": 1}))

    run(anvil, use)


def test_a_proposal_comes_back_as_it_was_meant_and_nothing_else_is_one(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        proposal = await tools.propose(dict(reversed(SWAP.items())))
        assert proposal.action == SWAP and proposal.is_executed is False
        for wrong in ({}, {"do": "sign"}, SWAP | {"data": "0x"}, SWAP | {"amount": "-1"}, {"do": "x" * 5000}):
            with pytest.raises(BadAction):
                await tools.propose(wrong)

    run(anvil, use)


def test_a_proposal_is_planned_for_the_account_or_says_why_not(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        await there.fund(2, 6000)
        for_owner = replace(tools, owner=OWNER.address)
        adding = {"do": "add_liquidity", "asset": "WETH", "other": "USD", "amount": "2"}
        swapped, added = await for_owner.propose(SWAP), await for_owner.propose(adding)
        assert "swap 1 ETH for at least" in swapped.plan[0] and "add at most" in added.plan[0]
        too_much = await for_owner.propose(adding | {"amount": "3"})
        assert too_much.plan == [] and "give less" in too_much.not_planned
        unknown = await for_owner.propose(SWAP | {"get": "DOGE"})
        assert unknown.plan == [] and "DOGE" in unknown.not_planned
        nobody = await tools.propose(SWAP)
        assert nobody.plan == [] and "--owner" in nobody.not_planned
        assert await there.allowance(there.addresses.usd, there.addresses.v3.position_manager) == 0

    run(anvil, use)


def test_a_quote_names_its_sources_its_block_and_its_doubt(anvil: Anvil) -> None:
    async def use(there: Defi, tools: Toolbox) -> None:
        async def asked(**action: str) -> Worth:
            wanted = Quote.model_validate(action)
            return worth(wanted, await read_world(there.chain, there.book, OWNER.address, wanted))

        await there.fund(4, 0)
        price, found = await tools.price("WETH", "USD"), await asked(pay="ETH")
        sources = (found.by_mean, found.now, found.by_second_source)
        assert sources == (price.mean_30_min, price.now, price.second_source) and found.doubt is None
        assert (found.amount, found.get, found.block_number) == ("1", "USD", price.chain_block)
        share = await asked(pay="WETH", amount="50%", get="USD")
        assert share.amount == shown(await there.balance(there.addresses.weth) // 2, 18)
        in_dollars = await asked(pay="WETH", amount="$100", get="USD")
        assert 99 < Decimal(in_dollars.by_mean) <= 100
        proposed = await tools.propose({"do": "quote", "pay": "ETH"})
        assert proposed.plan == list(found.lines) and any(str(found.block_number) in line for line in found.lines)
        for refused, action in ((NotPlanned, {"pay": "ETH", "get": "WETH"}), (NameUnknown, {"pay": "USD"})):
            with pytest.raises(refused):
                await asked(**action)
        push = uniswap_v3.swap_exact_input(
            there.addresses.v3,
            there.pool,
            there.addresses.weth,
            100 * ETHER,
            1,
            OWNER.address,
            await there.deadline(),
            is_native_in=True,
        )
        await there.send(push)
        pushed = await asked(pay="ETH")
        assert pushed.doubt is not None and pushed.apart_bps > 1500 and "doubtful" in pushed.lines[-1]

    run(anvil, use)


def test_a_client_lists_and_calls_every_tool_over_stdio_and_none_signs_or_sends(anvil: Anvil, tmp_path: Path) -> None:
    asked: list[str] = []

    def watch(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["method"])
        return reply

    async def use(there: Defi, tools: Toolbox) -> None:
        book = tmp_path / "book.yaml"
        book.write_text(_yaml(there.book))
        before = [await _state(there.chain, key.address) for key in (OWNER, FRIEND)]
        async with proxy(anvil.url, watch) as url:
            command = ["-m", "moray.cli", "agent", "mcp", "--book", str(book), "--rpc", url, "--owner", OWNER.address]
            async with Client(
                StdioServerParameters(command=sys.executable, args=command, env=_environment())
            ) as client:
                listed = (await client.list_tools()).tools
                assert {tool.name for tool in listed} == set(CALLS) == {f.__name__ for f in tools.functions()}
                for tool in listed:
                    assert tool.description and tool.annotations is not None
                    assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint
                for name, arguments in CALLS.items():
                    result = await client.call_tool(name, arguments)
                    assert not result.is_error, (name, result.content)
                    assert result.structured_content
                proposed = await client.call_tool("propose", {"action": SWAP})
                assert proposed.structured_content is not None and proposed.structured_content["action"] == SWAP
                assert "swap 1 ETH for at least" in proposed.structured_content["plan"][0]
                refused = await client.call_tool("price", {"asset": "DOGE", "unit": "USD"})
                assert refused.is_error and "DOGE" in str(refused.content) and "Traceback" not in str(refused.content)
        assert asked and set(asked) <= READING
        assert [await _state(there.chain, key.address) for key in (OWNER, FRIEND)] == before

    run(anvil, use)


def _yaml(book: AddressBook) -> str:
    """JSON is YAML."""
    return json.dumps(book.model_dump(mode="json", exclude_none=True))


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}


async def _state(chain: Chain, account: str) -> tuple[int, int, int]:
    endpoint = chain.endpoints[0]
    tx_nonce = await endpoint.number("eth_getTransactionCount", account, "pending")
    return (await chain.head()).number, tx_nonce, await chain.balance_wei(account)
