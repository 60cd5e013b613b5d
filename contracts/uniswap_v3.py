"""Uniswap v3: pools as they are at one block, quotes, and the calls that swap and that keep positions.

Amounts are base units, prices are the raw ones of a pool: base units of token1 for one of token0. A quote is what the
pool would give now and can be moved by whoever trades before; ``quote_at_tick`` of a time-weighted tick is what it
cannot be so easily, and ``moray.agents.prices`` decides by both.

Interfaces after the Uniswap v3 documentation: QuoterV2, SwapRouter02, NonfungiblePositionManager, pool oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.contract import address_topic, number_topic
from moray.contracts.erc20 import TRANSFER
from moray.contracts.outside import Read, entry, outside_call, topic
from moray.contracts.tasks import NOBODY
from moray.errors import BadSetting, ContractMissing
from moray.ethereum import to_checksum_address

MIN_TICK: Final = -887272
MAX_TICK: Final = 887272
TICK_SPACINGS: Final = {100: 1, 500: 10, 3000: 60, 10000: 200}  # by fee, in hundredths of a basis point
Q96: Final = 2**96
MAX_UINT128: Final = 2**128 - 1
MAX_POSITIONS: Final = 50  # of one account that are looked at
_SELF: Final = "0x0000000000000000000000000000000000000002"  # SwapRouter02's word for itself as recipient
_CONTEXT: Final = Context(prec=80, rounding=ROUND_FLOOR)  # digits; 1.0001^887272 has 39 before the point

_SWAP = topic("Swap(address,address,int256,int256,uint160,uint128,int24)")
_INCREASE = topic("IncreaseLiquidity(uint256,uint128,uint256,uint256)")
_DECREASE = topic("DecreaseLiquidity(uint256,uint128,uint256,uint256)")
_COLLECT = topic("Collect(uint256,address,uint256,uint256)")

EXACT_INPUT = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
EXACT_OUTPUT = "exactOutputSingle((address,address,uint24,address,uint256,uint256,uint160))"
MULTICALL = "multicall(uint256,bytes[])"  # SwapRouter02: the deadline is here, not in a swap's own arguments
MULTICALL_OF_POSITIONS = "multicall(bytes[])"
REFUND = "refundETH()"
UNWRAP = "unwrapWETH9(uint256,address)"
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
INCREASE = "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))"
DECREASE = "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))"
COLLECT = "collect((uint256,address,uint128,uint128))"
BURN = "burn(uint256)"
_QUOTE_INPUT = (
    "quoteExactInputSingle((address,address,uint256,uint24,uint160)) returns (uint256,uint160,uint32,uint256)"
)
_QUOTE_OUTPUT = _QUOTE_INPUT.replace("Input", "Output")


@dataclass(frozen=True, slots=True)
class UniswapV3:
    """Where it is on a chain."""

    factory: str
    position_manager: str
    quoter: str  # QuoterV2
    router: str  # SwapRouter02


@dataclass(frozen=True, slots=True)
class Pool:
    address: str
    token0: str
    token1: str
    fee: int  # hundredths of a basis point
    tick_spacing: int

    def other(self, token: str) -> str:
        """Raises BadSetting for a token that the pool does not have."""
        return self.token1 if self.is_token0(token) else self.token0

    def is_token0(self, token: str) -> bool:
        if token not in (self.token0, self.token1):
            raise BadSetting(f"the pool {self.address} does not trade {token}; name one of its two tokens")
        return token == self.token0

    @property
    def full_range(self) -> tuple[int, int]:
        """The outermost ticks that a position can have."""
        most = MAX_TICK // self.tick_spacing * self.tick_spacing
        return -most, most


@dataclass(frozen=True, slots=True)
class PoolState:
    """At the block it was read at."""

    pool: Pool
    sqrt_price_x96: int
    tick: int
    liquidity: int  # in range now
    balance0: int
    balance1: int
    num_observations: int  # slots of its oracle in use

    def value(self, token: str, amount: int) -> int:
        """``amount`` of ``token`` in the other one at the pool's price now, without fee and price impact."""
        squared = self.sqrt_price_x96**2
        if self.pool.is_token0(token):
            return amount * squared // Q96**2
        return amount * Q96**2 // squared


@dataclass(frozen=True, slots=True)
class TimeWeighted:
    """Means over ``window_s`` up to a block: of the tick, rounded down, and the harmonic one of liquidity in range."""

    tick: int
    liquidity: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Quote:
    """By QuoterV2, which runs the swap: ``amount_out`` has paid the fee and the price impact."""

    amount_in: int
    amount_out: int
    sqrt_price_after_x96: int
    num_ticks_crossed: int
    gas: int


