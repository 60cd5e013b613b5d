"""One task as the chain tells it, found by nothing but its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from moray.contracts.chain import Chain
from moray.contracts.market import (
    TaskChallenged,
    TaskClosed,
    TaskCreated,
    TaskEvent,
    TaskMarket,
    TaskState,
    TaskSubmitted,
)
from moray.contracts.tasks import Content, Status, Task
from moray.errors import TaskUnknown

Event = TypeVar("Event", bound=TaskEvent)


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """``submitted``, ``challenged`` and ``closed`` are there as far as the task has come."""

    id: bytes
    task: Task
    spec: Content
    state: TaskState
    submitted: TaskSubmitted | None
    challenged: TaskChallenged | None
    closed: TaskClosed | None

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def delivery(self) -> TaskSubmitted:
        """Raises TaskUnknown where the endpoint does not tell it."""
        if self.submitted is None:
            raise TaskUnknown(f"the chain's endpoint does not tell what was submitted for {self.id.hex()}; try another")
        return self.submitted


async def read_record(chain: Chain, market: TaskMarket, task_id: bytes, from_block: int) -> TaskRecord:
    """Terms and results are proved by the state: the id is a hash over the terms, and the state keeps a hash over the
    result's; so an endpoint that invents events is found out.

    Raises TaskUnknown, EndpointsDisagree.
    """
    state = await market.state(task_id, agreed=True)
    if state.status is Status.NONE:
        raise TaskUnknown(f"there is no task {task_id.hex()} in the market {market.address}; check the id and --chain")
    events = market.events(await chain.logs(market.address, [None, task_id], from_block))
    created = _last(events, TaskCreated)
    if created is None or market.id_of(created.task) != task_id:
        raise TaskUnknown(f"the chain's endpoint does not tell how task {task_id.hex()} was created; try another one")
    submitted = _last(events, TaskSubmitted)
    if submitted is not None and submission_of(submitted.result.hash, submitted.transcript.hash) != state.submission:
        submitted = None  # of a block that is no more, or invented
    return TaskRecord(
        id=task_id,
        task=created.task,
        spec=Content(created.task.spec_hash, created.spec, created.task.spec_uri),
        state=state,
        submitted=submitted,
        challenged=_last(events, TaskChallenged),
        closed=_last(events, TaskClosed),
    )


def _last(events: list[TaskEvent], kind: type[Event]) -> Event | None:
    """After a reorganisation an endpoint may tell an event twice; the last one stands."""
    return next((event for event in reversed(events) if isinstance(event, kind)), None)
