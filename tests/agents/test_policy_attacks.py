"""What an attacker gets an agent to ask for, and that the policy of examples/policies signs none of it.

Each row is one attack, the request that it makes, and the code of the refusal. The honest requests come first: a policy
that refuses everything would pass the table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attack_kit import ATTACKS, HONEST, MAX, PAY_ALICE, PERMIT
from moray.agents.policy.decision import Refusal
from moray.agents.policy.ledger import DAY_S, LedgerView
from moray.agents.policy.request import TypedDataRequest, transaction_request
from moray.errors import BadPolicy
from policy_kit import (
    ALICE,
    ETHER,
    MALLORY,
    NOW,
    OWNER,
    ROUTER,
    USD,
    USD_ADDRESS,
    WETH,
    Book,
    ask,
    authorization,
    call,
    entry_of,
    multicall,
    swap,
    transaction,
    typed,
    with_rule,
)


@pytest.mark.parametrize("name", HONEST)
def test_what_the_policy_names_is_signed(name: str) -> None:
    decision = ask(HONEST[name])
    assert (decision.is_allowed, decision.code) == (True, "allowed"), decision.reason


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_its_code(name: str) -> None:
    request, code = ATTACKS[name]
    decision = ask(request)
    assert (decision.is_allowed, decision.needs_approval, decision.code) == (False, False, code), decision.reason
    assert "\n" not in decision.reason


@pytest.mark.parametrize("kind", ["raw hash", b"\x00" * 32, None, 7, object()])
def test_what_is_neither_a_transaction_nor_typed_data_is_refused(kind: Any) -> None:
    assert Book().ask(kind).code == "unknown_request"


FIELDS = {
    "type": 2,
    "chainId": 31337,
    "nonce": 0,
    "to": ALICE,
    "value": 1,
    "data": b"",
    "gas": 21_000,
    "maxFeePerGas": 1,
    "maxPriorityFeePerGas": 1,
}


@pytest.mark.parametrize(
    "change",
    [
        {"type": 4, "authorizationList": [{"chainId": 0, "address": MALLORY, "nonce": 0}]},
        {"authorizationList": []},
        {"type": 1},
        {"type": 3, "blobVersionedHashes": [b"\x01" * 32]},
        {"gasPrice": 1},
        {"accessList": [{"address": MALLORY, "storageKeys": []}]},
        {"from": MALLORY},
        {"chainId": True},
        {"nonce": "1"},
        {"value": 1.0},
        {"data": "0x"},
        {"to": "alice.eth"},
        {"to": ALICE.lower()},
    ],
    ids=str,
)
def test_a_transaction_of_another_kind_is_no_request(change: dict[str, Any]) -> None:
    assert transaction_request(FIELDS).to == ALICE
    with pytest.raises(Refusal) as refused:
        transaction_request(FIELDS | change)
    assert refused.value.code == "bad_request"


# -- attacks that take more than one request ------------------------------------------------------------------------


def test_a_fee_bump_is_the_same_call_below_the_cap_and_counts_once() -> None:
    book = Book()
    first = transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 300 * USD))
    assert book.ask(first).is_allowed
    for fee in (2, 50, 100):
        assert book.ask(replace(first, max_fee_wei=fee * 10**9)).is_allowed
    assert book.ledger.used(31337, USD_ADDRESS, NOW, DAY_S) == 300 * USD
    assert book.ask(replace(first, max_fee_wei=101 * 10**9)).code == "fee_too_high"


def test_another_call_at_a_tx_nonce_that_was_signed_is_refused_and_a_cancellation_is_not() -> None:
    book = Book()
    assert book.ask(transaction(USD_ADDRESS, PAY_ALICE)).is_allowed
    other = transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 21 * USD))
    assert book.ask(other).code == "tx_nonce_taken"
    assert book.ask(transaction(OWNER, gas=21_000)).is_allowed
    assert book.ask(other).code == "tx_nonce_taken"
    assert book.ledger.used(31337, USD_ADDRESS, NOW, DAY_S) == 20 * USD, "a cancellation may lose the race"


def test_many_small_payments_are_stopped_by_the_limit_of_an_hour_and_of_a_day() -> None:
    book = Book()
    data = call("transfer(address,uint256)", ALICE, 200 * USD)
    codes = [book.ask(transaction(USD_ADDRESS, data, tx_nonce=place)).code for place in range(5)]
    assert codes == ["allowed"] * 4 + ["hour_limit"]
    book.now += 3601
    assert book.ask(transaction(USD_ADDRESS, data, tx_nonce=5)).code == "counterparty_limit"
    assert book.ask(transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 201 * USD), tx_nonce=5)).code == (
        "day_limit"
    )
    book.now += DAY_S
    assert book.ask(transaction(USD_ADDRESS, data, tx_nonce=5)).is_allowed


def test_a_signature_that_may_still_be_used_counts_whatever_its_age() -> None:
    book = Book()
    book.ask(transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 400 * USD)), is_open=True)
    book.now += 30 * DAY_S
    assert book.ledger.used(31337, USD_ADDRESS, book.now, DAY_S) == 400 * USD


def test_typed_data_and_transactions_share_their_limits() -> None:
    book = Book()
    for place in range(4):
        data = authorization(value=200 * USD, nonce="0x" + f"{place:02x}" * 32)
        assert book.ask(TypedDataRequest(data)).is_allowed
    assert book.ask(transaction(USD_ADDRESS, PAY_ALICE)).code == "hour_limit"


def test_an_allowance_counts_until_it_is_zero_and_the_swap_through_it_is_the_same_money() -> None:
    book = Book()
    assert book.ask(transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 200 * USD))).is_allowed
    assert book.ask(transaction(ROUTER, multicall(swap(amount=200 * USD, least=ETHER)), tx_nonce=1)).is_allowed
    assert book.ledger.used(31337, USD_ADDRESS, NOW, DAY_S) == 200 * USD
    book.now += 10 * DAY_S
    assert book.ledger.used(31337, USD_ADDRESS, book.now, DAY_S) == 200 * USD, "it is still open"
    released = book.ledger.released(31337, USD_ADDRESS, ROUTER, before_tx_nonce=2, now=book.now)
    assert released.used(31337, USD_ADDRESS, book.now, DAY_S) == 0
    assert released.used(31337, USD_ADDRESS, NOW, DAY_S) == 200 * USD, "what was swapped stays spent"


def test_gas_alone_cannot_empty_the_account() -> None:
    book = Book()
    codes = [
        book.ask(transaction(OWNER, tx_nonce=place, gas=500_000, max_fee_wei=100 * 10**9)).code for place in range(11)
    ]
    assert codes == ["allowed"] * 10 + ["gas_limit"]


def test_a_first_payment_to_somebody_and_a_large_one_need_an_approval() -> None:
    first = Book(ledger=LedgerView()).ask(transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 51 * USD)))
    large = ask(transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 401 * USD)))
    for decision in (first, large):
        assert (decision.is_allowed, decision.needs_approval, decision.code) == (False, True, "approval_needed")
        assert decision.reserves, "what it would take if somebody agrees"


def test_an_approved_transaction_may_raise_its_fee_without_another_approval() -> None:
    book = Book()
    request = transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 401 * USD))
    book.ledger = book.ledger.signed(entry_of(request, book.ask(request), NOW, False))
    assert book.ask(replace(request, max_fee_wei=2 * 10**9)).is_allowed
    book.now += 3601  # below the limit of an hour again
    assert book.ask(replace(request, tx_nonce=1)).needs_approval


def test_a_halted_signer_signs_nothing_not_even_a_cancellation() -> None:
    book = Book(ledger=LedgerView(halted="the kill switch is on"))
    assert {book.ask(request).code for request in (transaction(OWNER), transaction(USD_ADDRESS, PAY_ALICE))} == {
        "halted"
    }


DANGEROUS = """
- name: careless
  chain: development
  to: USD
  call: permit(address,address,uint256,uint256,uint8,bytes32,bytes32)
