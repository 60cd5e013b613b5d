"""What a policy has the signer read from a chain, and what of that may be decided on. Pure; agents/signer/sight.py
reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moray.agents.prices import PriceRules

READING_LIFE_S = 60.0  # what was read longer ago is decided on no more


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """Where the price of ``asset`` in ``other`` is read: a Uniswap v3 pool, and a v2 pair as the second source. All
    are addresses. ``min_depth``: base units of ``other`` that must lie in each."""

    chain_id: int
    asset: str
    other: str
    pool: str
    pair: str
    min_depth: int
    rules: PriceRules


@dataclass(frozen=True, slots=True)
class Questions:
    """Of one chain: the contracts whose code a rule names, and the markets."""

    contracts: frozenset[str]
    markets: tuple[MarketTerms, ...]

    def __bool__(self) -> bool:
        return bool(self.contracts or self.markets)


@dataclass(frozen=True, slots=True)
class Price:
    """``get`` base units for ``pay`` base units, both above 0, before any fee."""

    pay: int
    get: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was not read, or is not to be believed. ``reason``: one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one chain at one block. ``read_at``: unix s by the signer's clock, of when it was asked, or of the block if
    that is older. ``code_hashes``: keccak of the contracts' code, hex. ``prices``: by (pay, get)."""

    read_at: float
    code_hashes: Mapping[str, str | Unknown]
    prices: Mapping[tuple[str, str], Price | Unknown]

    @property
    def is_whole(self) -> bool:
        return not any(isinstance(each, Unknown) for each in (*self.code_hashes.values(), *self.prices.values()))


Readings = Mapping[int, Reading]  # by chain


def known_code(readings: Readings, chain_id: int, contract: str, now: float) -> str | Unknown:
    reading = _young(readings, chain_id, now)
    if isinstance(reading, Unknown):
        return reading
    return reading.code_hashes.get(contract, Unknown("it was not read"))


def known_price(readings: Readings, chain_id: int, pay: str, get: str, now: float) -> Price | Unknown:
    reading = _young(readings, chain_id, now)
    if isinstance(reading, Unknown):
        return reading
    return reading.prices.get((pay, get), Unknown("the policy names no market of the two"))


def _young(readings: Readings, chain_id: int, now: float) -> Reading | Unknown:
    reading = readings.get(chain_id)
    if reading is None:
        return Unknown("nobody reads this chain here; start the signer with --rpc")
    age_s = now - reading.read_at
    if age_s < 0:
        return Unknown("what was read is of later than now; the clock was set back")
    if age_s > READING_LIFE_S:
        return Unknown(f"what was read is {age_s:.0f} s old, at most {READING_LIFE_S:.0f} s are believed")
    return reading
