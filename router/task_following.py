"""A market's tasks, followed live: what is known of each, and which of them something happened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from moray.contracts.cursor import EventCursor
from moray.contracts.market import TaskMarket
from moray.router.task_log import KnownTask, fold


@dataclass(frozen=True, slots=True)
class Moment:
    """``changed``: ids of tasks that are not what they were the moment before; at the first moment, of all."""

    now_s: int  # of the newest block: the clock that the market judges by
    tasks: Mapping[bytes, KnownTask]
    changed: tuple[bytes, ...]


async def follow(market: TaskMarket, cursor: EventCursor, poll_s: float) -> AsyncIterator[Moment]:
    """Every ``poll_s``, for ever. A reorganisation shows as tasks that change once more. Raises what the chain does."""
    known: dict[bytes, KnownTask] = {}
    told: dict[bytes, KnownTask] = {}
    fold(known, market.events(cursor.logs()))
    while True:
        change = await cursor.poll()
        if change.rolled_back_to is not None:
            known.clear()
            fold(known, market.events(cursor.logs()))
        else:
            fold(known, market.events(change.added))
        if not change.is_current:
            continue  # of an old chain there is more to read
        changed = tuple(id for id, task in known.items() if told.get(id) != task)
        yield Moment((await market.chain.head()).timestamp, known, changed)
        told = dict(known)
        await asyncio.sleep(poll_s)
