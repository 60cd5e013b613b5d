"""Injections of every kind, each through all that decides: what a stranger's words would have done is not grounded in
the user's own, and what an agent that obeyed would ask for is not signed by a signer of the example's policy.

A key that signs says so here: the journal on disk must hold the decision for exactly that, as its newest.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attack_kit import ATTACKS, BYTES, HONEST, LOOK_ALIKES, MAX, PAY_ALICE, UNLIMITED, WORDS
from moray.actions import Swap, parse_action
from moray.agents.assistant import check
from moray.agents.journal import Journal, read_entries
from moray.agents.policy.decision import Refusal
from moray.agents.policy.judge import PolicyJudge
from moray.agents.policy.request import SignRequest, TransactionRequest, TypedDataRequest, transaction_request
from moray.agents.signer.approvals import Approval, ApprovalFile, draft
from moray.agents.signer.book import Book
from moray.agents.signer.breaker import Breaker
from moray.agents.signer.client import SignerClient
from moray.agents.signer.desk import Desk, fields_of
from moray.agents.signer.digests import digest_of
from moray.agents.signer.messages import (
    Approve,
    Kill,
    Request,
    SignTypedData,
    Status,
    transaction_message,
    typed_text,
)
from moray.agents.signer.server import SignerServer, Visitors
from moray.contracts.development_keys import DEVELOPMENT_KEYS
from moray.errors import ApprovalNeeded, ApprovalRefused, MorayError, PolicyDenied
from moray.node_key import NodeKey, TypedData
from policy_kit import ALICE, NOW, OWNER, POLICY, TEXT, USD, USD_ADDRESS, call, transaction
from signer_home import signer_home
from signer_kit import CHAIN_ID, KEY, STRANGER, Clock

USER = 1234
ACCOUNT, APPROVER = DEVELOPMENT_KEYS[1], DEVELOPMENT_KEYS[3]  # the example's owner, and its approver
LARGE = transaction(USD_ADDRESS, call("transfer(address,uint256)", ALICE, 401 * USD))  # needs an approval
NEVER = Breaker(max_faults=10**9)  # else it would refuse in the policy's place


class WitnessKey:
    """Signs only that for which the newest decision on disk is an allowed one."""

    address = OWNER

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.num_signed = 0

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        request = transaction_request(fields)
        decided = self._witnessed(request.digest)
        assert decided["tx_nonce"] == str(request.tx_nonce) and decided["max_fee_wei"] == str(request.max_fee_wei)
        return ACCOUNT.sign_transaction(fields)

    def sign_typed_data(self, data: TypedData) -> bytes:
        self._witnessed(digest_of(TypedDataRequest(data)))
        return ACCOUNT.sign_typed_data(data)

    def _witnessed(self, digest: str | None) -> dict[str, Any]:
        newest = [entry.fields for entry, _ in read_entries(self._journal) if entry.kind == "decision"][-1]
        assert newest["outcome"] == "allowed" and newest["request"]["digest"] == digest
        self.num_signed += 1
        found: dict[str, Any] = newest["request"]
        return found


@dataclass
class Bank:
    desk: Desk
    key: WitnessKey
    book: Book
    journal: Journal
    clock: Clock

    def ask(self, request: SignRequest | TypedData) -> bytes:
        """As the server hands it on: what is no transaction at all does not come so far (Refusal)."""
        if isinstance(request, TransactionRequest):
            return self.desk.sign(transaction_request(fields_of(request)), USER)
        return self.desk.sign(TypedDataRequest(request) if isinstance(request, dict) else request, USER)

    def close(self) -> None:
        self.journal.close()
        self.book.close()


def open_bank(folder: Path) -> Bank:
    journal, book, clock = Journal(folder / "journal"), Book(folder / "ledger"), Clock(NOW)
    key = WitnessKey(folder / "journal")
    live = frozenset({CHAIN_ID})
    desk = Desk(key, PolicyJudge(POLICY), book, journal, folder / "ledger.halted", live, NEVER, clock)
    return Bank(desk, key, book, journal, clock)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = open_bank(tmp_path)
    yield made
    made.close()


def agreed(file: ApprovalFile, *keys: Any) -> tuple[Approval, tuple[str, ...]]:
    return file.approval, tuple(f"0x{key.sign_typed_data(file.approval.typed_data).hex()}" for key in keys)


def asked(bank: Bank, request: SignRequest, salt: int = 1) -> ApprovalFile:
    return draft([request], OWNER, POLICY.version, int(bank.clock.now) + 3600, bytes([salt]) * 32)


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORDS)
def test_what_a_stranger_wrote_is_not_what_the_user_asked_for(name: str) -> None:
    said, written = WORDS[name]
    assert not asyncio.run(check([said], parse_action(json.dumps(written)))).agrees
    honest = Swap(pay="USDC", get="WETH", amount="100")
    assert asyncio.run(check([said], honest)).agrees, "what the user asked for, beside it, still holds"


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_no_attack_is_signed_and_what_is_honest_is(bank: Bank) -> None:
    for name, request in BYTES.items():
        with pytest.raises((PolicyDenied, Refusal)):
            bank.ask(request)
        assert bank.key.num_signed == 0, name
    for number, name in enumerate(HONEST):
        request = HONEST[name]
        assert bank.ask(request if isinstance(request, dict) else replace(request, tx_nonce=number)), name
        bank.clock.now = NOW
    assert bank.key.num_signed == len(HONEST)


FORGERS = {
    "nobody": (),
    "a stranger": (STRANGER,),
    "the account itself": (ACCOUNT,),
    "the account and a stranger": (ACCOUNT, STRANGER),
    "the same stranger twice": (STRANGER, STRANGER),
}


@pytest.mark.parametrize("forger", FORGERS)
def test_an_approval_that_nobody_entitled_signed_signs_nothing(bank: Bank, forger: str) -> None:
    with pytest.raises(ApprovalRefused):
        bank.desk.approve(*agreed(asked(bank, LARGE), *FORGERS[forger]), USER)
    with pytest.raises(ApprovalNeeded):
        bank.ask(LARGE)
    assert bank.key.num_signed == 0


CHANGES: dict[str, dict[str, Any]] = {
    "another account": {"account": STRANGER.address},
    "another chain": {"chain_id": 1},
    "a later deadline": {"deadline": int(NOW) + 7200},
    "another salt": {"salt": "0x" + "22" * 32},
    "another version of the policy": {"policy_version": "0" * 64},
    "no salt": {"salt": "0x" + "00" * 32},
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_approval_with_a_word_changed_after_it_was_signed_signs_nothing(bank: Bank, change: str) -> None:
    approval, signatures = agreed(asked(bank, LARGE), APPROVER)
    with pytest.raises(ApprovalRefused):
        bank.desk.approve(approval.model_copy(update=CHANGES[change]), signatures, USER)
    with pytest.raises(ApprovalNeeded):
        bank.ask(LARGE)
    assert bank.key.num_signed == 0


REPLAYS: dict[str, SignRequest] = {
    "at the next tx_nonce": replace(LARGE, tx_nonce=1),
    "for more": replace(LARGE, tx_nonce=1, data=call("transfer(address,uint256)", ALICE, 402 * USD)),
    "at a tx_nonce far off": replace(LARGE, tx_nonce=10**6),
}


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("is_handed_in_again", [False, True])
def test_an_approval_is_used_once(bank: Bank, replay: str, is_handed_in_again: bool) -> None:
    approval = agreed(asked(bank, LARGE), APPROVER)
    bank.desk.approve(*approval, USER)
    assert bank.ask(LARGE)
    if is_handed_in_again:
        bank.desk.approve(*approval, USER)
    bank.clock.now += 3599  # it still holds
    with pytest.raises((ApprovalNeeded, PolicyDenied)):
        bank.ask(REPLAYS[replay])
    assert bank.key.num_signed == 1


GWEI = 10**9
BUMPS = [(101, 1), (1000, 1), (10**6, 1), (100, 4), (10, 11)]  # gwei of fee and tip


@pytest.mark.parametrize("fees", BUMPS, ids=str)
def test_a_fee_bump_beyond_a_cap_is_not_signed(bank: Bank, fees: tuple[int, int]) -> None:
    first = transaction(USD_ADDRESS, PAY_ALICE)
    assert bank.ask(first)
    with pytest.raises((PolicyDenied, Refusal)):
        bank.ask(replace(first, max_fee_wei=fees[0] * GWEI, tip_wei=fees[1] * GWEI))
    assert bank.key.num_signed == 1


def test_there_are_enough_of_every_kind() -> None:
    kinds = {
        **{kind: sum(name.startswith(kind) for name in WORDS) for kind in ("memo", "token name", "web text", "memory")},
        "tool result": sum(name.startswith("tool result") for name in WORDS),
        "forged approval": len(FORGERS) + len(CHANGES),
        "typed data": sum(isinstance(request, dict) for request, _ in ATTACKS.values()),
        "look-alike": len(LOOK_ALIKES),
        "unlimited approval": len(UNLIMITED),
        "fee bump": len(BUMPS),
        "replayed approval": 2 * len(REPLAYS),
    }
    assert min(kinds.values()) >= 5 and sum(kinds.values()) >= 100, kinds


# -- the process ------------------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_the_process_signs_none_of_a_sample_and_signs_what_is_honest() -> None:
    """Fewer than the circuit breaker's, which would refuse in the policy's place."""
    sample = [request for number, request in enumerate(BYTES.values()) if number % 8 == 0]
    assert 10 <= len(sample) < Breaker().max_faults
    with signer_home(TEXT.replace(OWNER, KEY.address)) as home:
        home.start(f"--live={CHAIN_ID}")
        for request in sample:
            with pytest.raises((MorayError, TypeError)):
                ask_process(home.client, request)
        assert not home.client.status()["halted"]
        assert ask_process(home.client, transaction(USD_ADDRESS, PAY_ALICE))
        home.end()
        kinds = [entry.kind for entry, _ in read_entries(home.path("journal"))]
        assert kinds.count("signed") == 1 and kinds[-2:] == ["decision", "signed"]


def ask_process(client: SignerClient, request: TransactionRequest | TypedData) -> bytes:
    if isinstance(request, TransactionRequest):
        return client.sign_transaction(fields_of(request))
    return client.sign_typed_data(request)


# -- every order ------------------------------------------------------------------------------------------------------


def message_of(request: TransactionRequest | TypedData) -> Request | None:
    """None for what no client could even send."""
    with suppress(ValueError, TypeError):
        if isinstance(request, TransactionRequest):
            return transaction_message(fields_of(request))
        return SignTypedData(text=typed_text(request))
    return None


def approve_message(request: SignRequest, salt: int, key: NodeKey) -> Approve:
    file = draft([request], OWNER, POLICY.version, int(NOW) + 3600, bytes([salt]) * 32)
    approval, signatures = agreed(file, key)
    return Approve(approval=approval.model_dump_json(), signatures=list(signatures))


PLACES = st.integers(0, 4)
TRANSACTIONS = st.sampled_from([each for each in HONEST.values() if not isinstance(each, dict)] + [LARGE])
MESSAGES: st.SearchStrategy[Request] = st.one_of(
    st.sampled_from([message for each in (*BYTES.values(), *HONEST.values()) if (message := message_of(each))]),
    st.builds(
        lambda request, place, fee: transaction_message(
            fields_of(replace(request, tx_nonce=place, max_fee_wei=fee * GWEI))
        ),
        TRANSACTIONS,
        PLACES,
        st.sampled_from([1, 2, 50, 101]),
    ),
    st.builds(approve_message, st.just(LARGE), PLACES, st.sampled_from([APPROVER, STRANGER, ACCOUNT])),
    st.sampled_from([Status(), Kill(), SignTypedData(text="{}"), SignTypedData(text="no"), transaction_message({})]),
)


@settings(max_examples=25)
@given(st.lists(st.tuples(MESSAGES, st.integers(0, 4000), st.booleans()), max_size=14))
def test_no_sequence_of_requests_gets_a_signature_without_an_allowed_decision_before_it(
    steps: list[tuple[Request, int, bool]],
) -> None:
    """Through all that answers at the socket. The key itself looks (WitnessKey); and so does this, in the journal."""
    with TemporaryDirectory() as folder:
        bank = open_bank(Path(folder))
        server, replies = SignerServer(Path(folder) / "socket", bank.desk, Visitors()), 0
        for message, pause_s, is_revived in steps:
            bank.clock.now += pause_s
            if is_revived:
                with bank.book.begin() as pages:
                    pages.revive()
            reply = server.answer(message, USER)
            assert reply.kind == "done" or reply.error != "failed", "a fault would hide what the key saw"
            replies += bool(reply.kind == "done" and reply.result)
        lines = [entry for entry, _ in read_entries(bank.journal.path)]
        bank.close()
    waiting: list[str] = []
    num_signed = 0
    for line in lines:
        if line.kind == "decision" and line.fields["outcome"] == "allowed":
            waiting.append(line.fields["request"]["digest"])
        elif line.kind == "signed":
            assert waiting.pop() == line.fields["digest"]
            num_signed += 1
    assert not waiting and replies == num_signed == bank.key.num_signed


def test_a_key_that_is_asked_without_a_decision_is_found_out(bank: Bank) -> None:
    """The witness of the test above does fail."""
    bank.ask(transaction(USD_ADDRESS, PAY_ALICE))
    with pytest.raises(AssertionError):
        bank.key.sign_transaction(fields_of(transaction(USD_ADDRESS, PAY_ALICE, max_fee_wei=MAX >> 200)))
