"""Between the outbox's rows and the dataclasses of contracts/intents.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import Connection, RowMapping, select

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.fees import Fees
from moray.contracts.intents import Attempt, Failure, Intent, IntentState, IntentStatus, Mined
from moray.contracts.outbox_tables import attempts

_TOPIC_BYTES = 32
_HEX = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
_MINED: TypeAdapter[tuple[Mined]] = TypeAdapter(tuple[Mined], config=_HEX)
_FAILURE: TypeAdapter[tuple[Failure]] = TypeAdapter(tuple[Failure])


def call_columns(call: Call) -> dict[str, Any]:
    return {
        "to": call.to,
        "data": call.data,
        "value_wei": str(call.value_wei),
        "expects_address": call.expects.address if call.expects else None,
        "expects_topics": b"".join(call.expects.topics) if call.expects else b"",
        "summary": call.summary,
    }


def attempt_columns(attempt: Attempt) -> dict[str, Any]:
    return {
        "tx_hash": attempt.tx_hash,
        "tx_nonce": attempt.tx_nonce,
        "raw": attempt.raw,
        "gas": attempt.gas,
        "max_fee_wei": str(attempt.fees.max_fee_wei),
        "tip_wei": str(attempt.fees.tip_wei),
        "is_cancellation": attempt.is_cancellation,
        "signed_at_block": attempt.signed_at_block,
    }


def mined_text(mined: Mined | None) -> str | None:
    return None if mined is None else _MINED.dump_json((mined,)).decode()


def failure_text(failure: Failure | None) -> str | None:
    return None if failure is None else _FAILURE.dump_json((failure,)).decode()


def call_of(row: RowMapping) -> Call:
    topics: bytes = row["expects_topics"]
    split = tuple(topics[at : at + _TOPIC_BYTES] for at in range(0, len(topics), _TOPIC_BYTES))
    expects = None if row["expects_address"] is None else ExpectedEvent(row["expects_address"], split)
    return Call(row["to"], row["data"], expects, row["summary"], int(row["value_wei"]))


def state_of(row: RowMapping, tried: Sequence[Attempt]) -> IntentState:
    status = IntentStatus(row["status"])
    return IntentState(
        key=row["key"],
        chain_id=row["chain_id"],
        signer=row["signer"],
        call=call_of(row),
        status=status,
        tx_nonce=row["tx_nonce"],
        tx_hashes=tuple(attempt.tx_hash for attempt in tried),
        mined=None if row["mined"] is None else _MINED.validate_json(row["mined"])[0],
        failure=_failure_of(row) if status is IntentStatus.FAILED else None,
        note=row["note"],
    )


def intent_of(row: RowMapping, tried: Sequence[Attempt]) -> Intent:
    return Intent(
        id=row["id"],
        call=call_of(row),
        status=IntentStatus(row["status"]),
        tx_nonce=row["tx_nonce"],
        attempts=tuple(attempt for attempt in tried if attempt.tx_nonce == row["tx_nonce"]),
        failure=_failure_of(row),
        note=row["note"],
    )


def _failure_of(row: RowMapping) -> Failure | None:
    return None if row["failure"] is None else _FAILURE.validate_json(row["failure"])[0]


def attempts_of(connection: Connection, intent_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """Of each intent, the oldest first, whatever their tx_nonce."""
    found: dict[int, list[Attempt]] = {intent_id: [] for intent_id in intent_ids}
    wanted = select(attempts).where(attempts.c.intent_id.in_(intent_ids)).order_by(attempts.c.id)
    for row in connection.execute(wanted).mappings():
        attempt = Attempt(
            tx_hash=row["tx_hash"],
            tx_nonce=row["tx_nonce"],
            raw=row["raw"],
            gas=row["gas"],
            fees=Fees(int(row["max_fee_wei"]), int(row["tip_wei"])),
            is_cancellation=row["is_cancellation"],
            signed_at_block=row["signed_at_block"],
        )
        found[row["intent_id"]].append(attempt)
    return found
