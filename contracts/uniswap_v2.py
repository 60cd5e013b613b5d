"""Uniswap v2: a pair as it is at one block, and the call that swaps.

For the agents it is above all the second source of a price: independent of the v3 pool, with reserves of its own.
Interfaces after the Uniswap v2 documentation: factory, pair, Router02.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.contract import address_topic
from moray.contracts.outside import Read, outside_call, topic
from moray.contracts.tasks import NOBODY
from moray.contracts.uniswap_v3 import sort_tokens
from moray.errors import BadSetting, ContractMissing

_FEE_PER_MILLE: Final = 3  # of what goes in; a v2 pair knows no other

_SWAP = topic("Swap(address,uint256,uint256,uint256,uint256,address)")
SWAP_EXACT_INPUT = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
SWAP_EXACT_OUTPUT = "swapTokensForExactTokens(uint256,uint256,address[],address,uint256)"


@dataclass(frozen=True, slots=True)
class UniswapV2:
    """Where it is on a chain."""

    factory: str
    router: str  # Router02


@dataclass(frozen=True, slots=True)
class Pair:
    address: str
    token0: str
    token1: str


@dataclass(frozen=True, slots=True)
class PairState:
    """At the block it was read at."""

    pair: Pair
    reserve0: int
    reserve1: int
    changed_at: int  # Unix seconds, modulo 2^32

    def value(self, token: str, amount: int) -> int:
        """``amount`` of ``token`` in the other one at the pair's price now, without fee and price impact."""
        own, other = self._reserves(token)
        if not own:
            raise ContractMissing(f"the pair {self.pair.address} is empty and has no price; use another source")
        return amount * other // own

    def amount_out(self, token_in: str, amount_in: int) -> int:
        """What a swap gives now, after fee and price impact, as the pair itself reckons."""
        own, other = self._reserves(token_in)
        paid = amount_in * (1000 - _FEE_PER_MILLE)
        return paid * other // (own * 1000 + paid) if own else 0

    def _reserves(self, token: str) -> tuple[int, int]:
        if token == self.pair.token0:
            return self.reserve0, self.reserve1
        if token == self.pair.token1:
            return self.reserve1, self.reserve0
        raise BadSetting(f"the pair {self.pair.address} does not trade {token}; name one of its two tokens")


async def find_pair(chain: Chain, v2: UniswapV2, token_a: str, token_b: str, block: Block = "latest") -> Pair:
    """Raises ContractMissing where nobody made it."""
    token0, token1 = sort_tokens(token_a, token_b)
    address = await Read(v2.factory, "getPair(address,address) returns (address)", (token0, token1)).ask(chain, block)
    if address == NOBODY:
        raise ContractMissing(f"there is no pair of {token0} and {token1}; use another source")
    return Pair(address, token0, token1)


def pair_reads(pair: Pair) -> tuple[Read, ...]:
    """What ``pair_state`` takes the answers of."""
    return (Read(pair.address, "getReserves() returns (uint112,uint112,uint32)"),)


def pair_state(pair: Pair, answers: Sequence[object]) -> PairState:
    (reserves,) = answers
    assert isinstance(reserves, tuple)
    return PairState(pair, *reserves)


async def read_pair(chain: Chain, pair: Pair, block: ChainBlock) -> PairState:
    return pair_state(pair, [await each.ask(chain, block) for each in pair_reads(pair)])


def swap_exact_input(
    v2: UniswapV2, pair: Pair, token_in: str, amount_in: int, min_amount_out: int, recipient: str, deadline: int
) -> Call:
    """``amount_in`` of ``token_in`` for at least ``min_amount_out``, mined by ``deadline`` (Unix seconds)."""
    path = _path(pair, token_in)
    summary = f"swap {amount_in} of {path[0]} for at least {min_amount_out} of {path[1]}"
    return _swap(v2, pair, SWAP_EXACT_INPUT, amount_in, min_amount_out, path, recipient, deadline, summary)


def swap_exact_output(
    v2: UniswapV2, pair: Pair, token_out: str, amount_out: int, max_amount_in: int, recipient: str, deadline: int
) -> Call:
    """At most ``max_amount_in`` for ``amount_out`` of ``token_out``."""
    path = list(reversed(_path(pair, token_out)))
    summary = f"swap at most {max_amount_in} of {path[0]} for {amount_out} of {path[1]}"
    return _swap(v2, pair, SWAP_EXACT_OUTPUT, amount_out, max_amount_in, path, recipient, deadline, summary)


def _swap(
    v2: UniswapV2,
    pair: Pair,
    function: str,
    exact: int,
    limit: int,
    path: list[str],
    recipient: str,
    deadline: int,
    summary: str,
) -> Call:
    # Its two indexed arguments are the sender, which is the router, and the receiver.
    proof = ExpectedEvent(pair.address, (_SWAP, address_topic(v2.router), address_topic(recipient)))
    return outside_call(v2.router, function, exact, limit, path, recipient, deadline, summary=summary, proof=proof)


def _path(pair: Pair, first: str) -> list[str]:
    if first not in (pair.token0, pair.token1):
        raise BadSetting(f"the pair {pair.address} does not trade {first}; name one of its two tokens")
    return [first, pair.token1 if first == pair.token0 else pair.token0]
