"""Tasks as the market's events tell of them: a pure fold, so that a reorganisation is a fold from the start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from moray.contracts.market import TaskAccepted, TaskChallenged, TaskClosed, TaskCreated, TaskEvent, TaskSubmitted
from moray.contracts.tasks import NOBODY, Status, Task


@dataclass(frozen=True, slots=True)
class KnownTask:
    """``until``: the second at which the clock of this status runs out. ``provider``: who accepted it."""

    id: bytes
    task: Task
    spec: bytes  # empty: at the task's URI
    created_at_block: int
    status: Status = Status.FUNDED
    until: int = 0
    provider: str = NOBODY
    submitted: TaskSubmitted | None = None


def fold(known: dict[bytes, KnownTask], events: Iterable[TaskEvent]) -> None:
    """Bring ``known`` up to date."""
    for event in events:
        if isinstance(event, TaskCreated):
            known[event.id] = KnownTask(
                event.id, event.task, event.spec, event.log.block_number, until=event.task.accept_by
            )
        elif (task := known.get(event.id)) is not None:  # otherwise it was created before the cursor begins
            known[event.id] = _after(task, event)


def _after(task: KnownTask, event: TaskEvent) -> KnownTask:
    match event:
        case TaskAccepted():
            return replace(task, status=Status.ACCEPTED, until=event.submit_by, provider=event.provider)
        case TaskSubmitted():
            return replace(task, status=Status.SUBMITTED, until=event.challenge_by, submitted=event)
        case TaskChallenged():
            return replace(task, status=Status.CHALLENGED, until=event.resolve_by)
        case TaskClosed():
            return replace(task, status=event.status, until=0)
        case _:
            return task
