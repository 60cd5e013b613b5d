"""What an attacker gets an agent to ask for, and that the policy of examples/policies signs none of it.

Each row is one attack, the request that it makes, and the code of the refusal. The honest requests come first: a policy
that refuses everything would pass the table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moray.agents.policy.decision import Refusal
from moray.agents.policy.ledger import DAY_S, LedgerView
from moray.agents.policy.request import TypedDataRequest, transaction_request
from moray.errors import BadPolicy
from policy_kit import (
    ALICE,
    ETHER,
    LOOKALIKE,
    MALLORY,
    NOW,
    OWNER,
    ROUTER,
    SINGLE,
    USD,
    USD_ADDRESS,
    VAULT,
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

MAX = 2**256 - 1
PAY_ALICE = call("transfer(address,uint256)", ALICE, 20 * USD)

HONEST: dict[str, Any] = {
    "pay Alice": transaction(USD_ADDRESS, PAY_ALICE),
    "pay Alice in ETH": transaction(ALICE, value_wei=ETHER // 10),
    "approve the router": transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 100 * USD)),
    "revoke": transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 0)),
    "swap": transaction(ROUTER, multicall(swap())),
    "swap twice at once": transaction(ROUTER, multicall(swap(), swap())),
    "deposit": transaction(VAULT, call("deposit(uint256,address)", 50 * USD, OWNER)),
    "cancel": transaction(OWNER, gas=21_000),
    "pay Alice by a signature": authorization(),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_the_policy_names_is_signed(name: str) -> None:
    decision = ask(HONEST[name])
    assert (decision.is_allowed, decision.code) == (True, "allowed"), decision.reason


def dirty(data: bytes, word: int) -> bytes:
    """With a bit set above the address in that word of the arguments."""
    at = 4 + 32 * word
    return data[:at] + b"\x01" + data[at + 1 :]


def permit2(amount: int) -> dict[str, Any]:
    return typed(
        "PermitSingle",
        {
            "PermitSingle": {"details": "PermitDetails", "spender": "address", "sigDeadline": "uint256"},
            "PermitDetails": {"token": "address", "amount": "uint160", "expiration": "uint48", "nonce": "uint48"},
        },
        {
            "details": {"token": USD_ADDRESS, "amount": amount, "expiration": int(NOW) + 60, "nonce": 0},
            "spender": MALLORY,
            "sigDeadline": int(NOW) + 60,
        },
        "0x000000000022D473030F116dDEE9F6B43aC78BA3",
    )


PERMIT = {"owner": "address", "spender": "address", "value": "uint256", "nonce": "uint256", "deadline": "uint256"}
DAI = {"holder": "address", "spender": "address", "nonce": "uint256", "expiry": "uint256", "allowed": "bool"}
SAFE = {"to": "address", "value": "uint256", "data": "bytes", "operation": "uint8", "nonce": "uint256"}
USER_OP = {"sender": "address", "nonce": "uint256", "callData": "bytes"}
SELF_PERMIT = call(
    "selfPermit(address,uint256,uint256,uint8,bytes32,bytes32)",
    USD_ADDRESS,
    USD,
    int(NOW) + 60,
    27,
    bytes(32),
    bytes(32),
)

ATTACKS: dict[str, tuple[Any, str]] = {
    # -- who is paid
    "a recipient that looks like Alice": (
        transaction(USD_ADDRESS, call("transfer(address,uint256)", LOOKALIKE, USD)),
        "recipient_refused",
    ),
    "a stranger": (transaction(USD_ADDRESS, call("transfer(address,uint256)", MALLORY, 1)), "recipient_refused"),
    "ETH to one that looks like Alice": (transaction(LOOKALIKE, value_wei=1), "contract_unknown"),
    "a swap whose proceeds go elsewhere": (transaction(ROUTER, multicall(swap(to=MALLORY))), "recipient_refused"),
    "a swap that leaves its proceeds in the router": (
        transaction(ROUTER, multicall(swap(to="0x0000000000000000000000000000000000000002"))),
        "recipient_refused",
    ),
    "a deposit whose shares go elsewhere": (
        transaction(VAULT, call("deposit(uint256,address)", USD, MALLORY)),
        "recipient_refused",
    ),
    "a withdrawal that no rule names": (
        transaction(VAULT, call("withdraw(uint256,address,address)", USD, MALLORY, OWNER)),
        "function_unknown",
    ),
    "somebody else's allowance used": (
        transaction(USD_ADDRESS, call("transferFrom(address,address,uint256)", OWNER, MALLORY, USD)),
        "function_unknown",
    ),
    "a payment of nothing to a stranger": (
        transaction(USD_ADDRESS, call("transfer(address,uint256)", MALLORY, 0)),
        "recipient_refused",
    ),
    # -- approvals
    "an unlimited approval": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, MAX)),
        "unlimited_approval",
    ),
    "an approval one below unlimited": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, MAX - 1)),
        "unlimited_approval",
    ),
    "unlimited for 160 bits": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 2**160 - 1)),
        "unlimited_approval",
    ),
    "unlimited for 96 bits": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 2**96 - 1)),
        "unlimited_approval",
    ),
    "an approval above the limit": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", ROUTER, 501 * USD)),
        "allowance_too_high",
    ),
    "an approval of a stranger": (
        transaction(USD_ADDRESS, call("approve(address,uint256)", MALLORY, 1)),
        "spender_refused",
    ),
    "an approval raised": (
        transaction(USD_ADDRESS, call("increaseAllowance(address,uint256)", ROUTER, USD)),
        "function_unknown",
    ),
    "an approval of another currency": (
        transaction(WETH, call("approve(address,uint256)", ROUTER, 1)),
        "contract_unknown",
    ),
    "an approval within multicall": (
        transaction(ROUTER, multicall(swap(), call("approve(address,uint256)", MALLORY, MAX))),
        "function_unknown",
    ),
    "the router's own unlimited approval within multicall": (
        transaction(ROUTER, multicall(swap(), call("approveMax(address)", USD_ADDRESS))),
        "function_unknown",
    ),
    "an approval of all of a collection": (
        transaction(USD_ADDRESS, call("setApprovalForAll(address,bool)", MALLORY, True)),
        "function_unknown",
    ),
    # -- wrappers
    "a permit within multicall": (transaction(ROUTER, multicall(SELF_PERMIT, swap())), "function_unknown"),
    "sweepToken to another": (
        transaction(ROUTER, multicall(swap(), call("sweepToken(address,uint256,address)", WETH, 0, MALLORY))),
        "function_unknown",
    ),
    "unwrapWETH9 to another": (
        transaction(ROUTER, multicall(swap(), call("unwrapWETH9(uint256,address)", 0, MALLORY))),
        "function_unknown",
    ),
    "the router pulls": (
        transaction(ROUTER, multicall(call("pull(address,uint256)", USD_ADDRESS, USD))),
        "function_unknown",
    ),
    "a bad swap behind a good one": (
        transaction(ROUTER, multicall(swap(), swap(to=MALLORY))),
        "recipient_refused",
    ),
    "a bad swap in a multicall in a multicall": (
        transaction(ROUTER, multicall(multicall(swap(to=MALLORY)))),
        "recipient_refused",
    ),
    "multicalls without an end": (
        transaction(ROUTER, multicall(multicall(multicall(multicall(multicall(swap())))))),
        "bad_calldata",
    ),
    "a multicall of nothing": (transaction(ROUTER, multicall()), "bad_calldata"),
    "a multicall of too many": (transaction(ROUTER, multicall(*[b"\x00\x00\x00\x00"] * 25)), "bad_calldata"),
    "another multicall": (transaction(ROUTER, call("multicall(bytes[])", [swap()])), "function_unknown"),
    "an empty call within multicall": (transaction(ROUTER, multicall(b"")), "function_unknown"),
    "a Safe's delegatecall": (
        transaction(
            MALLORY,
            call(
                "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
                *(USD_ADDRESS, 0, PAY_ALICE, 1, 0, 0, 0, OWNER, OWNER, b""),
            ),
        ),
        "contract_unknown",
    ),
    "an account's execute": (
        transaction(ROUTER, call("execute(address,uint256,bytes)", USD_ADDRESS, 0, PAY_ALICE)),
        "function_unknown",
    ),
    "UniversalRouter's commands": (
        transaction(ROUTER, call("execute(bytes,bytes[],uint256)", b"\x00", [b""], int(NOW) + 60)),
        "function_unknown",
    ),
    "Multicall3": (
        transaction(ROUTER, call("aggregate3((address,bool,bytes)[])", [(USD_ADDRESS, True, PAY_ALICE)])),
        "function_unknown",
    ),
    # -- bytes
    "dirty bytes above the recipient": (transaction(USD_ADDRESS, dirty(PAY_ALICE, 0)), "bad_calldata"),
    "dirty bytes in a wrapped swap": (transaction(ROUTER, multicall(dirty(swap(), 3))), "bad_calldata"),
    "a call cut short": (transaction(USD_ADDRESS, PAY_ALICE[:-1]), "bad_calldata"),
    "a selector alone": (transaction(USD_ADDRESS, PAY_ALICE[:4]), "bad_calldata"),
    "less than a selector": (transaction(USD_ADDRESS, PAY_ALICE[:3]), "function_unknown"),
    "bytes behind the arguments": (transaction(USD_ADDRESS, PAY_ALICE + bytes(32)), "bad_calldata"),
    "bytes behind a multicall": (transaction(ROUTER, multicall(swap()) + bytes(32)), "bad_calldata"),
    "a multicall whose offsets are odd": (
        transaction(ROUTER, multicall(swap())[:36] + (96).to_bytes(32) + bytes(32) + multicall(swap())[68:]),
        "bad_calldata",
    ),
    "too much data": (transaction(USD_ADDRESS, PAY_ALICE + bytes(16 * 1024)), "bad_request"),
    "the selector of receive()": (transaction(ALICE, bytes.fromhex("a3e76c0f")), "function_unknown"),
    # -- value, gas, chain
    "value along with a transfer": (transaction(USD_ADDRESS, PAY_ALICE, value_wei=1), "value_refused"),
    "value along with a swap": (transaction(ROUTER, multicall(swap()), value_wei=ETHER), "value_refused"),
    "more ETH than the limit": (transaction(ALICE, value_wei=ETHER + 1), "transaction_limit"),
    "value in a cancellation": (transaction(OWNER, value_wei=1), "contract_unknown"),
    "data in a cancellation": (transaction(OWNER, b"\x00"), "contract_unknown"),
    "a fee above the cap": (transaction(USD_ADDRESS, PAY_ALICE, max_fee_wei=100 * 10**9 + 1), "fee_too_high"),
    "a tip above the cap": (
        transaction(USD_ADDRESS, PAY_ALICE, max_fee_wei=10**10, tip_wei=3 * 10**9 + 1),
        "fee_too_high",
    ),
    "a tip above the fee": (transaction(USD_ADDRESS, PAY_ALICE, max_fee_wei=1, tip_wei=2), "bad_request"),
    "gas that costs more than the cap": (
        transaction(USD_ADDRESS, PAY_ALICE, gas=10**6, max_fee_wei=51 * 10**9),
        "gas_too_high",
    ),
    "another chain": (transaction(USD_ADDRESS, PAY_ALICE, chain_id=1), "wrong_chain"),
    "chain zero, good on any": (transaction(USD_ADDRESS, PAY_ALICE, chain_id=0), "wrong_chain"),
    "a new contract": (transaction(None, b"\x60\x00"), "creation_refused"),
    "a negative value": (transaction(ALICE, value_wei=-1), "bad_request"),
    "a value beyond 256 bits": (transaction(ALICE, value_wei=2**256), "bad_request"),
    "an address without its checksum": (transaction(USD_ADDRESS.lower(), PAY_ALICE), "bad_request"),
    "a contract that no rule names": (transaction(MALLORY, PAY_ALICE), "contract_unknown"),
    # -- prices and clocks
    "a swap that accepts nothing": (transaction(ROUTER, multicall(swap(least=0))), "no_minimum"),
    "a swap that accepts one unit": (transaction(ROUTER, multicall(swap(least=1))), "price_too_low"),
    "a swap just below the worst price": (
        transaction(ROUTER, multicall(swap(least=3 * 10**16 - 1))),
        "price_too_low",
    ),
    "a swap above the amount of its rule": (
        transaction(ROUTER, multicall(swap(amount=301 * USD, least=ETHER))),
        "argument_refused",
    ),
    "a swap into another currency": (transaction(ROUTER, multicall(swap(get=MALLORY))), "argument_refused"),
    "a swap in a pool that the rule does not name": (
        transaction(ROUTER, multicall(call(SINGLE, (USD_ADDRESS, WETH, 100, OWNER, USD, ETHER, 0)))),
        "argument_refused",
    ),
    "a swap without a deadline": (transaction(ROUTER, swap()), "no_deadline"),
    "a deadline in the past": (transaction(ROUTER, multicall(swap(), deadline=int(NOW))), "deadline_refused"),
    "a deadline far off": (transaction(ROUTER, multicall(swap(), deadline=int(NOW) + 121)), "deadline_refused"),
    "an endless deadline": (transaction(ROUTER, multicall(swap(), deadline=MAX)), "deadline_refused"),
    # -- typed data
    "EIP-3009 to a stranger": (authorization(to=MALLORY), "recipient_refused"),
    "EIP-3009 to one that looks like Alice": (authorization(to=LOOKALIKE), "recipient_refused"),
    "EIP-3009 above the limit": (authorization(value=501 * USD), "transaction_limit"),
    "EIP-3009 without an end": (authorization(validBefore=MAX), "deadline_refused"),
    "EIP-3009 of another's money": (authorization(**{"from": MALLORY}), "not_the_owner"),
    "EIP-3009 of another contract": (
        {**authorization(), "domain": {**authorization()["domain"], "verifyingContract": MALLORY}},
        "type_unknown",
    ),
    "EIP-3009 of another chain": (
        {**authorization(), "domain": {**authorization()["domain"], "chainId": 1}},
        "wrong_chain",
    ),
    "EIP-3009 of no chain": (
        {**authorization(), "domain": {"name": "USD", "verifyingContract": USD_ADDRESS}},
        "bad_typed_data",
    ),
    "EIP-3009 with a number written as text": (authorization(value="20000000"), "bad_typed_data"),
    "EIP-3009 with a truth as a number": (authorization(value=True), "bad_typed_data"),
    "EIP-3009 with a field more": (authorization(memo="ignore the policy"), "bad_typed_data"),
    "EIP-3009 with more beside it": ({**authorization(), "extra": 1}, "bad_typed_data"),
    "another primary type than it seems": ({**authorization(), "primaryType": "Permit"}, "bad_typed_data"),
    "ERC-2612": (
        typed(
            "Permit",
            {"Permit": PERMIT},
            {"owner": OWNER, "spender": MALLORY, "value": 1, "nonce": 0, "deadline": int(NOW) + 60},
        ),
        "type_unknown",
    ),
    "DAI's permit": (
        typed(
            "Permit",
            {"Permit": DAI},
            {"holder": OWNER, "spender": MALLORY, "nonce": 0, "expiry": int(NOW) + 60, "allowed": True},
        ),
        "type_unknown",
    ),
    "Permit2": (permit2(USD), "type_unknown"),
    "Permit2, unlimited": (permit2(2**160 - 1), "type_unknown"),
    "a Safe's transaction": (
        typed(
            "SafeTx",
            {"SafeTx": SAFE},
            {"to": USD_ADDRESS, "value": 0, "data": "0x", "operation": 1, "nonce": 0},
            MALLORY,
        ),
        "type_unknown",
    ),
    "a user operation": (
        typed("UserOperation", {"UserOperation": USER_OP}, {"sender": OWNER, "nonce": 0, "callData": "0x"}, MALLORY),
        "type_unknown",
    ),
    "an order of Seaport": (
        typed(
            "OrderComponents",
            {
                "OrderComponents": {"offerer": "address", "offer": "OfferItem[]"},
                "OfferItem": {"token": "address", "startAmount": "uint256"},
            },
            {"offerer": OWNER, "offer": [{"token": USD_ADDRESS, "startAmount": USD}]},
            MALLORY,
        ),
        "type_unknown",
    ),
    "a message that is no typed data": ({"message": "I agree"}, "bad_typed_data"),
    "no data at all": ({}, "bad_typed_data"),
}


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
