"""What is known of a market's tasks has every event in it, whenever an endpoint fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from moray.contracts.cursor import Change
from moray.contracts.log import Log
from moray.contracts.market import TaskAccepted, TaskCreated
from moray.contracts.tasks import Status
from moray.errors import ChainUnreachable
from moray.router.task_acts import TaskActs
from moray.router.task_following import catch_up
from moray.router.task_log import KnownTask
from moray.router.task_store import TaskStore
from worker_kit import NOW_S, WORKER, a_task

ID = bytes(31) + b"\1"
LOG = Log(WORKER, (), b"", 1, bytes(32), bytes(32), 0)
CREATED, ACCEPTED = TaskCreated(ID, a_task(), b"", LOG), TaskAccepted(ID, WORKER, NOW_S, LOG)


class Market:
    """Its logs are events already."""

    def events(self, logs: Any) -> list[Any]:
        return list(logs)


class Cursor:
    """Tells each of ``told`` once; an error is raised."""

    def __init__(self, *told: Change | Exception) -> None:
        self._told = iter(told)

    async def poll(self) -> Change:
        told = next(self._told)
        if isinstance(told, Exception):
            raise told
        return told

    def logs(self) -> Iterator[Any]:
        return iter([CREATED])


def change(*events: Any, rolled_back_to: int | None = None, is_current: bool = False) -> Change:
    return Change(rolled_back_to, events, is_current)


def test_what_a_worker_was_told_before_an_endpoint_failed_it_knows(tmp_path: Path) -> None:
    async def story() -> None:
        known: dict[bytes, KnownTask] = {}
        cursor: Any = Cursor(change(CREATED), change(ACCEPTED), ChainUnreachable("gone"), change(is_current=True))
        with closing(TaskStore(f"sqlite:///{tmp_path / 'worker.db'}")) as store:
            parts: Any = SimpleNamespace(store=store, market=Market(), cursor=cursor)
            acts = TaskActs(WORKER, parts)
            with pytest.raises(ChainUnreachable):
                await acts.catch_up(known)
            await acts.catch_up(known)
        assert known[ID].status is Status.ACCEPTED

    asyncio.run(story())


def test_a_reorganisation_is_not_forgotten_when_an_endpoint_fails_after_it() -> None:
    async def story() -> None:
        known: dict[bytes, KnownTask] = {}
        market: Any = Market()
        cursor: Any = Cursor(
            change(CREATED, ACCEPTED, is_current=True), change(rolled_back_to=1), ChainUnreachable("gone")
        )
        await catch_up(known, market, cursor)
        with pytest.raises(ChainUnreachable):
            await catch_up(known, market, cursor)
        assert known[ID].status is Status.FUNDED

    asyncio.run(story())
