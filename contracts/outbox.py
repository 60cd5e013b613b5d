"""Calls that must happen once: stored before they are signed, kept until the chain has them for good.

Any process puts calls in; the one ``Sender`` of the chain and signer takes them out (contracts/sender.py). The database
is SQLite's (``sqlite:///PATH``) or Postgres's; any process may read it at any time.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from moray.contracts.calls import Call
from moray.contracts.database import open_database, reading
from moray.contracts.intents import Failure, IntentState, IntentStatus, Mined
from moray.contracts.outbox_decisions import has_event
from moray.contracts.outbox_rows import attempts_of, call_columns, call_of, state_of
from moray.contracts.outbox_tables import intents, tables
from moray.errors import CallFailed, CallReverted, EmptyWallet, EventMissing, OutboxConflict, SignatureRefused

_FIRST_POLL_S, _LAST_POLL_S = 0.05, 1.0


class Outbox:
    """The intents in one database."""

    def __init__(self, database_url: str) -> None:
        """Raises BadSetting for a URL that is no database of the two kinds."""
        self.engine = open_database(database_url, tables)

    def put(self, key: str, chain_id: int, signer: str, call: Call) -> None:
        """Promise ``call`` under ``key``, once. The same again changes nothing, except that an intent that failed and
        was never carried out is tried again. Calls are signed in the order of their first ``put``; one that only works
        after another may be put at once. Raises OutboxConflict for another call under the key."""
        columns = {"key": key, "chain_id": chain_id, "signer": signer, **call_columns(call)}
        try:
            with self.engine.begin() as connection:
                row = _row(connection, key)
                if row is None:
                    connection.execute(insert(intents).values(**columns, status=IntentStatus.WAITING))
                else:
                    _check_same(row, chain_id, signer, call)
                    _try_again(connection, row)
        except IntegrityError:  # another process was first with the key
            self.put(key, chain_id, signer, call)

    def state(self, key: str) -> IntentState | None:
        with reading(self.engine).begin() as connection:
            row = _row(connection, key)
            return None if row is None else state_of(row, attempts_of(connection, [row["id"]])[row["id"]])

    async def wait(self, key: str, *, is_final: bool = True) -> Mined:
        """Until the intent is final or, without ``is_final``, in a block with the event that it is for; a call that
        expects none shows only at its end how it went. Raises the CallFailed that ended it (CallReverted, EventMissing,
        EmptyWallet, SignatureRefused), and KeyError for a key that nobody put."""
        poll_s = _FIRST_POLL_S
        while True:
            state = await asyncio.to_thread(self.state, key)
            if state is None:
                raise KeyError(key)
            if state.mined is not None and (
                state.status is IntentStatus.FINAL or (not is_final and _is_seen(state.call, state.mined))
            ):
                return state.mined
            if state.failure is not None:
                raise as_error(state.failure)
            await asyncio.sleep(poll_s)
            poll_s = min(poll_s * 1.5, _LAST_POLL_S)

    def close(self) -> None:
        self.engine.dispose()


def as_error(failure: Failure) -> CallFailed:
    for named in (CallReverted, SignatureRefused):
        if failure.code == named.code:
            return named(failure.message, failure.name)
    return {EventMissing.code: EventMissing, EmptyWallet.code: EmptyWallet}[failure.code](failure.message)


def _is_seen(call: Call, mined: Mined) -> bool:
    return call.expects is not None and has_event(call, mined)


def _row(connection: Connection, key: str) -> RowMapping | None:
    return connection.execute(select(intents).where(intents.c.key == key)).mappings().one_or_none()


def _check_same(row: RowMapping, chain_id: int, signer: str, call: Call) -> None:
    if (row["chain_id"], row["signer"], call_of(row)) != (chain_id, signer, call):
        raise OutboxConflict(
            f"the key {row['key']!r} already stands for '{row['summary']}' of {row['signer']} on chain "
            f"{row['chain_id']}; use another key for '{call.summary}'"
        )


def _try_again(connection: Connection, row: RowMapping) -> None:
    """Only what failed, and only if no transaction of it was carried out: it was refused, or its cancellation was mined
    in its place."""
    if row["status"] != IntentStatus.FAILED:
        return
    if row["mined"] is not None:
        tried = attempts_of(connection, [row["id"]])[row["id"]]
        mined = state_of(row, tried).mined
        cancellations = {attempt.tx_hash for attempt in tried if attempt.is_cancellation}
        if mined is None or mined.tx_hash not in cancellations:
            return
    fresh = {"status": IntentStatus.WAITING, "tx_nonce": None, "mined": None, "failure": None, "note": ""}
    connection.execute(update(intents).where(intents.c.id == row["id"]).values(fresh))