@dataclass(frozen=True, slots=True)
class Position:
    token_id: int
    token0: str
    token1: str
    fee: int
    tick_lower: int
    tick_upper: int
    liquidity: int
    owed0: int  # collectable as of the position's last change
    owed1: int


# -- reading ----------------------------------------------------------------------------------------------------------


async def find_pool(
    chain: Chain, v3: UniswapV3, token_a: str, token_b: str, fee: int, block: Block | ChainBlock = "latest"
) -> Pool:
    """Raises ContractMissing where nobody made it."""
    token0, token1 = sort_tokens(token_a, token_b)
    address = await pool_ask(v3, token0, token1, fee).ask(chain, block)
    if address == NOBODY:
        raise ContractMissing(f"there is no pool of {token0} and {token1} with fee {fee}; try another fee")
    spacing = await Read(address, "tickSpacing() returns (int24)").ask(chain, block)
    return Pool(address, token0, token1, fee, spacing)


def pool_ask(v3: UniswapV3, token0: str, token1: str, fee: int) -> Read:
    """Where the exchange has its pool of the two; nobody's address where it has none."""
    return Read(v3.factory, "getPool(address,address,uint24) returns (address)", (token0, token1, fee))


def pool_reads(pool: Pool) -> tuple[Read, ...]:
    """What ``pool_state`` takes the answers of."""
    return (
        Read(pool.address, "slot0() returns (uint160,int24,uint16,uint16,uint16,uint8,bool)"),
        Read(pool.address, "liquidity() returns (uint128)"),
        Read(pool.token0, "balanceOf(address) returns (uint256)", (pool.address,)),
        Read(pool.token1, "balanceOf(address) returns (uint256)", (pool.address,)),
    )


def pool_state(pool: Pool, answers: Sequence[object]) -> PoolState:
    slot0, liquidity, balance0, balance1 = answers
    assert isinstance(slot0, tuple) and isinstance(liquidity, int)
    assert isinstance(balance0, int) and isinstance(balance1, int)
    return PoolState(pool, slot0[0], slot0[1], liquidity, balance0, balance1, slot0[3])


async def read_pool(chain: Chain, pool: Pool, block: ChainBlock) -> PoolState:
    return pool_state(pool, [await each.ask(chain, block) for each in pool_reads(pool)])


def oracle_read(pool: Pool, window_s: int) -> Read:
    """What ``time_weighted`` takes the answer of. The pool refuses with "OLD" where it remembers less."""
    return Read(pool.address, "observe(uint32[]) returns (int56[],uint160[])", ([window_s, 0],))


