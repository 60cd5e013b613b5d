"""What holds of the policy for every request, every book and every order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from moray.agents.policy.decide import decide
from moray.agents.policy.ledger import DAY_S, HOUR_S, LedgerView
from moray.agents.policy.meaning import CALLS
from moray.agents.policy.policy import Policy
from moray.agents.policy.request import SignRequest, TransactionRequest, TypedDataRequest
from policy_kit import (
    ALICE,
    NOW,
    OWNER,
    POLICY,
    ROUTER,
    USD,
    USD_ADDRESS,
    VAULT,
    WETH,
    Book,
    ask,
    authorization,
    call,
    multicall,
    swap,
    transaction,
    with_rule,
)

ADDRESSES = st.sampled_from([OWNER, ALICE, ROUTER, VAULT, USD_ADDRESS, WETH])
AMOUNTS = st.integers(0, 600).map(lambda each: each * USD)
TARGETS = {rule.to for rule in POLICY.calls}
NAMED = {(rule.to, rule.function.selector) for rule in POLICY.calls}

HONEST_CALLS = st.one_of(
    st.builds(lambda amount: (USD_ADDRESS, call("transfer(address,uint256)", ALICE, amount)), AMOUNTS),
    st.builds(lambda amount: (USD_ADDRESS, call("approve(address,uint256)", ROUTER, amount)), AMOUNTS),
    st.builds(lambda amount: (USD_ADDRESS, call("approve(address,uint256)", VAULT, amount)), AMOUNTS),
    st.builds(lambda amount: (ROUTER, multicall(swap(amount=amount, least=10**18))), AMOUNTS),
    st.builds(lambda amount: (VAULT, call("deposit(uint256,address)", amount, OWNER)), AMOUNTS),
)
HONEST: st.SearchStrategy[SignRequest] = st.one_of(
    st.builds(lambda pair, place: transaction(pair[0], pair[1], tx_nonce=place), HONEST_CALLS, st.integers(0, 6)),
    st.builds(
        lambda amount, salt: TypedDataRequest(authorization(value=amount, nonce="0x" + f"{salt:02x}" * 32)),
        AMOUNTS,
        st.integers(0, 4),
    ),
)
SELECTORS = st.sampled_from([selector for selector in CALLS] + [rule.function.selector for rule in POLICY.calls])
BYTES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda selector, words: selector + b"".join(words), SELECTORS, st.lists(st.binary(min_size=32, max_size=32))
    ),
    st.builds(
        lambda selector, words: selector + b"".join(word.to_bytes(32) for word in words),
        SELECTORS,
        st.lists(st.integers(0, 400), max_size=12),
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
)


@given(ADDRESSES, BYTES, st.integers(0, 10**18))
@settings(max_examples=400)
def test_whatever_bytes_come_in_decide_returns_and_allows_nothing_that_no_rule_names(
    to: str, data: bytes, value: int
) -> None:
    decision = ask(transaction(to, data, value_wei=value))
    if decision.is_allowed and not (to == OWNER and not data and not value):
        assert to in TARGETS
        assert not data or (to, data[:4]) in NAMED


@given(st.dictionaries(st.sampled_from(["types", "primaryType", "domain", "message"]), JSON))
def test_whatever_typed_data_comes_in_decide_returns_a_refusal(data: dict[str, Any]) -> None:
    assert ask(data).code == "bad_typed_data"


@given(st.sampled_from(["types", "primaryType", "domain", "message"]), JSON)
def test_typed_data_with_one_part_replaced_is_refused(part: str, value: Any) -> None:
    assert not ask(authorization() | {part: value}).is_allowed


@given(st.lists(HONEST, max_size=25), st.lists(st.integers(0, 3000), min_size=25, max_size=25))
@settings(max_examples=60)
def test_what_was_signed_never_exceeds_a_limit_in_any_order(requests: list[SignRequest], pauses: list[int]) -> None:
    """Counted here anew, from the reserves of the signed alone: spends beyond the allowances that could feed them."""
    book, signed = Book(_without_approvals(POLICY)), dict[Any, tuple[float, int]]()
    limits = POLICY.assets[31337, USD_ADDRESS].limits
    for request, pause in zip(requests, pauses, strict=False):
        book.now += pause
        decision = book.ask(request)
        if not decision.is_allowed:
            continue
        key = request.tx_nonce if isinstance(request, TransactionRequest) else request.data["message"]["nonce"]
        spent = sum(each.amount for each in decision.reserves if (each.kind, each.asset) == ("spend", USD_ADDRESS))
        signed[key] = (book.now, spent)
        assert spent <= limits.per_transaction
        for window_s, limit in ((HOUR_S, limits.per_hour), (DAY_S, limits.per_day)):
            recent = sum(amount for at, amount in signed.values() if at > book.now - window_s)
            assert recent - _open_allowances(book.ledger) <= limit
            assert _open_allowances(book.ledger) <= limit


def _open_allowances(ledger: LedgerView) -> int:
    return sum(reserve.amount for entry in ledger.entries for reserve in entry.reserves if reserve.kind == "allowance")


def _without_approvals(policy: Policy) -> Policy:
    assets = {
        key: replace(asset, limits=replace(asset.limits, approval_above=None)) for key, asset in policy.assets.items()
    }
    return replace(policy, assets=assets)


def _stricter(policy: Policy, dropped: int, percent: int, is_asking: bool) -> Policy:
    """One rule less, and every limit of every asset lowered."""

    def less(amount: int) -> int:
        return amount * percent // 100

    assets = {}
    for key, asset in policy.assets.items():
        old = asset.limits
        limits = replace(
            old,
            per_transaction=less(old.per_transaction),
            per_hour=less(old.per_hour),
            per_day=less(old.per_day),
            per_counterparty_per_day=less(old.per_counterparty_per_day),
            allowance=less(old.allowance),
            approval_above=0 if is_asking else old.approval_above,
        )
        assets[key] = replace(asset, limits=limits)
    calls = tuple(rule for place, rule in enumerate(policy.calls) if place != dropped)
    return replace(policy, assets=assets, calls=calls)


@given(st.lists(HONEST, max_size=6), HONEST, st.integers(0, 8), st.integers(0, 100), st.booleans())
@settings(max_examples=150)
def test_a_stricter_policy_never_allows_more(
    before: list[SignRequest], request: SignRequest, dropped: int, percent: int, is_asking: bool
) -> None:
    book = Book()
    for each in before:
        book.ask(each)
    strict = decide(_stricter(POLICY, dropped, percent, is_asking), request, book.ledger, NOW)
    if strict.is_allowed:
        assert decide(POLICY, request, book.ledger, NOW).is_allowed


@given(st.lists(HONEST, max_size=12), HONEST)
@settings(max_examples=100)
def test_what_is_signed_never_makes_less_of_what_is_used(before: list[SignRequest], request: SignRequest) -> None:
    book = Book(_without_approvals(POLICY))
    for each in before:
        book.ask(each)
    used = book.ledger.used(31337, USD_ADDRESS, NOW, DAY_S)
    book.ask(request)
    assert book.ledger.used(31337, USD_ADDRESS, NOW, DAY_S) >= used


STRANGER_RULE = """
- name: pay anybody in USD
  chain: development
  to: USD
  call: transfer(address to, uint256 amount)
  recipients: anyone
"""


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30_000)), max_size=25))
@settings(max_examples=100)
def test_small_payments_open_no_way_for_large_ones(payments: list[tuple[int, int]]) -> None:
    """Nobody to whom no approver agreed gets more than ``new_recipient_above`` in any day, in any number of pieces."""
    book = Book(_without_approvals(with_rule(STRANGER_RULE)), LedgerView())
    above = book.policy.assets[31337, USD_ADDRESS].limits.new_recipient_above
    assert above == 50 * USD
    paid: list[tuple[float, int]] = []
    for tx_nonce, (dollars, pause_s) in enumerate(payments):
        book.now += pause_s
        data = call("transfer(address,uint256)", ALICE, dollars * USD)
        decision = book.ask(transaction(USD_ADDRESS, data, tx_nonce=tx_nonce))
        within = sum(amount for at, amount in paid if at > book.now - DAY_S) + dollars * USD
        assert decision.is_allowed == (within <= above or not dollars)
        if decision.is_allowed:
            paid.append((book.now, dollars * USD))
