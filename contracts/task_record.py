"""One task as the chain tells it, found by nothing but its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from eth_utils.crypto import keccak

from moray.contracts.chain import Chain
from moray.contracts.log_search import newest_first
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
            raise TaskUnknown(
                f"the RPC endpoint does not tell what was submitted for 0x{self.id.hex()}; name another one"
            )
        return self.submitted


async def read_record(chain: Chain, market: TaskMarket, task_id: bytes, from_block: int, agreed: bool) -> TaskRecord:
    """Terms and result are proved by the state: the id is a hash over the terms, and the state keeps a hash over the
    result's. ``agreed``: the state is that of the newest settled block by every endpoint, not the newest by one.

    Raises TaskUnknown, EndpointsDisagree.
    """
    state = await market.state(task_id, agreed=agreed)
    if state.status is Status.NONE:
        raise TaskUnknown(f"there is no task 0x{task_id.hex()} in {market.address}; check the id and the chain's file")
    events = await _events(chain, market, task_id, from_block)
    created = _last(events, TaskCreated)
    if created is None or market.id_of(created.task) != task_id:
        raise TaskUnknown(f"the RPC endpoint does not tell how task 0x{task_id.hex()} was created; name another one")
    submitted = _last(events, TaskSubmitted)
    if submitted is not None and _submission(submitted) != state.submission:
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


async def _events(chain: Chain, market: TaskMarket, task_id: bytes, from_block: int) -> list[TaskEvent]:
    where = {
        "address": market.address,
        "topics": [None, f"0x{task_id.hex()}"],
    }  # every event of a task has its id there
    events: list[TaskEvent] = []
    async for logs in newest_first(chain, where, from_block):
        events = market.events(logs) + events
        if _last(events, TaskCreated):
            break
    return events


def _last(events: list[TaskEvent], kind: type[Event]) -> Event | None:
    """After a reorganisation an endpoint may tell an event twice; the last one stands."""
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def _submission(submitted: TaskSubmitted) -> bytes:
    """As TaskMarket has it: abi.encode of two hashes is the one behind the other."""
    return keccak(submitted.result.hash + submitted.transcript.hash)