"""


def test_a_rule_that_names_a_permit_must_say_that_no_limit_counts_it() -> None:
    with pytest.raises(BadPolicy, match="unsafe_uncounted"):
        with_rule(DANGEROUS)
    assert with_rule(DANGEROUS + "  unsafe_uncounted: true\n").calls[0].terms.meaning.is_uncounted


def test_a_permit_that_a_rule_names_is_counted_and_never_unlimited() -> None:
    policy = with_rule(
        """
- name: permit the router
  chain: development
  contract: USD
  type: Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)
  spenders: [router]
""",
        "typed_data",
    )

    def permit(value: int, spender: str = ROUTER) -> dict[str, Any]:
        message = {"owner": OWNER, "spender": spender, "value": value, "nonce": 0, "deadline": int(NOW) + 60}
        return typed("Permit", {"Permit": PERMIT}, message)

    decision = ask(permit(20 * USD), policy)
    assert decision.is_allowed
    assert [(each.kind, each.amount, each.counterparty) for each in decision.reserves] == [
        ("allowance", 20 * USD, ROUTER)
    ]
    assert ask(permit(MAX), policy).code == "unlimited_approval"
    assert ask(permit(1, MALLORY), policy).code == "spender_refused"
    assert ask(permit(501 * USD), policy).code == "allowance_too_high"


# -- liquidity --------------------------------------------------------------------------------------------------------

POSITIONS = "0x0165878A594ca255338adfa4d48449f69242Eb8F"
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
INCREASE = "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))"
DECREASE = "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))"
COLLECT = "collect((uint256,address,uint128,uint128))"
MOST, SOON = 887220, int(NOW) + 60
INCREASE_RULE = f"""
- name: grow position 7
  chain: development
  to: "{POSITIONS}"
  call: {INCREASE}
  spends: [{{asset: WETH, amount: params.amount0Desired}}, {{asset: USD, amount: params.amount1Desired}}]
  where: {{params.tokenId: "7"}}
