"""What the executor has begun: one row a plan, written before anything of the plan can be signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    select,
    update,
)
from sqlalchemy import insert as insert_row

from moray.agents.plan import Plan, parse_plan, plan_text
from moray.contracts.database import open_database, reading
from moray.errors import PlanConflict

tables = MetaData()
_plans = Table(
    "agent_plans",
    tables,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("owner", String(42), nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("plan", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("result", Text),
)


class PlanStatus(StrEnum):
    PLANNED = "planned"  # nothing of it can have been signed
    STARTED = "started"  # anything of it may be
    ENDED = "ended"  # with a result


@dataclass(frozen=True, slots=True)
class Recorded:
    """``generation``: how many plans the key stood for before this one, none of which got a signature. ``result``: of
    an ended plan, as its writer put it."""

    plan: Plan
    status: PlanStatus
    generation: int
    result: str | None

    def outbox_key(self, step: str) -> str:
        return f"{self.plan.key}{f'.{self.generation}' if self.generation else ''}/{step}"


class Record:
    """The plans in one database (``sqlite:///PATH`` or Postgres)."""

    def __init__(self, database_url: str) -> None:
        self.engine = open_database(database_url, tables)

    def find(self, key: str) -> Recorded | None:
        with reading(self.engine).begin() as connection:
            row = _row(connection, key)
        return None if row is None else _recorded(row)

    def begun(self, owner: str, chain_id: int) -> list[Recorded]:
        """Those that were started and have not ended, the oldest first."""
        is_begun = (_plans.c.owner == owner) & (_plans.c.chain_id == chain_id) & (_plans.c.status == PlanStatus.STARTED)
        with reading(self.engine).begin() as connection:
            rows = connection.execute(select(_plans).where(is_begun).order_by(_plans.c.id)).mappings().all()
        return [_recorded(row) for row in rows]

    def put(self, plan: Plan, is_unsigned: Callable[[Recorded], bool]) -> Recorded:
        """``plan`` under its key. It takes the place of another one if that was not started, or ended and
        ``is_unsigned`` says that nothing of it was signed; then the same one begins anew, too. Raises PlanConflict."""
        with self.engine.begin() as connection:
            row = _row(connection, plan.key)
            if row is None:
                columns = {"key": plan.key, "owner": plan.owner, "chain_id": plan.chain_id, "generation": 0}
                columns |= {"plan": plan_text(plan), "status": PlanStatus.PLANNED}
                connection.execute(insert_row(_plans).values(**columns))
                return Recorded(plan, PlanStatus.PLANNED, 0, None)
            old = _recorded(row)
            is_free = old.status is PlanStatus.PLANNED or (old.status is PlanStatus.ENDED and is_unsigned(old))
            if old.plan == plan and not (is_free and old.status is PlanStatus.ENDED):
                return old
            if not is_free:
                raise PlanConflict(
                    f"another plan of {plan.key} is signed at least in part; resume that one, or ask under another id"
                )
            generation = old.generation + (old.status is PlanStatus.ENDED)
            fresh = {"plan": plan_text(plan), "status": PlanStatus.PLANNED, "generation": generation, "result": None}
            connection.execute(update(_plans).where(_plans.c.key == plan.key).values(**fresh))
            return Recorded(plan, PlanStatus.PLANNED, generation, None)

    def start(self, recorded: Recorded) -> Recorded:
        """From here on anything of it may be signed. Raises PlanConflict if it is not what the key stands for now."""
        return self._change(recorded, PlanStatus.STARTED, None)

    def end(self, recorded: Recorded, result: str) -> Recorded:
        return self._change(recorded, PlanStatus.ENDED, result)

    def close(self) -> None:
        self.engine.dispose()

    def _change(self, recorded: Recorded, status: PlanStatus, result: str | None) -> Recorded:
        is_as_seen = (_plans.c.key == recorded.plan.key) & (_plans.c.status == recorded.status)
        is_as_seen &= _plans.c.plan == plan_text(recorded.plan)
        with self.engine.begin() as connection:
            changed = connection.execute(update(_plans).where(is_as_seen).values(status=status, result=result))
        if changed.rowcount != 1:
            raise PlanConflict(f"somebody else changed the plan of {recorded.plan.key}; look at it again")
        return Recorded(recorded.plan, status, recorded.generation, result)


def _row(connection: Connection, key: str) -> RowMapping | None:
    return connection.execute(select(_plans).where(_plans.c.key == key)).mappings().one_or_none()


def _recorded(row: RowMapping) -> Recorded:
    return Recorded(parse_plan(row["plan"]), PlanStatus(row["status"]), row["generation"], row["result"])
