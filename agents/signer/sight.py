"""What the signer itself sees of a chain before it decides: contracts' code and markets' prices, by every endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from moray.agents.markets import read_market
from moray.agents.policy.readings import MarketTerms, Price, Questions, Reading, Unknown
from moray.agents.prices import Market, check_market
from moray.agents.signer.desk import Desk
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID
from moray.contracts.outside import Read
from moray.errors import MorayError
from moray.ethereum import keccak
from moray.quoting import quoted

LOOK_EVERY_S = 20.0
PATIENCE_S = 5.0  # of one request, for a newer reading than there is
_FRESH_S = 40.0  # what is younger is not read anew for a request: two looks at blocks of 12 s
_PAUSE_S = 2.0  # between two looks that requests ask for
_FINE = 10**36  # base units that a price is told for: digits enough for what is worth next to nothing

_Found = TypeVar("_Found")


async def read_chain(chain: Chain, questions: Questions, now: float) -> Reading:
    """At the newest block that all endpoints have. What cannot be read or believed is Unknown; it does not raise."""
    block = await _or_unknown(chain.agreed_block(confirmations=0))
    if isinstance(block, Unknown):
        sides = [side for terms in questions.markets for side in _sides(terms)]
        return Reading(now, dict.fromkeys(questions.contracts, block), dict.fromkeys(sides, block))
    # An endpoint that has stopped gives old prices that all agree on. A development chain has a clock of its own.
    read_at = now if chain.chain_id == DEVELOPMENT_CHAIN_ID else min(now, float(block.timestamp))
    codes = {
        contract: await _or_unknown(_code_hash(chain, contract, block)) for contract in sorted(questions.contracts)
    }
    prices = dict[tuple[str, str], Price | Unknown]()
    for terms in questions.markets:
        market = await _or_unknown(_market(chain, terms, block))
        prices |= {
            (pay, get): market if isinstance(market, Unknown) else price_of(market, pay) for pay, get in _sides(terms)
        }
    return Reading(read_at, codes, prices)


def price_of(market: Market, pay: str) -> Price | Unknown:
    """By the mean."""
    get = market.value(pay, _FINE)
    return Price(_FINE, get) if get > 0 else Unknown(f"{pay} is worth nothing in the pool {market.state.pool.address}")


class Sight:
    """Of one chain, for one desk."""

    def __init__(self, desk: Desk, chain: Chain) -> None:
        self._desk, self._chain = desk, chain
        self._questions = desk.questions(chain.chain_id)
        self._turn = asyncio.Lock()
        self._looked_at: float | None = None
        self._seen: Reading | None = None

    async def watch(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        async with self._turn:
            await self._look()

    async def refresh(self) -> None:
        """Before a request is decided: look, if what was seen is old or incomplete, for PATIENCE_S at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S), self._turn:
                if not self._is_fresh():
                    await self._look()

    async def _look(self) -> None:
        self._looked_at = now = self._desk.now()
        self._seen = await read_chain(self._chain, self._questions, now)
        self._desk.see(self._chain.chain_id, self._seen)

    def _is_fresh(self) -> bool:
        now = self._desk.now()
        if self._looked_at is not None and 0 <= now - self._looked_at < _PAUSE_S:
            return True
        return self._seen is not None and self._seen.is_whole and 0 <= now - self._seen.read_at < _FRESH_S


async def _code_hash(chain: Chain, contract: str, block: ChainBlock) -> str:
    return keccak(await chain.code_agreed(contract, block)).hex()


async def _market(chain: Chain, terms: MarketTerms, block: ChainBlock) -> Market:
    """Raises PriceDoubtful, ChainError."""

    async def ask(read: Read) -> Any:
        return read.decode(await chain.read_agreed(read.address, read.data, block=block))

    market = await read_market(
        ask, terms.pool, terms.pair, terms.asset, terms.other, terms.min_depth, terms.rules.window_s
    )
    check_market(market, terms.rules)
    return market


async def _or_unknown(question: Awaitable[_Found]) -> _Found | Unknown:
    try:
        return await question
    except MorayError as error:
        return Unknown(quoted(str(error)))


def _sides(terms: MarketTerms) -> tuple[tuple[str, str], tuple[str, str]]:
    return (terms.asset, terms.other), (terms.other, terms.asset)
