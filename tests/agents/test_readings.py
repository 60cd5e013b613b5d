"""A decision on what was read: only on what is there, young, and to be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.policy import Policy
from moray.agents.policy.readings import READING_LIFE_S, Price, Reading, Unknown, known_code, known_price
from moray.agents.prices import Market
from moray.agents.signer.sight import price_of
from moray.contracts.uniswap_v2 import Pair, PairState
from moray.contracts.uniswap_v3 import Pool, PoolState, TimeWeighted
from moray.errors import BadPolicy
from policy_kit import ALICE, ETHER, NOW, ROUTER, USD, USD_ADDRESS, WETH, Book, changed, multicall, swap, transaction

POOL, PAIR = "0x0165878A594ca255338adfa4d48449f69242Eb8F", "0xa513E6E4b8f2a923D98304ec87F64353C4D5C853"
MARKET = f'{{asset: WETH, other: USD, pool: "{POOL}", pair: "{PAIR}", min_depth: "100000"}}'
HASH = "ab" * 32


def policy(*options: str, markets: str = MARKET) -> Policy:
    """The example's, whose swap has ``options`` more."""
    old = '      params.amountIn: {at_most: "300 USD"}\n'
    new = old + "".join(f"    {option}\n" for option in options)
    return changed((old, new), ("\ncalls:\n", f"\nmarkets: [{markets}]\ncalls:\n"))


PRICED, PINNED = policy("max_slippage_bps: 100"), policy(f'code_hash: "0x{HASH}"')


def code_of(policy: Policy, reading: Reading | None, paid: int, least: int, now: float = NOW) -> str:
    """The decision on a swap of USD for WETH."""
    ledger = LedgerView(readings={} if reading is None else {31337: reading})
    book = Book(policy, ledger)
    book.now = now
    return book.ask(transaction(ROUTER, multicall(swap(amount=paid, least=least), deadline=int(now) + 60))).code


def priced(price: Price | Unknown, read_at: float = NOW) -> Reading:
    return Reading(read_at, {}, {(USD_ADDRESS, WETH): price})


@given(st.integers(1, 300 * USD), st.integers(1, 10**24), st.integers(1, 10**40), st.integers(1, 10**40))
@example(100 * USD, 99 * 10**15, 100 * USD, 10**17)
@example(100 * USD, 99 * 10**15 - 1, 100 * USD, 10**17)
def test_a_swap_that_gives_up_more_than_its_slippage_is_refused(paid: int, least: int, pay: int, get: int) -> None:
    """The worst price of the example holds besides."""
    is_enough = least * 100 * pay >= paid * get * 99
    is_above_worst = least * USD * 10 >= paid * 3 * ETHER // 1000
    code = code_of(PRICED, priced(Price(pay, get)), paid, least)
    if not is_above_worst:
        assert code == "price_too_low"
    else:
        assert code == ("allowed" if is_enough else "slippage_too_high")


@given(st.floats(-1000, 1000), st.booleans())
@example(0.0, False)
@example(READING_LIFE_S, False)
def test_a_reading_is_good_from_when_it_was_made_for_its_life(age_s: float, is_doubtful: bool) -> None:
    read_at = NOW - age_s
    is_good = 0 <= NOW - read_at <= READING_LIFE_S and not is_doubtful
    price: Price | Unknown = Unknown("they disagree") if is_doubtful else Price(1, 1)
    assert code_of(PRICED, priced(price, read_at), 100 * USD, ETHER) == ("allowed" if is_good else "price_missing")
    code_hash: str | Unknown = Unknown("they disagree") if is_doubtful else HASH
    reading = Reading(read_at, {ROUTER: code_hash}, {})
    assert code_of(PINNED, reading, 100 * USD, ETHER) == ("allowed" if is_good else "code_changed")


def test_the_reason_says_which() -> None:
    reading = Reading(NOW, {ROUTER: HASH}, {(USD_ADDRESS, WETH): Unknown("they disagree")})
    for readings, now, says in (
        ({}, NOW, "--rpc"),
        ({5: reading}, NOW, "--rpc"),
        ({31337: reading}, NOW + 61, "61 s old"),
        ({31337: reading}, NOW - 1, "set back"),
        ({31337: reading}, NOW, "they disagree"),
    ):
        price = known_price(readings, 31337, USD_ADDRESS, WETH, now)
        assert isinstance(price, Unknown) and says in price.reason
    for found in (
        known_price({31337: reading}, 31337, WETH, USD_ADDRESS, NOW),
        known_code({31337: reading}, 31337, ALICE, NOW),
    ):
        assert isinstance(found, Unknown)
    assert known_code({31337: reading}, 31337, ROUTER, NOW) == HASH


def test_other_code_and_the_code_of_another_are_refused() -> None:
    for found in ({ROUTER: "cd" * 32}, {ALICE: HASH}, {}):
        assert code_of(PINNED, Reading(NOW, found, {}), 100 * USD, ETHER) == "code_changed"


@given(st.integers(-300_000, 300_000), st.booleans())
def test_a_price_is_the_same_from_both_sides(tick: int, is_token0: bool) -> None:
    token0, token1 = (USD_ADDRESS, WETH) if is_token0 else (WETH, USD_ADDRESS)
    pool = Pool(POOL, token0, token1, 3000, 60)
    state, pair = PoolState(pool, 2**96, tick, 1, 1, 1, 1), PairState(Pair(PAIR, token0, token1), 1, 1, 0)
    market = Market(state, TimeWeighted(tick, 1, 1800), pair, token1, 1)
    there, back = price_of(market, token0), price_of(market, token1)
    assert isinstance(there, Price) and isinstance(back, Price)
    product = there.get * back.get / (there.pay * back.pay)
    assert abs(product - 1) < 1e-9
    assert there.get / there.pay == pytest.approx(1.0001**tick)


def test_only_what_a_rule_asks_for_is_read() -> None:
    assert not changed().questions(31337) and not policy().questions(31337)
    assert PINNED.questions(31337).contracts == {ROUTER} and not PINNED.questions(31337).markets
    (market,) = PRICED.questions(31337).markets
    assert (market.asset, market.other, market.min_depth) == (WETH, USD_ADDRESS, 100_000 * USD)
    assert (market.rules.window_s, market.rules.max_apart_bps) == (1800, 200)
    assert not PRICED.questions(5)
    assert replace(PRICED, markets=()).questions(31337).markets == ()


@pytest.mark.parametrize(
    ("market", "says"),
    [
        ("", "needs a price"),
        (MARKET.replace("asset: WETH", "asset: EUR"), "EUR is no asset"),
        (MARKET.replace("asset: WETH", "asset: USD"), "no two"),
        (MARKET.replace("asset: WETH", "asset: ETH"), "no two"),
        (MARKET.replace('"100000"', '"0"'), "empty pool"),
        (MARKET.replace("}", ", window_s: 1799}"), "window_s"),
        (MARKET.replace("}", ", max_apart_bps: 0}"), "max_apart_bps"),
        (f"{MARKET}, {MARKET.replace('WETH, other: USD', 'USD, other: WETH')}", "same two"),
    ],
)
def test_a_market_that_would_protect_nobody_is_refused(market: str, says: str) -> None:
    with pytest.raises(BadPolicy, match=says):
        policy("max_slippage_bps: 100", markets=market)


def test_the_code_of_anyone_cannot_be_named() -> None:
    rule = f'  - {{name: x, chain: development, to: anyone, call: receive(), code_hash: "0x{HASH}"}}\n'
    with pytest.raises(BadPolicy, match="one contract"):
        changed(("\ncalls:\n", f"\ncalls:\n{rule}"))
