"""Placement in a running router: looked after in the HTTP loop, fed with copies of what the engine's loop owns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from fastapi import APIRouter

from moray.router.assignment import Rules
from moray.router.directory import Directory
from moray.router.health import Circuit
from moray.router.heat import HeatMeter
from moray.router.listener import NetworkIdentity
from moray.router.placement import URGENT_LOOK_PERIOD_S, Placement
from moray.router.reports import ReportDoor, report_routes
from moray.router.stake import StakeDoor

logger = logging.getLogger(__name__)


def placement_routes(
    identity: NetworkIdentity, directory: Directory, meter: HeatMeter, stakes: StakeDoor | None = None
) -> APIRouter:
    """``POST /network/assignment``, with a placement of its own that runs as long as the app that includes it: the
    server has to have ``lifespan="on"``. ``meter`` is the one that ``NetworkExperts`` feeds. ``stakes``: see
    ``ReportDoor``."""
    placement = Placement(directory.num_experts, Rules(), monotonic())

    @asynccontextmanager
    async def running(_: object) -> AsyncIterator[None]:
        task = asyncio.create_task(run_placement(placement, directory, meter))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return report_routes(ReportDoor(placement, identity, stakes=stakes), running)


async def run_placement(
    placement: Placement, directory: Directory, meter: HeatMeter, period_s: float = URGENT_LOOK_PERIOD_S
) -> None:
    """Look at the directory for ever, and choose moves when it is time."""
    while True:
        now_s = monotonic()
        try:
            placement.sync(live_experts(directory, now_s), now_s)
            for move in placement.look(meter.snapshot(now_s), now_s):
                logger.info("node %r is moved from expert %d to %d", move.node_id, move.drop, move.take)
        except Exception:  # a mistake of ours: nodes are still told what they were
            logger.exception("a look at the placement failed")
        await asyncio.sleep(period_s)


def live_experts(directory: Directory, now_s: float) -> dict[tuple[str, str], frozenset[int]]:
    """The experts that answer, by signer and node. From another thread than the directory's: a copy is taken first."""
    live = dict[tuple[str, str], frozenset[int]]()
    for uplink in list(directory.uplinks.values()):
        if uplink.is_usable and uplink.join is not None and uplink.health.at(now_s).circuit is Circuit.CLOSED:
            key = uplink.join.signer, uplink.join.node_id
            live[key] = live.get(key, frozenset()) | frozenset(uplink.join.experts)
    return live
