"""The writer's side of the outbox: the intents of one chain and signer, and every change of theirs.

Each method is one database transaction, and each change names the state that it changes: if another writer ran at the
same time against all precautions, one of the two gets WriterOvertaken and nothing is written twice.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from moray.contracts.calls import Call
from moray.contracts.database import reading
from moray.contracts.intents import Attempt, Failure, Intent, IntentStatus, Mined
from moray.contracts.outbox_rows import attempt_columns, attempts_of, call_columns, failure_text, intent_of, mined_text
from moray.contracts.outbox_tables import attempts, intents

_MOST_WAITING = 256  # looked at in one round


class WriterOvertaken(Exception):
    """Somebody else changed the intent: look again."""


class Journal:
    def __init__(self, engine: Engine, chain_id: int, signer: str) -> None:
        self._engine = engine
        self._chain_id, self._signer = chain_id, signer
        self._ours = and_(intents.c.chain_id == chain_id, intents.c.signer == signer)

    def waiting(self) -> list[Intent]:
        """In the order in which they were put."""
        return self._select(intents.c.status == IntentStatus.WAITING, _MOST_WAITING)

    def live(self) -> list[Intent]:
        """Those with a tx_nonce that are not at their end."""
        return self._select(intents.c.status.in_([IntentStatus.SENT, IntentStatus.MINED]))

    def reopen(self, tx_nonce: int) -> None:
        """Whatever ended under ``tx_nonce`` or above is live again: a reorganisation took its block."""
        is_undone = and_(
            self._ours,
            intents.c.tx_nonce >= tx_nonce,
            intents.c.status.in_([IntentStatus.FINAL, IntentStatus.FAILED]),
        )
        with reading(self._engine).begin() as connection:
            if connection.execute(select(intents.c.id).where(is_undone).limit(1)).first() is None:
                return
        with self._engine.begin() as connection:
            connection.execute(update(intents).where(is_undone).values(status=IntentStatus.SENT, mined=None))

    def fill(self, tx_nonce: int) -> None:
        """Promise a transfer of nothing to the account itself, for a ``tx_nonce`` that others are stuck behind."""
        call = Call(to=self._signer, data=b"", expects=None, summary=f"fill the gap at tx_nonce {tx_nonce}")
        columns = {"key": f"gap {uuid.uuid4()}", "chain_id": self._chain_id, "signer": self._signer}
        with self._engine.begin() as connection:
            connection.execute(insert(intents).values(**columns, **call_columns(call), status=IntentStatus.WAITING))

    def sign(self, intent: Intent, attempt: Attempt, failure: Failure | None = None) -> None:
        """Store signed bytes before anybody sees them. ``failure``: why the intent is called off by them."""
        values = {"status": IntentStatus.SENT, "tx_nonce": attempt.tx_nonce, "note": ""}
        if failure is not None:
            values["failure"] = failure_text(failure)
        with self._engine.begin() as connection:
            self._change(connection, intent, values)
            connection.execute(insert(attempts).values(intent_id=intent.id, **attempt_columns(attempt)))

    def include(self, intent: Intent, mined: Mined) -> None:
        self._set(intent, status=IntentStatus.MINED, mined=mined_text(mined), note="")

    def exclude(self, intent: Intent) -> None:
        """The block that it was in is gone."""
        self._set(intent, status=IntentStatus.SENT, mined=None)

    def finish(self, intent: Intent, mined: Mined, failure: Failure | None) -> None:
        status = IntentStatus.FINAL if failure is None else IntentStatus.FAILED
        self._set(intent, status=status, mined=mined_text(mined), failure=failure_text(failure), note="")

    def refuse(self, intent: Intent, failure: Failure) -> None:
        """It was never signed under a tx_nonce that is left, and will not be."""
        self._set(intent, status=IntentStatus.FAILED, failure=failure_text(failure), note="")

    def free(self, intent: Intent) -> None:
        """None of its attempts can be mined any more: it waits for another tx_nonce."""
        self._set(intent, status=IntentStatus.WAITING, tx_nonce=None, mined=None, failure=None, note="")

    def note(self, intent: Intent, note: str) -> None:
        self._set(intent, note=note)

    def _select(self, which: ColumnElement[bool], limit: int | None = None) -> list[Intent]:
        with reading(self._engine).begin() as connection:
            found = select(intents).where(self._ours, which).order_by(intents.c.id).limit(limit)
            rows = connection.execute(found).mappings().all()
            tried = attempts_of(connection, [row["id"] for row in rows])
            return [intent_of(row, tried[row["id"]]) for row in rows]

    def _set(self, intent: Intent, **values: Any) -> None:
        with self._engine.begin() as connection:
            self._change(connection, intent, values)

    def _change(self, connection: Connection, intent: Intent, values: dict[str, Any]) -> None:
        is_as_seen = and_(
            self._ours,
            intents.c.id == intent.id,
            intents.c.status == intent.status,
            intents.c.tx_nonce.is_not_distinct_from(intent.tx_nonce),
        )
        try:
            changed = connection.execute(update(intents).where(is_as_seen).values(values))
        except IntegrityError:  # the tx_nonce is another intent's
            raise WriterOvertaken from None
        if changed.rowcount != 1:
            raise WriterOvertaken
