"""Intents in the database: one key, one call, and every process reads the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.fees import Fees
from moray.contracts.intents import Attempt, Failure, IntentStatus, Mined
from moray.contracts.log import Log
from moray.contracts.outbox import Outbox
from moray.contracts.outbox_journal import Journal, WriterOvertaken
from moray.contracts.outbox_rows import call_columns, call_of
from moray.errors import BadSetting, CallReverted, EventMissing, OutboxConflict
from postgres_kit import postgres

SIGNER, MARKET = "0x" + "11" * 20, "0x" + "22" * 20
CALL = Call(MARKET, b"\1\2", ExpectedEvent(MARKET, (b"\3" * 32, b"\4" * 32)), "accept task 0x12ab", value_wei=2**200)
LOG = Log(MARKET, (b"\3" * 32,), b"\xff\0", 7, b"\6" * 32, b"\5" * 32, 0)
MINED = Mined(b"\5" * 32, 7, b"\6" * 32, 50_000, 2**80, (LOG,))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(postgres()) if request.param == "postgres" else f"sqlite:///{tmp_path / 'outbox'}"


@pytest.fixture
def outbox(database_url: str) -> Iterator[Outbox]:
    box = Outbox(database_url)
    yield box
    box.close()


def journal_of(outbox: Outbox) -> Journal:
    return Journal(outbox.engine, 31337, SIGNER)


def attempt(number: int, tx_nonce: int, is_cancellation: bool = False) -> Attempt:
    return Attempt(bytes([number]) * 32, tx_nonce, b"raw", 60_000, Fees(2**70, 2**65), is_cancellation, 3)


def test_a_key_stands_for_one_call(outbox: Outbox) -> None:
    outbox.put("accept", 31337, SIGNER, CALL)
    outbox.put("accept", 31337, SIGNER, CALL)
    assert len(journal_of(outbox).waiting()) == 1
    others = [(1, SIGNER, CALL), (31337, MARKET, CALL), *((31337, SIGNER, other) for other in changed())]
    for chain_id, signer, call in others:
        with pytest.raises(OutboxConflict, match="'accept' already stands for 'accept task 0x12ab'"):
            outbox.put("accept", chain_id, signer, call)
    assert outbox.state("never") is None


def changed() -> list[Call]:
    return [replace(CALL, data=b"\1\3"), replace(CALL, value_wei=0), replace(CALL, expects=None)]


def test_many_at_once_put_one_intent(outbox: Outbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(outbox.put, "accept", 31337, SIGNER, CALL) for _ in range(16)]:
            done.result()
    assert [intent.call for intent in journal_of(outbox).waiting()] == [CALL]


def test_an_intent_of_another_chain_or_signer_is_nobody_elses(outbox: Outbox) -> None:
    outbox.put("a", 1, SIGNER, CALL)
    outbox.put("b", 31337, MARKET, CALL)
    assert journal_of(outbox).waiting() == []


def test_any_process_reads_how_far_it_is(outbox: Outbox, database_url: str) -> None:
    reader, journal = Outbox(database_url), journal_of(outbox)
    outbox.put("accept", 31337, SIGNER, CALL)
    journal.sign(journal.waiting()[0], attempt(1, 0))
    journal.sign(journal.live()[0], attempt(2, 0))
    journal.note(journal.live()[0], "gas is dear")
    state = reader.state("accept")
    assert state is not None and (state.call, state.tx_nonce, state.note) == (CALL, 0, "gas is dear")
    assert state.tx_hashes == (b"\1" * 32, b"\2" * 32)
    assert journal.live()[0].attempts == (attempt(1, 0), attempt(2, 0))
    journal.finish(journal.live()[0], MINED, None)
    assert asyncio.run(reader.wait("accept")) == MINED
    reader.close()


def test_what_was_never_carried_out_may_be_asked_for_again(outbox: Outbox) -> None:
    journal = journal_of(outbox)
    outbox.put("accept", 31337, SIGNER, CALL)
    journal.refuse(journal.waiting()[0], Failure("call_reverted", "no", "TooLate"))
    with pytest.raises(CallReverted, match="no") as refused:
        asyncio.run(outbox.wait("accept"))
    assert refused.value.name == "TooLate"
    outbox.put("accept", 31337, SIGNER, CALL)
    journal.sign(journal.waiting()[0], attempt(1, 0))
    journal.sign(journal.live()[0], attempt(2, 0, is_cancellation=True), Failure("call_reverted", "called off"))
    journal.finish(journal.live()[0], replace(MINED, tx_hash=b"\2" * 32), journal.live()[0].failure)
    outbox.put("accept", 31337, SIGNER, CALL)
    assert len(journal.waiting()) == 1
    journal.sign(journal.waiting()[0], attempt(3, 1))
    journal.finish(journal.live()[0], replace(MINED, tx_hash=b"\3" * 32), Failure("event_missing", "no event"))
    outbox.put("accept", 31337, SIGNER, CALL)
    assert journal.waiting() == []
    with pytest.raises(EventMissing):
        asyncio.run(outbox.wait("accept"))


def test_two_writers_give_no_tx_nonce_twice(outbox: Outbox) -> None:
    journal = journal_of(outbox)
    for key in ("a", "b"):
        outbox.put(key, 31337, SIGNER, CALL)
    first, second = journal.waiting()
    journal.sign(first, attempt(1, 0))
    with pytest.raises(WriterOvertaken):
        journal.sign(first, attempt(2, 1))  # the intent has one already
    with pytest.raises(WriterOvertaken):
        journal.sign(second, attempt(3, 0))  # the tx_nonce is taken
    assert [intent.attempts for intent in journal.live()] == [(attempt(1, 0),)]
    assert [intent.id for intent in journal.waiting()] == [second.id]


def test_what_a_reorganisation_undid_is_live_again(outbox: Outbox) -> None:
    journal = journal_of(outbox)
    for number in range(3):
        outbox.put(f"call {number}", 31337, SIGNER, CALL)
        journal.sign(journal.waiting()[0], attempt(number, number))
        journal.finish(journal.live()[0], replace(MINED, tx_hash=bytes([number]) * 32), None)
    journal.reopen(1)
    assert [intent.tx_nonce for intent in journal.live()] == [1, 2]
    states = [outbox.state(f"call {number}") for number in range(3)]
    assert [state.status for state in states if state is not None] == [
        IntentStatus.FINAL,
        IntentStatus.SENT,
        IntentStatus.SENT,
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "looks like|is like"),
        ("mysql://user:secret@host/name", "mysql is no database for this"),
        ("sqlite://", "in memory"),
        ("sqlite:////no/such/folder/outbox", "there is no folder /no/such/folder"),
    ],
)
def test_a_url_of_no_database_is_one_line(url: str, said: str) -> None:
    with pytest.raises(BadSetting, match=said) as refused:
        Outbox(url)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)


ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")
EVENTS = st.builds(ExpectedEvent, ADDRESSES, st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple))


@given(st.builds(Call, ADDRESSES, st.binary(), st.none() | EVENTS, st.text(), st.integers(0, 2**256 - 1)))
def test_a_call_comes_out_of_its_row_as_it_went_in(call: Call) -> None:
    assert call_of(call_columns(call)) == call  # type: ignore[arg-type] # a row is a mapping
