"""``POST /network/assignment``: nodes of other operators report, and are told which experts to hold.

Whoever asks may be anybody, so the cheap checks come first: how often this address came, how long the body is, whether
it is a report for this router, made just now and not seen before. Only then is the signature recovered, which takes a
millisecond or two of CPU time, in a thread of its own and for a bounded number of reports at a time. What is counted
for a signer is counted after that: nobody can use up another's share. Last, where joining requires it, comes its stake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Lifespan

from moray.errors import Overloaded
from moray.node_report import MAX_REPORT_BYTES, Assignment, encode_assignment, parse_report, report_signer
from moray.router.http_body import CLIENT_LEFT, read_body
from moray.router.http_errors import RateLimited
from moray.router.listener import NetworkIdentity
from moray.router.placement import MAX_NODES, MAX_NODES_PER_OPERATOR, REPORT_PERIOD_S, Placement
from moray.router.rate_limit import RateLimits, source_of
from moray.router.seen_reports import SeenReports
from moray.router.stake import StakeDoor

MAX_PENDING = 64  # reports whose signature waits to be recovered; a tenth of a second
# Half as often again as all nodes of one operator need, wherever they are; all at once after the router was away.
REPORTS_PER_S, BURST = 1.5 * MAX_NODES_PER_OPERATOR / REPORT_PERIOD_S, MAX_NODES_PER_OPERATOR


class ReportDoor:
    """What a report passes on its way to the placement. Owned by one event loop, as the placement is."""

    def __init__(
        self,
        placement: Placement,
        identity: NetworkIdentity,
        reports_per_s: float = REPORTS_PER_S,
        burst: int = BURST,
        max_pending: int = MAX_PENDING,
        clock: Callable[[], float] = time,
        stakes: StakeDoor | None = None,
    ) -> None:
        """``reports_per_s`` and ``burst`` of each address and of each signer; ``clock`` gives Unix seconds. ``stakes``:
        None where joining requires none; otherwise nothing is assigned to a node that could not join."""
        self._placement, self._identity, self._clock, self._max_pending = placement, identity, clock, max_pending
        self._addresses = RateLimits(reports_per_s, burst, MAX_NODES)
        self._signers = RateLimits(reports_per_s, burst, MAX_NODES)
        self._seen, self._stakes = SeenReports(2 * MAX_NODES), stakes
        self._recovery, self._num_pending = ThreadPoolExecutor(1, "signatures"), 0

    def knock(self, address: str) -> None:
        """Before a body is read. Raises RateLimited."""
        if not self._addresses.allow(source_of(address), monotonic()):
            raise RateLimited("too many reports from this address; report every 20 s")

    async def assignment(self, content: bytes) -> Assignment:
        """Raises JoinRefused with its reason, RateLimited, Overloaded."""
        report = parse_report(content, self._identity.network_id, self._identity.router, self._clock())
        self._seen.check(report)
        if self._num_pending >= self._max_pending:
            raise Overloaded("too many reports wait to be checked; report again in a while")
        self._num_pending += 1
        try:
            signer = await asyncio.get_running_loop().run_in_executor(
                self._recovery, report_signer, report, self._identity.chain_id
            )
        finally:
            self._num_pending -= 1
        if not self._signers.allow(signer, monotonic()):
            raise RateLimited("too many reports of this signer; report every 20 s")
        self._seen.take(report)
        if self._stakes is not None:
            await self._stakes.check(signer)
        return self._placement.report(report, monotonic())


def report_routes(door: ReportDoor, lifespan: Lifespan[object] | None = None) -> APIRouter:
    """To be included in the gateway, whose error handlers answer refusals: HTTP 403 with the reason as ``code``, 413,
    429."""
    routes = APIRouter(lifespan=lifespan)

    @routes.post("/network/assignment")
    async def assignment(request: Request) -> Response:
        door.knock(request.client.host if request.client else "")
        try:
            body = await read_body(request, MAX_REPORT_BYTES)
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)
        return Response(encode_assignment(await door.assignment(body)), media_type="application/json")

    return routes
