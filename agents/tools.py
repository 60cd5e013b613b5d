"""What an agent can ask: balances, prices, quotes, pools, vaults, positions, gas; and proposing an action.

Plain typed async functions, for a pydantic-ai agent as for the MCP server. They hold a way to read a chain and an
address book, and nothing that signs or sends: what comes of a proposal is decided elsewhere, by people and a policy.

No text that a stranger put on a chain is in an answer (a token's symbol is the book's name of it): it would be read by
a model. Amounts are texts in whole units, exact. Each answer is of one chain_block, which it names.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from moray.actions import Action, Asset, Decimal, Name, Quote, action_schema, canonical, parse_action
from moray.agents.names import AddressBook, Exchange, Pool, Staking, Token, Vault
from moray.agents.plan import NATIVE
from moray.agents.planning.amounts import base_units, shown
from moray.agents.planning.planner import plan
from moray.agents.planning.read_world import read_world
from moray.agents.planning.worth import worth
from moray.agents.prices import MIN_WINDOW_S
from moray.contracts import erc20, erc4626, unbonding_stake, uniswap_v2, uniswap_v3
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.multicall import MULTICALL3, native_balance, read_all
from moray.contracts.uniswap_v3 import UniswapV3
from moray.errors import BadSetting, NotPlanned, PlanRefused

MAX_POSITIONS = 20  # that are looked at
_GWEI_DECIMALS = 9


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    chain_block: int


class Balances(_Answer):
    """``amounts`` by the book's names of the assets."""

    account: str
    amounts: dict[str, str]


class Price(_Answer):
    """What one ``asset`` costs in ``unit``: in the pool now, there in the mean of 30 minutes, and in a second, separate
    pool. ``apart_bps``: how far the three are apart, in hundredths of a percent."""

    asset: str
    unit: str
    now: str
    mean_30_min: str
    second_source: str
    apart_bps: int


class Quoted(_Answer):
    """What a swap would give now, fee and price impact paid. ``mean_gets``: what the mean price of 30 minutes says that
    ``pays`` is worth, before fee. ``worse_bps``: by how much the swap is worse than that, negative where better."""

    pay: str
    get: str
    pays: str
    gets: str
    mean_gets: str
    worse_bps: int


class PoolAnswer(_Answer):
    """``fee_bps`` of each swap; what is in the pool of each asset."""

    asset: str
    other: str
    fee_bps: str
    asset_depth: str
    other_depth: str
    price: str


class VaultAnswer(_Answer):
    """Of an account: what its shares are worth and what it could withdraw now. ``total``: everybody's."""

    vault: str
    asset: str
    worth: str
    withdrawable: str
    total: str


class StakeAnswer(_Answer):
    """``withdrawable_at``: Unix seconds, 0 where nothing is unbonding."""

    venue: str
    asset: str
    staked: str
    unbonding: str
    withdrawable_at: int


class PoolPosition(BaseModel):
    """``share_percent``: of the pool's liquidity, where the price is within the position's range."""

    id: int
    asset: str
    other: str
    is_in_range: bool
    share_percent: str
    owed_asset: str
    owed_other: str


class Positions(_Answer):
    account: str
    pools: list[PoolPosition]
    vaults: list[VaultAnswer]
    stakes: list[StakeAnswer]


class Gas(_Answer):
    price_gwei: str


