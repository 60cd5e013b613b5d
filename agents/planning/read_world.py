"""The snapshot that a plan is made from, read at one block that every endpoint of the chain agrees on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moray.actions import (
    Action,
    AddLiquidity,
    Deposit,
    Quote,
    RemoveLiquidity,
    Stake,
    Swap,
    Transfer,
    Unstake,
    Withdraw,
)
from moray.agents.markets import read_market
from moray.agents.names import AddressBook, Exchange, Pool, Site, Staking, Token, Vault
from moray.agents.plan import NATIVE, Allowance
from moray.agents.planning.amounts import base_units
from moray.agents.planning.holdings import vault_amount
from moray.agents.planning.liquidity import liquidity_tokens
from moray.agents.planning.swap import swap_amount
from moray.agents.planning.world import PlanSettings, VaultView, World
from moray.agents.planning.worth import quote_tokens
from moray.contracts import erc20, erc4626, unbonding_stake, uniswap_v3
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.outside import Read
from moray.contracts.unbonding_stake import StakeState
from moray.contracts.uniswap_v3 import Position, UniswapV3
from moray.errors import PriceDoubtful, WrongChain
from moray.ethereum import keccak


async def read_world(
    chain: Chain, book: AddressBook, owner: str, action: Action, settings: PlanSettings | None = None
) -> World:
    """As far as ``action`` needs it; ``owner`` may be "" for a quote. Raises PlanRefused where the address book lacks
    something, and ChainError, among them EndpointsDisagree."""
    if book.chain_id != chain.chain_id:
        raise WrongChain(
            f"the address book is of chain {book.chain_id}, the endpoint of {chain.chain_id}; name another"
        )
    block = await chain.agreed_block()
    head = await chain.head()
    world = World(chain.chain_id, owner, book, block.number, head.timestamp, settings or PlanSettings())
    return await _Reader(chain, block, world).read(action)


class _Reader:
    def __init__(self, chain: Chain, block: ChainBlock, world: World) -> None:
        self._chain = chain
        self._block = block
        self._world = world
        self._book = world.book

    async def read(self, action: Action) -> World:
        match action:
            case Transfer():
                await self._tokens(action.asset)
                await self._dollars(action.asset, action.amount)
            case Swap():
                await self._swap(action)
            case Deposit() | Withdraw():
                await self._vault(action)
            case Stake() | Unstake():
                await self._staking(action)
            case AddLiquidity() | RemoveLiquidity():
                await self._liquidity(action)
            case Quote():
                await self._quote(action)
            case _:
                pass
        return self._world

    async def _swap(self, action: Swap) -> None:
        pay, get = await self._tokens(action.pay, action.get)
        venue = self._book.venue("venue", None, Exchange)
        await self._code(venue.router, venue.quoter)
        await self._market(self._book.pool(pay, get))
        await self._dollars(action.get if action.amount_of else action.pay, action.amount)
        await self._approved(pay.address, venue.router.address)
        amount, pool = swap_amount(action, self._world), self._world.market(pay, get).state.pool
        function = uniswap_v3.quote_exact_input if action.amount_of is None else uniswap_v3.quote_exact_output
        token = self._book.erc20(pay if action.amount_of is None else get)
        # By the first endpoint: a wrong quote is caught by the mean price, which all of them say.
        quote = await function(self._chain, venue.v3, pool, token, amount, self._block)
        self._world = replace(self._world, quote=quote)

    async def _vault(self, action: Deposit | Withdraw) -> None:
        (token,) = await self._tokens(action.asset)
        site = self._book.venue("vault", action.vault, Vault).site
        await self._code(site)
        await self._dollars(action.asset, action.amount)
        await self._approved(token.address, site.address)
        answers = [await self._ask(each) for each in erc4626.vault_reads(site.address, self._world.owner)]
        value = await self._ask(erc4626.preview_redeem(site.address, int(answers[3])))
        state = erc4626.vault_state(site.address, answers, value)
        self._world = replace(self._world, vault=VaultView(state))
        amount = vault_amount(action, self._world)
        preview = erc4626.preview_deposit if isinstance(action, Deposit) else erc4626.preview_withdraw
        previewed = await self._ask(preview(site.address, amount))
        self._world = replace(self._world, vault=VaultView(state, previewed))

    async def _staking(self, action: Stake | Unstake) -> None:
        (token,) = await self._tokens(action.asset)
        site = self._book.venue("venue", action.venue, Staking).site
        await self._code(site)
        await self._dollars(action.asset, action.amount)
        await self._approved(token.address, site.address)
        answers = [await self._ask(each) for each in unbonding_stake.stake_reads(site.address, self._world.owner)]
        self._world = replace(self._world, stake=StakeState(site.address, *answers))

    async def _liquidity(self, action: AddLiquidity | RemoveLiquidity) -> None:
        venue = self._book.venue("venue", action.venue, Exchange)
        one, other = liquidity_tokens(action, self._book)
        await self._tokens(action.asset, action.other)
        await self._code(venue.positions)
        entry = self._book.pool(one, other)
        await self._market(entry)
        await self._dollars(action.asset, action.amount)
        if isinstance(action, AddLiquidity):
            await self._dollars(action.other, action.other_amount or "")
            for token in (one, other):
                await self._approved(token.address, venue.positions.address)
        pool = self._world.market(one, other).state.pool
        made = await self._ask(uniswap_v3.pool_ask(venue.v3, pool.token0, pool.token1, pool.fee))
        if made != pool.address:  # positions are put into the exchange's own, whatever the book says
            raise PriceDoubtful(f"the exchange's pool is {made}, not {pool.address}; correct the address book")
        self._world = replace(self._world, positions=await self._positions(venue.v3, pool))

    async def _quote(self, action: Quote) -> None:
        """Without an account there is no balance: an amount that is a share of one then comes to nothing."""
        pay, get = quote_tokens(action, self._book)
        if self._world.owner:
            await self._tokens(action.pay)
        await self._market(self._book.pool(pay, get))
        await self._dollars(action.pay, action.amount or "")

    # -- pieces -------------------------------------------------------------------------------------------------------

    async def _tokens(self, *assets: str) -> tuple[Token, ...]:
        """Their balances and code."""
        tokens = tuple(self._book.token("asset", asset) for asset in assets)
        balances = dict(self._world.balances)
        for token in tokens:
            if token.address == NATIVE:
                balances[NATIVE] = await self._chain.balance_agreed(self._world.owner, self._block)
            else:
                balances[token.address] = await self._ask(erc20.balance_of(token.address, self._world.owner))
                await self._code(Site(address=token.address, code_hash=token.code_hash))
        self._world = replace(self._world, balances=balances)
        return tokens

    async def _dollars(self, asset: str, amount: str) -> None:
        token = self._book.token("asset", asset)
        if amount.startswith("$") and not token.is_dollar and (dollar := self._book.dollar_of(token)) is not None:
            await self._market(self._book.pool(token, dollar))

    async def _approved(self, token: str, spender: str) -> None:
        if token != NATIVE:
            amount = await self._ask(erc20.allowance(token, self._world.owner, spender))
            self._world = replace(self._world, approved={**self._world.approved, Allowance(token, spender): amount})

    async def _market(self, entry: Pool) -> None:
        """Raises PriceDoubtful where the pool remembers less than the window, or is of other tokens than the book
        says."""
        await self._code(entry.pool, entry.pair)
        one, other = (self._book.token("asset", asset) for asset in (entry.asset, entry.other))
        address = entry.pool.address
        market = await read_market(
            self._ask,
            address,
            entry.pair.address,
            self._book.erc20(one),
            self._book.erc20(other),
            base_units(entry.min_depth, other.decimals),
            self._world.settings.prices.window_s,
        )
        if (fee := market.state.pool.fee) != entry.fee:
            raise PriceDoubtful(f"the pool {address} has the fee {fee}; correct the address book")
        self._world = replace(self._world, markets={**self._world.markets, address: market})

    async def _positions(self, v3: UniswapV3, pool: uniswap_v3.Pool) -> tuple[Position, ...]:
        """The owner's in ``pool`` with liquidity."""
        owner, found = self._world.owner, list[Position]()
        count = await self._ask(uniswap_v3.num_positions_ask(v3, owner))
        for at in range(min(count, uniswap_v3.MAX_POSITIONS)):
            token_id = await self._ask(uniswap_v3.position_id_ask(v3, owner, at))
            found.append(uniswap_v3.position(token_id, await self._ask(uniswap_v3.position_ask(v3, token_id))))
        its = (pool.token0, pool.token1, pool.fee)
        return tuple(each for each in found if each.liquidity and (each.token0, each.token1, each.fee) == its)

    async def _code(self, *sites: Site) -> None:
        codes = await asyncio.gather(*(self._chain.code_agreed(site.address, self._block) for site in sites))
        found: Mapping[str, str] = {
            site.address: f"0x{keccak(code).hex()}" if code else "" for site, code in zip(sites, codes, strict=True)
        }
        self._world = replace(self._world, code_hashes={**self._world.code_hashes, **found})

    async def _ask(self, read: Read) -> Any:
        """By every endpoint."""
        return read.decode(await self._chain.read_agreed(read.address, read.data, block=self._block))