"""
MINT_RULE = f"""
- name: new positions
  chain: development
  to: "{POSITIONS}"
  call: {MINT}
  where: {{params.fee: "3000", params.tickLower: "-{MOST}", params.tickUpper: "{MOST}"}}
"""
LIQUIDITY = with_rule(
    INCREASE_RULE
    + MINT_RULE
    + f"""
- {{name: shrink, chain: development, to: "{POSITIONS}", call: "{DECREASE}"}}
- {{name: collect, chain: development, to: "{POSITIONS}", call: "{COLLECT}"}}
- {{name: burn, chain: development, to: "{POSITIONS}", call: "burn(uint256)", spends: []}}
- {{name: at once, chain: development, to: "{POSITIONS}", call: "multicall(bytes[])"}}
"""
)


def mint(**changes: Any) -> bytes:
    """0.1 WETH and 200 USD over the whole range, for the owner, unless said otherwise."""
    plain = {
        "token0": WETH,
        "token1": USD_ADDRESS,
        "fee": 3000,
        "lower": -MOST,
        "upper": MOST,
        "amount0": ETHER // 10,
        "amount1": 200 * USD,
        "least0": ETHER // 11,
        "least1": 190 * USD,
        "recipient": OWNER,
        "deadline": SOON,
    }
    return call(MINT, tuple((plain | changes).values()))


def increase(token_id: int = 7, amount1: int = 200 * USD, least: int = 1, deadline: int = SOON) -> bytes:
    return call(INCREASE, (token_id, ETHER // 10, amount1, least, 0, deadline))


def of_positions(data: bytes) -> Any:
    return transaction(POSITIONS, data)


def at_once(*calls: bytes) -> Any:
    return of_positions(call("multicall(bytes[])", list(calls)))


@pytest.mark.parametrize(
    "data",
    [
        mint(),
        increase(),
        call(DECREASE, (7, 10**12, 1, 1, SOON)),
        call(COLLECT, (7, OWNER, 2**128 - 1, 2**128 - 1)),
        call("burn(uint256)", 7),
    ],
    ids=["mint", "increase", "decrease", "collect", "burn"],
)
def test_liquidity_that_the_policy_names_is_signed(data: bytes) -> None:
    assert ask(of_positions(data), LIQUIDITY).code == "allowed"
    assert ask(at_once(data), LIQUIDITY).code == "allowed"


@pytest.mark.parametrize(
    ("reserves", "data"), [("a new one", mint()), ("one that grows", increase())], ids=["mint", "increase"]
)
def test_what_goes_into_a_position_counts_as_spent(reserves: str, data: bytes) -> None:
    decision = ask(of_positions(data), LIQUIDITY)
    spent = {each.asset: (each.kind, each.amount) for each in decision.reserves if each.kind != "gas"}
    assert spent == {WETH: ("spend", ETHER // 10), USD_ADDRESS: ("spend", 200 * USD)}, reserves


LIQUIDITY_ATTACKS: dict[str, tuple[Any, str]] = {
    "a new position for somebody else": (of_positions(mint(recipient=MALLORY)), "recipient_refused"),
    "a new position for somebody else, wrapped": (at_once(mint(recipient=MALLORY)), "recipient_refused"),
    "a new position beside a worthless token": (of_positions(mint(token0=MALLORY, amount0=0)), "asset_unknown"),
    "a new position in a pool that nobody trades in": (of_positions(mint(fee=100)), "argument_refused"),
    "a narrow position, which is an order at any price": (of_positions(mint(lower=0)), "argument_refused"),
    "another narrow position": (of_positions(mint(upper=60)), "argument_refused"),
    "a new position at any price": (of_positions(mint(least0=0, least1=0)), "no_minimum"),
    "a new position without an end": (of_positions(mint(deadline=MAX)), "deadline_refused"),
    "a new position above the limit": (of_positions(mint(amount1=501 * USD)), "transaction_limit"),
    "two new positions that are above the limit together": (
        at_once(mint(amount1=300 * USD), mint(amount1=300 * USD)),
        "transaction_limit",
    ),
    "a stranger's position grown": (of_positions(increase(8)), "argument_refused"),
    "a stranger's position grown, wrapped": (at_once(increase(), increase(8)), "argument_refused"),
    "a position grown at any price": (of_positions(increase(least=0)), "no_minimum"),
    "a position grown without an end": (of_positions(increase(deadline=MAX)), "deadline_refused"),
    "a position grown above the limit": (of_positions(increase(amount1=501 * USD)), "transaction_limit"),
    "a position emptied at any price": (of_positions(call(DECREASE, (7, 10**12, 0, 0, SOON))), "no_minimum"),
    "a position emptied some day": (of_positions(call(DECREASE, (7, 10**12, 1, 1, MAX))), "deadline_refused"),
    "what a position earned sent to somebody else": (
        of_positions(call(COLLECT, (7, MALLORY, 2**128 - 1, 2**128 - 1))),
        "recipient_refused",
    ),
    "what a position earned left with the contract": (  # it takes nobody for itself, and anybody sweeps it up
        of_positions(call(COLLECT, (7, "0x" + "00" * 20, 2**128 - 1, 2**128 - 1))),
        "recipient_refused",
    ),
    "what the contract holds swept away": (
        at_once(call("sweepToken(address,uint256,address)", USD_ADDRESS, 0, MALLORY)),
        "function_unknown",
    ),
    "a position given away": (
        of_positions(call("transferFrom(address,address,uint256)", OWNER, MALLORY, 7)),
        "function_unknown",
    ),
    "a position given away safely": (
        of_positions(call("safeTransferFrom(address,address,uint256)", OWNER, MALLORY, 7)),
        "function_unknown",
    ),
    "a position that somebody else may move": (
        of_positions(call("approve(address,uint256)", MALLORY, 7)),
        "function_unknown",
    ),
    "all positions that somebody else may move": (
        of_positions(call("setApprovalForAll(address,bool)", MALLORY, True)),
        "function_unknown",
    ),
}


@pytest.mark.parametrize("name", LIQUIDITY_ATTACKS)
def test_an_attack_on_liquidity_is_refused_with_its_code(name: str) -> None:
    request, code = LIQUIDITY_ATTACKS[name]
    decision = ask(request, LIQUIDITY)
    assert (decision.is_allowed, decision.needs_approval, decision.code) == (False, False, code), decision.reason


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (INCREASE_RULE.replace('  where: {params.tokenId: "7"}\n', ""), "params.tokenId"),
        (INCREASE_RULE.replace('"7"', '{at_least: "0"}'), "params.tokenId"),
        (INCREASE_RULE.replace("{asset: WETH, amount: params.amount0Desired}, ", ""), "params.amount0Desired"),
        (INCREASE_RULE.replace("amount: params.amount1Desired", "amount: params.amount0Desired"), "of which asset"),
        (MINT_RULE.replace('params.fee: "3000", ', ""), "params.fee"),
        (MINT_RULE.replace(f'"{MOST}"', f'{{at_most: "{MOST}"}}'), "params.tickUpper"),
        (MINT_RULE + "  spends: []\n", "is known"),
        ('- {name: burn, chain: development, to: USD, call: "burn(uint256)"}', "what it spends"),
    ],
)
def test_a_rule_of_liquidity_that_leaves_a_gap_is_no_rule(rule: str, reason: str) -> None:
    with pytest.raises(BadPolicy, match=reason):
        with_rule(rule)
