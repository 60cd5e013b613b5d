"""A market's tasks, followed live: what is known of each, and which of them something happened to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from moray.contracts.cursor import EventCursor
from moray.contracts.market import TaskMarket
from moray.errors import ChainRefused, ChainUnreachable
from moray.router.task_log import KnownTask, fold

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """``changed``: ids of tasks that are not what they were the moment before; at the first moment, of all."""

    now_s: int  # of the newest block: the clock that the market judges by
    tasks: Mapping[bytes, KnownTask]
    changed: tuple[bytes, ...]


async def follow(
    market: TaskMarket, cursor: EventCursor, poll_s: float, see: Callable[[Moment], Awaitable[None]]
) -> None:
    """Call ``see`` every ``poll_s``, for ever; a chain that does not answer is asked again, and what was not seen to
    the end then is told once more. A reorganisation shows as tasks that change back."""
    known: dict[bytes, KnownTask] = {}
    told: dict[bytes, KnownTask] = {}
    fold(known, market.events(cursor.logs()))
    while True:
        try:
            await catch_up(known, market, cursor)
            changed = tuple(id for id, task in known.items() if told.get(id) != task)
            await see(Moment((await market.chain.head()).timestamp, known, changed))
            told = dict(known)
        except (ChainUnreachable, ChainRefused) as error:
            logger.warning("following the market pauses: %s", error)
        await asyncio.sleep(poll_s)


async def catch_up(known: dict[bytes, KnownTask], market: TaskMarket, cursor: EventCursor) -> None:
    """Bring ``known`` up to the chain's head. A cursor tells each event once, so what was read before an error is in it
    too. Raises ChainError."""
    is_current = False
    while not is_current:  # a cursor reads an old chain in pieces
        change = await cursor.poll()
        if change.rolled_back_to is not None:
            known.clear()
            fold(known, market.events(cursor.logs()))
        else:
            fold(known, market.events(change.added))
        is_current = change.is_current