class Proposal(BaseModel):
    """An action that was read and found well-formed. Nothing was signed, sent or decided. ``plan``: lines that say what
    would be done for the account, or what a quote comes to; ``not_planned``: why there are none."""

    action: dict[str, Any]
    plan: list[str] = []
    not_planned: str = ""
    is_executed: Literal[False] = False
    note: str = "a proposal only: the user, a simulation and the signer's policy decide what becomes of it"


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Of one chain and one address book; what the book does not name is refused. ``owner``: the account that proposals
    are planned for, "" for none. All raise MorayError."""

    chain: Chain
    book: AddressBook
    owner: str = ""
    multicall: str = MULTICALL3

    def __post_init__(self) -> None:
        if self.chain.chain_id != self.book.chain_id:
            raise BadSetting(
                f"the address book is of chain {self.book.chain_id}, the endpoint of {self.chain.chain_id}; "
                "name the ones that belong together"
            )

    def functions(self) -> tuple[Callable[..., Awaitable[Any]], ...]:
        """Every tool there is."""
        return (
            self.balances,
            self.price,
            self.quote,
            self.pool,
            self.vault,
            self.positions,
            self.gas,
            self.action_schema,
            self.propose,
        )

    async def balances(self, account: Name) -> Balances:
        """What an account (a name of the address book, or an address) has of each asset of the book."""
        owner, head = self._account(account), await self.chain.head()
        reads = [
            native_balance(self.multicall, owner) if token.address == NATIVE else erc20.balance_of(token.address, owner)
            for token in self.book.tokens.values()
        ]
        found = await read_all(self.chain, self.multicall, reads, head)
        amounts = {
            name: shown(amount, token.decimals)
            for (name, token), amount in zip(self.book.tokens.items(), found, strict=True)
        }
        return Balances(chain_block=head.number, account=owner, amounts=amounts)

    async def price(self, asset: Asset, unit: Asset) -> Price:
        """What one unit of an asset costs in another: now, in the mean of 30 minutes, and by a second source."""
        head = await self.chain.head()
        market = await self._market(asset, unit, head)
        pair = uniswap_v2.Pair(market.entry.pair.address, market.pool.token0, market.pool.token1)
        state, mean = await self._state_and_mean(market, head)
        second = await uniswap_v2.read_pair(self.chain, pair, head)
        one = 10**market.sold.decimals
        prices = (
            state.value(market.sold_address, one),
            uniswap_v3.quote_at_tick(market.pool, mean.tick, market.sold_address, one),
            second.value(market.sold_address, one),
        )
        now, mean_price, second_price = (shown(each, market.bought.decimals) for each in prices)
        return Price(
            chain_block=head.number,
            asset=asset,
            unit=unit,
            now=now,
            mean_30_min=mean_price,
            second_source=second_price,
            apart_bps=uniswap_v3.difference_bps(min(prices), max(prices)),
        )

    async def quote(self, pay: Asset, get: Asset, amount: Decimal, amount_of: Literal["pay", "get"] = "pay") -> Quoted:
        """What a swap would give or take now. ``amount`` is in whole units of ``pay``, or of ``get`` where
        ``amount_of`` says so. It moves nothing."""
        head = await self.chain.head()
        market = await self._market(pay, get, head)
        token_in, pool, v3 = market.sold_address, market.pool, self._v3()
        if amount_of == "pay":
            units = base_units(amount, market.sold.decimals)
            found = await uniswap_v3.quote_exact_input(self.chain, v3, pool, token_in, units, head)
        else:
            units = base_units(amount, market.bought.decimals)
            found = await uniswap_v3.quote_exact_output(self.chain, v3, pool, pool.other(token_in), units, head)
        mean = await uniswap_v3.read_time_weighted(self.chain, pool, MIN_WINDOW_S, head)
        fair = uniswap_v3.quote_at_tick(pool, mean.tick, token_in, found.amount_in)
        return Quoted(
            chain_block=head.number,
            pay=pay,
            get=get,
            pays=shown(found.amount_in, market.sold.decimals),
            gets=shown(found.amount_out, market.bought.decimals),
            mean_gets=shown(fair, market.bought.decimals),
            worse_bps=-(-(fair - found.amount_out) * 10_000 // fair) if fair else 0,
        )

    async def pool(self, asset: Asset, other: Asset) -> PoolAnswer:
        """The pool of two assets: its fee, what is in it, its price now."""
        head = await self.chain.head()
        market = await self._market(asset, other, head)
        state = await uniswap_v3.read_pool(self.chain, market.pool, head)
        is_first = market.pool.is_token0(market.sold_address)
        own, its = (state.balance0, state.balance1) if is_first else (state.balance1, state.balance0)
        return PoolAnswer(
            chain_block=head.number,
            asset=asset,
            other=other,
            fee_bps=shown(market.pool.fee, 2),
            asset_depth=shown(own, market.sold.decimals),
            other_depth=shown(its, market.bought.decimals),
            price=shown(state.value(market.sold_address, 10**market.sold.decimals), market.bought.decimals),
        )

    async def vault(self, vault: Name, account: Name) -> VaultAnswer:
        """What an account has in a vault of the address book."""
        return await self._vault(
            vault, self.book.venue("vault", vault, Vault), self._account(account), await self.chain.head()
        )

    async def positions(self, account: Name) -> Positions:
        """What an account has in pools, vaults and staking contracts of the address book."""
        owner, head = self._account(account), await self.chain.head()
        venues = self.book.venues.items()
        return Positions(
            chain_block=head.number,
            account=owner,
            pools=await self._pool_positions(owner, head),
            vaults=[await self._vault(n, v, owner, head) for n, v in venues if isinstance(v, Vault)],
            stakes=[await self._stake(n, v, owner, head) for n, v in venues if isinstance(v, Staking)],
        )

    async def gas(self) -> Gas:
        """What a unit of gas costs now, in gwei."""
        head = await self.chain.head()
        return Gas(chain_block=head.number, price_gwei=shown(await self.chain.gas_price_wei(), _GWEI_DECIMALS))

    async def action_schema(self) -> dict[str, Any]:
        """The JSON schema of an action, as ``propose`` takes it."""
        return action_schema()

    async def propose(self, action: dict[str, Any]) -> Proposal:
        """Hand in an action, for example {"do":"swap","pay":"ETH","get":"USD","amount":"1"}. It is checked for its form
        and given back, with what would be done if the user agreed; nothing is signed or sent."""
        wanted = parse_action(json.dumps(action, ensure_ascii=False))
        told = json.loads(canonical(wanted))
        try:
            return Proposal(action=told, plan=list(await self._lines(wanted)))
        except PlanRefused as error:
            return Proposal(action=told, not_planned=str(error))

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _lines(self, action: Action) -> tuple[str, ...]:
        """Raises PlanRefused."""
        if isinstance(action, Quote):
            return worth(action, await read_world(self.chain, self.book, self.owner, action)).lines
        if not self.owner:
            raise NotPlanned("no account is named whose plan it would be; start with --owner ADDRESS")
        return plan(action, await read_world(self.chain, self.book, self.owner, action), "a proposal").summary

    def _account(self, name: str) -> str:
        return self.book.recipient("account", name, "")

    def _v3(self) -> UniswapV3:
        return self.book.venue("venue", None, Exchange).v3

    async def _market(self, sold: str, bought: str, head: ChainBlock) -> _Market:
        """Raises BadSetting where the book's pool is not the exchange's own."""
        one, other = (self.book.wrapped(self.book.token("asset", each)) for each in (sold, bought))
        entry = self.book.pool(one, other)
        pool = await uniswap_v3.find_pool(self.chain, self._v3(), one.address, other.address, entry.fee, head)
        if pool.address != entry.pool.address:
            raise BadSetting(
                f"the book's pool {entry.pool.address} is not the exchange's, which is {pool.address}; correct the book"
            )
        return _Market(entry, pool, one, other)

    async def _state_and_mean(
        self, market: _Market, head: ChainBlock
    ) -> tuple[uniswap_v3.PoolState, uniswap_v3.TimeWeighted]:
        """In one call."""
        reads = (*uniswap_v3.pool_reads(market.pool), uniswap_v3.oracle_read(market.pool, MIN_WINDOW_S))
        *state, observed = await read_all(self.chain, self.multicall, reads, head)
        return uniswap_v3.pool_state(market.pool, state), uniswap_v3.time_weighted(observed, MIN_WINDOW_S)

    async def _vault(self, name: str, vault: Vault, owner: str, head: ChainBlock) -> VaultAnswer:
        state = await erc4626.read_vault(self.chain, vault.site.address, owner, head)
        token = self.book.token("asset", vault.asset)
        if state.asset != token.address:
            raise BadSetting(f"the vault {name} is of {state.asset}, not of {vault.asset}; correct the address book")
        worth, withdrawable, total = (
            shown(amount, token.decimals) for amount in (state.value, state.max_withdraw, state.total_assets)
        )
        return VaultAnswer(
            chain_block=head.number,
            vault=name,
            asset=vault.asset,
            worth=worth,
            withdrawable=withdrawable,
            total=total,
        )

    async def _stake(self, name: str, venue: Staking, owner: str, head: ChainBlock) -> StakeAnswer:
        state = await unbonding_stake.read_stake(self.chain, venue.site.address, owner, head)
        decimals = self.book.token("asset", venue.asset).decimals
        return StakeAnswer(
            chain_block=head.number,
            venue=name,
            asset=venue.asset,
            staked=shown(state.staked, decimals),
            unbonding=shown(state.unbonding, decimals),
            withdrawable_at=state.withdrawable_at if state.unbonding else 0,
        )

    async def _pool_positions(self, owner: str, head: ChainBlock) -> list[PoolPosition]:
        """Those in the book's pools: anybody can send an account a position in a pool of worthless tokens."""
        if not self.book.pools:
            return []
        v3 = self._v3()
        ids = await uniswap_v3.position_ids(self.chain, v3, owner, head, MAX_POSITIONS)
        found = [await uniswap_v3.read_position(self.chain, v3, token_id, head) for token_id in ids]
        answers = []
        for entry in self.book.pools:
            market = await self._market(entry.asset, entry.other, head)
            state = await uniswap_v3.read_pool(self.chain, market.pool, head)
            its = (market.pool.token0, market.pool.token1, market.pool.fee)
            fitting = [each for each in found if (each.token0, each.token1, each.fee) == its]
            answers += [_pool_position(each, market, state) for each in fitting]
        return answers


@dataclass(frozen=True, slots=True)
class _Market:
    """A pool of the book with its two tokens, the first one as asked for first."""

    entry: Pool
    pool: uniswap_v3.Pool
    sold: Token
    bought: Token

    @property
    def sold_address(self) -> str:
        return self.sold.address


def _pool_position(position: uniswap_v3.Position, market: _Market, state: uniswap_v3.PoolState) -> PoolPosition:
    is_in_range = position.tick_lower <= state.tick < position.tick_upper
    share_millionths = position.liquidity * 10**6 // state.liquidity if is_in_range and state.liquidity else 0
    owed = (position.owed0, position.owed1)
    own, other = owed if market.pool.is_token0(market.sold_address) else owed[::-1]
    return PoolPosition(
        id=position.token_id,
        asset=market.entry.asset,
        other=market.entry.other,
        is_in_range=is_in_range,
        share_percent=shown(share_millionths, 4),
        owed_asset=shown(own, market.sold.decimals),
        owed_other=shown(other, market.bought.decimals),
    )
