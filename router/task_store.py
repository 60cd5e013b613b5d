"""What a task worker must not forget: what it read, what it will deliver, and how often it has tried.

Everything else it knows from the chain. All writes are committed, and so on disk, when a method returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, func, insert, select

from moray.contracts.database import open_database
from moray.router.task_costs import Size
from moray.router.task_decisions import Exam

_METADATA = MetaData()
_EXAMS = Table(
    "task_exams",
    _METADATA,
    Column("task_id", LargeBinary(32), primary_key=True),
    Column("spec", LargeBinary, nullable=False),
    Column("num_prompt_tokens", Integer, nullable=False),
    Column("max_tokens", Integer, nullable=False),
    Column("refusal", String, nullable=False),
)
_DELIVERIES = Table(
    "task_deliveries",
    _METADATA,
    Column("task_id", LargeBinary(32), primary_key=True),
    Column("result", LargeBinary, nullable=False),
    Column("transcript", LargeBinary, nullable=False),
)
_ATTEMPTS = Table(
    "task_attempts",
    _METADATA,
    Column("verb", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("number", Integer, primary_key=True),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    result: bytes
    transcript: bytes


class TaskStore:
    def __init__(self, database_url: str) -> None:
        """Raises BadSetting for a URL that is no database."""
        self._engine = open_database(database_url, _METADATA)

    def close(self) -> None:
        self._engine.dispose()

    # -- specifications that were read --------------------------------------------------------------------------------

    def keep_exam(self, task_id: bytes, spec: bytes, exam: Exam) -> None:
        """The first one stands."""
        size = exam.size
        self._keep(
            _EXAMS,
            {"task_id": task_id},
            spec=spec,
            num_prompt_tokens=size.num_prompt_tokens,
            max_tokens=size.max_tokens,
            refusal=exam.refusal,
        )

    def exams(self) -> dict[bytes, Exam]:
        columns = _EXAMS.c.task_id, _EXAMS.c.num_prompt_tokens, _EXAMS.c.max_tokens, _EXAMS.c.refusal
        with self._engine.begin() as connection:
            rows = connection.execute(select(*columns)).all()
        return {bytes(row.task_id): Exam(Size(row.num_prompt_tokens, row.max_tokens), row.refusal) for row in rows}

    def spec(self, task_id: bytes) -> bytes:
        """Raises KeyError for a task that was not examined."""
        with self._engine.begin() as connection:
            row = connection.execute(select(_EXAMS.c.spec).where(_EXAMS.c.task_id == task_id)).one_or_none()
        if row is None:
            raise KeyError(task_id.hex())
        return bytes(row.spec)

    # -- answers ------------------------------------------------------------------------------------------------------

    def keep_delivery(self, task_id: bytes, delivery: Delivery) -> None:
        """The first one stands: what was once promised to the chain does not change."""
        self._keep(_DELIVERIES, {"task_id": task_id}, result=delivery.result, transcript=delivery.transcript)

    def delivery(self, task_id: bytes) -> Delivery:
        """Raises KeyError where there is none."""
        with self._engine.begin() as connection:
            row = connection.execute(select(_DELIVERIES).where(_DELIVERIES.c.task_id == task_id)).one_or_none()
        if row is None:
            raise KeyError(task_id.hex())
        return Delivery(bytes(row.result), bytes(row.transcript))

    def result_sizes(self) -> dict[bytes, int]:
        """Bytes of each result, by its task."""
        columns = _DELIVERIES.c.task_id, func.length(_DELIVERIES.c.result).label("num_bytes")
        with self._engine.begin() as connection:
            return {bytes(row.task_id): row.num_bytes for row in connection.execute(select(*columns))}

    # -- attempts -----------------------------------------------------------------------------------------------------

    def attempt(self, verb: str, subject: str) -> int:
        """The number of the one that has not ended, from 0."""
        found = select(func.count()).select_from(_ATTEMPTS)
        with self._engine.begin() as connection:
            return int(
                connection.execute(found.where(_ATTEMPTS.c.verb == verb, _ATTEMPTS.c.subject == subject)).scalar_one()
            )

    def end_attempt(self, verb: str, subject: str, number: int) -> None:
        self._keep(_ATTEMPTS, {"verb": verb, "subject": subject, "number": number})

    def attempted(self, verb: str) -> set[str]:
        """Subjects of which one has ended."""
        with self._engine.begin() as connection:
            return set(connection.execute(select(_ATTEMPTS.c.subject).where(_ATTEMPTS.c.verb == verb)).scalars())

    def _keep(self, table: Table, key: Mapping[str, object], **values: object) -> None:
        is_there = select(func.count()).select_from(table)
        for name, value in key.items():
            is_there = is_there.where(table.c[name] == value)
        with self._engine.begin() as connection:
            if not connection.execute(is_there).scalar_one():
                connection.execute(insert(table).values(**key, **values))