def time_weighted(answer: object, window_s: int) -> TimeWeighted:
    """As Uniswap's OracleLibrary.consult: the mean tick is rounded towards minus infinity."""
    assert isinstance(answer, tuple)
    (tick_then, tick_now), (liquidity_then, liquidity_now) = answer
    seconds_per_liquidity = (liquidity_now - liquidity_then) % 2**160  # it wraps around
    liquidity = (window_s * (2**160 - 1)) // (seconds_per_liquidity << 32) if seconds_per_liquidity else 0
    return TimeWeighted((tick_now - tick_then) // window_s, liquidity, window_s)


async def read_time_weighted(chain: Chain, pool: Pool, window_s: int, block: ChainBlock) -> TimeWeighted:
    """Raises Reverted ("OLD") where the pool's oracle does not reach back so far."""
    return time_weighted(await oracle_read(pool, window_s).ask(chain, block), window_s)


async def quote_exact_input(
    chain: Chain, v3: UniswapV3, pool: Pool, token_in: str, amount_in: int, block: Block | ChainBlock = "latest"
) -> Quote:
    """Raises Reverted where the pool cannot do it."""
    asked = (token_in, pool.other(token_in), amount_in, pool.fee, 0)
    amount_out, price, ticks, gas = await Read(v3.quoter, _QUOTE_INPUT, (asked,)).ask(chain, block)
    return Quote(amount_in, amount_out, price, ticks, gas)


async def quote_exact_output(
    chain: Chain, v3: UniswapV3, pool: Pool, token_out: str, amount_out: int, block: Block | ChainBlock = "latest"
) -> Quote:
    """Raises Reverted where the pool has not so much."""
    asked = (pool.other(token_out), token_out, amount_out, pool.fee, 0)
    amount_in, price, ticks, gas = await Read(v3.quoter, _QUOTE_OUTPUT, (asked,)).ask(chain, block)
    return Quote(amount_in, amount_out, price, ticks, gas)


async def read_position(chain: Chain, v3: UniswapV3, token_id: int, block: Block | ChainBlock = "latest") -> Position:
    """Raises Reverted for one that is not there."""
    return position(token_id, await position_ask(v3, token_id).ask(chain, block))


def position_ask(v3: UniswapV3, token_id: int) -> Read:
    """What ``position`` takes the answer of."""
    function = (
        "positions(uint256) returns "
        "(uint96,address,address,address,uint24,int24,int24,uint128,uint256,uint256,uint128,uint128)"
    )
    return Read(v3.position_manager, function, (token_id,))


def position(token_id: int, answer: tuple[Any, ...]) -> Position:
    _, _, token0, token1, fee, lower, upper, liquidity, _, _, owed0, owed1 = answer
    return Position(token_id, token0, token1, fee, lower, upper, liquidity, owed0, owed1)


async def position_ids(
    chain: Chain, v3: UniswapV3, owner: str, block: Block | ChainBlock = "latest", most: int = MAX_POSITIONS
) -> tuple[int, ...]:
    """The first ``most`` of them: anybody can give an account positions, so there may be any number."""
    count = await num_positions_ask(v3, owner).ask(chain, block)
    return tuple([await position_id_ask(v3, owner, at).ask(chain, block) for at in range(min(count, most))])


def num_positions_ask(v3: UniswapV3, owner: str) -> Read:
    return Read(v3.position_manager, "balanceOf(address) returns (uint256)", (owner,))


def position_id_ask(v3: UniswapV3, owner: str, at: int) -> Read:
    return Read(v3.position_manager, "tokenOfOwnerByIndex(address,uint256) returns (uint256)", (owner, at))


# -- prices -----------------------------------------------------------------------------------------------------------


def sort_tokens(token_a: str, token_b: str) -> tuple[str, str]:
    """As a pool has them. Raises BadSetting for one token twice."""
    if token_a == token_b:
        raise BadSetting(f"a pool has two tokens, and {token_a} is named twice; name another")
    first, second = sorted((to_checksum_address(token_a), to_checksum_address(token_b)), key=str.lower)
    return first, second


def quote_at_tick(pool: Pool, tick: int, token: str, amount: int) -> int:
    """``amount`` of ``token`` in the other one at the price 1.0001^tick, rounded down."""
    if not MIN_TICK <= tick <= MAX_TICK:
        raise BadSetting(f"there is no tick {tick}; a tick is between {MIN_TICK} and {MAX_TICK}")
    price = _CONTEXT.power(Decimal("1.0001"), tick)
    value = _CONTEXT.multiply(amount, price) if pool.is_token0(token) else _CONTEXT.divide(amount, price)
    return int(value.to_integral_value(ROUND_FLOOR))


def difference_bps(one: int, other: int) -> int:
    """How far two prices are apart, in hundredths of a percent of the lower one, rounded up."""
    low, high = sorted((one, other))
    if low <= 0:
        raise BadSetting(f"{low} is no price; a price is above 0")
    return -(-(high - low) * 10_000 // low)


# -- swapping ---------------------------------------------------------------------------------------------------------


def swap_exact_input(
    v3: UniswapV3,
    pool: Pool,
    token_in: str,
    amount_in: int,
    min_amount_out: int,
    recipient: str,
    deadline: int,
    *,
    is_native_in: bool = False,
    is_native_out: bool = False,
) -> Call:
    """``amount_in`` of ``token_in`` for at least ``min_amount_out``, mined by ``deadline`` (Unix seconds) or not at
    all. ``is_native_in``: ether is sent and wrapped on the way; ``is_native_out``: it arrives as ether."""
    token_out = pool.other(token_in)
    receiver = _SELF if is_native_out else recipient
    swap = entry(EXACT_INPUT).encode((token_in, token_out, pool.fee, receiver, amount_in, min_amount_out, 0))
    steps = [swap, entry(UNWRAP).encode(min_amount_out, recipient)] if is_native_out else [swap]
    summary = f"swap {amount_in} of {token_in} for at least {min_amount_out} of {token_out}"
    value_wei = amount_in if is_native_in else 0
    return _router_call(v3, pool, steps, v3.router if is_native_out else recipient, deadline, summary, value_wei)


def swap_exact_output(
    v3: UniswapV3,
    pool: Pool,
    token_out: str,
    amount_out: int,
    max_amount_in: int,
    recipient: str,
    deadline: int,
    *,
    is_native_in: bool = False,
    is_native_out: bool = False,
) -> Call:
    """At most ``max_amount_in`` for ``amount_out`` of ``token_out``; what was sent of ether and not used comes back."""
    token_in = pool.other(token_out)
    receiver = _SELF if is_native_out else recipient
    swap = entry(EXACT_OUTPUT).encode((token_in, token_out, pool.fee, receiver, amount_out, max_amount_in, 0))
    steps = [swap]
    if is_native_out:
        steps.append(entry(UNWRAP).encode(amount_out, recipient))
    if is_native_in:
        steps.append(entry(REFUND).encode())
    summary = f"swap at most {max_amount_in} of {token_in} for {amount_out} of {token_out}"
    value_wei = max_amount_in if is_native_in else 0
    return _router_call(v3, pool, steps, v3.router if is_native_out else recipient, deadline, summary, value_wei)


def _router_call(
    v3: UniswapV3, pool: Pool, steps: list[bytes], receiver: str, deadline: int, summary: str, value_wei: int
) -> Call:
    proof = ExpectedEvent(pool.address, (_SWAP, address_topic(v3.router), address_topic(receiver)))
    return outside_call(v3.router, MULTICALL, deadline, steps, summary=summary, proof=proof, value_wei=value_wei)


# -- positions --------------------------------------------------------------------------------------------------------


def mint_position(
    v3: UniswapV3,
    pool: Pool,
    ticks: tuple[int, int],
    amounts: tuple[int, int],
    min_amounts: tuple[int, int],
    recipient: str,
    deadline: int,
) -> Call:
    """A new position between two ticks, of at most ``amounts`` of token0 and token1."""
    asked = (pool.token0, pool.token1, pool.fee, *ticks, *amounts, *min_amounts, recipient, deadline)
    proof = ExpectedEvent(v3.position_manager, (TRANSFER, number_topic(0), address_topic(recipient)))
    summary = f"add {amounts[0]} of {pool.token0} and {amounts[1]} of {pool.token1} to {pool.address}"
    return outside_call(v3.position_manager, MINT, asked, summary=summary, proof=proof)


def increase_liquidity(
    v3: UniswapV3, token_id: int, amounts: tuple[int, int], min_amounts: tuple[int, int], deadline: int
) -> Call:
    proof = ExpectedEvent(v3.position_manager, (_INCREASE, number_topic(token_id)))
    summary = f"add {amounts[0]} and {amounts[1]} to position {token_id}"
    asked = (token_id, *amounts, *min_amounts, deadline)
    return outside_call(v3.position_manager, INCREASE, asked, summary=summary, proof=proof)


def paid_in_ether(v3: UniswapV3, call: Call, amount_wei: int) -> Call:
    """``call`` of the position manager, which wraps as much of ``amount_wei`` as it takes and sends the rest back."""
    steps = [call.data, entry(REFUND).encode()]
    return outside_call(
        v3.position_manager,
        MULTICALL_OF_POSITIONS,
        steps,
        summary=f"{call.summary}, in ether",
        proof=call.expects,
        value_wei=amount_wei,
    )


def decrease_liquidity(
    v3: UniswapV3, token_id: int, liquidity: int, min_amounts: tuple[int, int], deadline: int
) -> Call:
    """What it frees stays with the position until ``collect``."""
    proof = ExpectedEvent(v3.position_manager, (_DECREASE, number_topic(token_id)))
    summary = f"take {liquidity} of liquidity out of position {token_id}"
    asked = (token_id, liquidity, *min_amounts, deadline)
    return outside_call(v3.position_manager, DECREASE, asked, summary=summary, proof=proof)


def collect(v3: UniswapV3, token_id: int, recipient: str) -> Call:
    """All that the position owes: fees, and what ``decrease_liquidity`` freed."""
    proof = ExpectedEvent(v3.position_manager, (_COLLECT, number_topic(token_id)))
    asked = (token_id, recipient, MAX_UINT128, MAX_UINT128)
    return outside_call(
        v3.position_manager, COLLECT, asked, summary=f"collect what position {token_id} owes", proof=proof
    )


def burn_position(v3: UniswapV3, token_id: int, owner: str) -> Call:
    """Of an empty one."""
    proof = ExpectedEvent(
        v3.position_manager, (TRANSFER, address_topic(owner), number_topic(0), number_topic(token_id))
    )
    return outside_call(v3.position_manager, BURN, token_id, summary=f"burn position {token_id}", proof=proof)
