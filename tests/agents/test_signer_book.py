"""The signer's ledger over a long life: what it puts away is what no decision could have missed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.agents.policy.ledger import DAY_S, HOUR_S, Entry, LedgerView, Reserve
from moray.agents.signer.book import Book, Pages
from moray.agents.signer.seen import Fate, Seen, settled
from moray.errors import PolicyDenied
from signer_kit import CHAIN_ID, ETHER, office, payment

ASSET, SPENDER, FRIEND = "0xA", "0xB", "0xC"
GRANT = (ASSET, SPENDER)
RESERVES = {
    "pay": Reserve("spend", CHAIN_ID, ASSET, 1, FRIEND),
    "allow": Reserve("allowance", CHAIN_ID, ASSET, 1, SPENDER, is_shown=True),
    "pull": Reserve("spend", CHAIN_ID, ASSET, 1, SPENDER, is_pulled=True),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(RESERVES)), st.integers(1, 50), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 2 * DAY_S), st.booleans()),
        st.tuples(st.just("settle"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("again"), st.integers(0, 20), st.booleans()),
    ),
    max_size=30,
)


def num_counted(ledger: Path) -> int:
    connection = sqlite3.connect(ledger)
    (count,) = connection.execute("SELECT count(*) FROM signer_entries WHERE is_counted").fetchone()
    connection.close()
    return int(count)


def put_settled(pages: Pages, seen: Seen, now: float) -> None:
    before = pages.view(now)
    for entry in settled(before, seen, now).entries:
        if entry not in before.entries:
            pages.put(entry)


@settings(max_examples=60)
@given(STEPS)
def test_what_was_put_away_changes_no_sum_and_no_place(steps: list[tuple[str, int, bool]]) -> None:
    """Beside a ledger that keeps everything: the same sums at every moment, the same call at every tx_nonce."""
    with TemporaryDirectory() as folder:
        book, whole, now = Book(Path(folder) / "ledger"), LedgerView(), 1_000_000.0
        signed: list[Entry] = []
        for kind, number, is_so in steps:
            with book.begin() as pages:
                if kind == "wait":
                    now += number
                elif kind == "settle":
                    below = max(0, len(signed) - number)
                    fates = tuple(
                        Fate(entry.tx_nonce, "done" if is_so else "reverted")
                        for entry in whole.entries
                        if entry.is_open and entry.tx_nonce is not None and entry.tx_nonce < below
                    )
                    seen = Seen(CHAIN_ID, below, fates, frozenset({GRANT}) if is_so else frozenset())
                    whole = settled(whole, seen, now)
                    put_settled(pages, seen, now)
                elif kind == "again":  # a fee bump of a payment, of whatever age
                    payments = [entry for entry in signed if entry.reserves[0] == RESERVES["pay"]]
                    if not payments:
                        continue
                    entry = replace(payments[number % len(payments)], signed_at=now)
                    pages.sign(entry, pages.view(now, entry.place))
                    whole = whole.signed(entry)
                else:
                    reserve = replace(RESERVES[kind], amount=number)
                    entry = Entry(CHAIN_ID, len(signed), f"{len(signed):064x}", now, is_so, (reserve,))
                    pages.sign(entry, pages.view(now, entry.place))
                    whole = whole.signed(entry)
                    signed.append(replace(entry, reserves=(RESERVES[kind],)))
                view = pages.view(now)
                for window_s in (HOUR_S, DAY_S):
                    for whom in (None, FRIEND, SPENDER):
                        sums = [each.used(CHAIN_ID, ASSET, now, window_s, whom) for each in (view, whole)]
                        assert sums[0] == sums[1], (window_s, whom)
                for entry in signed:
                    found = pages.view(now, entry.place).at(entry.place)
                    assert found is not None and found.digest == entry.digest
        book.close()


@settings(max_examples=10)  # each signature waits for the disk four times
@given(st.lists(st.integers(0, 3 * DAY_S), min_size=1, max_size=6), st.booleans())
def test_a_tx_nonce_that_was_signed_takes_no_other_call_however_long_ago(pauses: list[int], is_watched: bool) -> None:
    with TemporaryDirectory() as folder:
        here = office(Path(folder), watched=frozenset({CHAIN_ID}) if is_watched else frozenset())
        for tx_nonce, pause_s in enumerate(pauses):
            here.desk.sign(payment(tx_nonce, ETHER // 100), 1)
            here.clock.now += pause_s
            if is_watched:
                here.desk.settle(Seen(CHAIN_ID, tx_nonce + 1, (Fate(tx_nonce, "done"),), frozenset()))
        for tx_nonce in range(len(pauses)):
            with pytest.raises(PolicyDenied) as denied:
                here.desk.sign(payment(tx_nonce, ETHER // 100 + 1), 1)
            assert denied.value.code == "tx_nonce_taken"
            first = here.desk.sign(payment(tx_nonce, ETHER // 100), 1)
            assert here.desk.sign(payment(tx_nonce, ETHER // 100), 1) == first
        here.close()


def test_a_decision_reads_the_last_day_and_not_the_whole_life(tmp_path: Path) -> None:
    here = office(tmp_path)
    for day in range(10):
        for place in range(3):
            here.desk.sign(payment(3 * day + place, ETHER // 100), 1)
        assert num_counted(tmp_path / "ledger") == 3
        here.clock.now += DAY_S + 1
    here.close()


def test_a_ledger_of_before_is_read_whole(tmp_path: Path) -> None:
    here = office(tmp_path)
    here.desk.sign(payment(0, ETHER // 100), 1)
    here.close()
    connection = sqlite3.connect(tmp_path / "ledger")
    connection.execute("DROP INDEX ix_signer_entries_is_counted")
    connection.execute("ALTER TABLE signer_entries DROP COLUMN is_counted")
    connection.commit()
    connection.close()
    here = office(tmp_path)
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(0, ETHER // 100 + 1), 1)
    assert denied.value.code == "tx_nonce_taken" and num_counted(tmp_path / "ledger") == 1
    here.close()
