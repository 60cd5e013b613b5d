"""A replica's uplinks, a thread for each router: dial, join, serve, dial again for ever; and their health."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from moray.errors import ExpertUnavailable, JoinRefused, UnsafeAddress, WireError
from moray.experts.connections import Connection
from moray.experts.executor import Executor
from moray.experts.routes import Route
from moray.experts.served import ServedExperts
from moray.experts.uplink import ExpertUplink, ReplicaIdentity

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.1
WEDGED_AFTER_S = 5.0  # longer than the largest product of one frame takes
DRAIN_GRACE_S = 1.0  # for answers that are on their way when a drain begins


class RouterThread:
    """The connection to one router, kept up."""

    def __init__(
        self,
        route: Route,
        name: str,
        next_incarnation: Callable[[], int],
        make_uplink: Callable[[Connection, int, Callable[[], None]], ExpertUplink],
    ) -> None:
        """``make_uplink``: of a connection, its incarnation, and what it is to call as long as it moves."""
        self._route, self._name = route, name
        self._next_incarnation, self._make_uplink = next_incarnation, make_uplink
        self._uplink: ExpertUplink | None = None
        self._stop = threading.Event()
        self._beats, self._seen, self._seen_at = 0, (0, 0), time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"uplink {route.router}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def silent_s(self) -> float:
        """For how long it has not moved, as far as calls of this have seen. Without a connection it counts as moving: a
        name server may take its time, a pause between dials its seconds, and a new replica would have to wait too."""
        uplink = self._uplink
        if uplink is None:
            self._beat()
        now, progress = time.monotonic(), (self._beats, uplink.progress if uplink is not None else 0)
        if progress != self._seen:
            self._seen, self._seen_at = progress, now
        return now - self._seen_at

    def drain(self, reason: str) -> None:
        if self._uplink is not None:
            self._uplink.drain(reason)

    def stop(self) -> None:
        self._stop.set()
        if self._uplink is not None:
            self._uplink.end()
        self._thread.join(timeout=DRAIN_GRACE_S)

    def _beat(self) -> None:
        self._beats += 1

    def _run(self) -> None:
        # This thread does not push a router aside that is sending to others yet; where that is refused, it does.
        with suppress(AttributeError, OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        backoff_s = FIRST_BACKOFF_S
        while not self._stop.is_set():
            self._beat()
            was_welcomed = self._serve_once()
            backoff_s = FIRST_BACKOFF_S if was_welcomed else min(backoff_s * 2, self._route.max_backoff_s)
            self._beat()
            self._stop.wait(backoff_s * (0.5 + random.random()))
        if self._route.allowance is not None:
            self._route.allowance.end()

    def _serve_once(self) -> bool:
        """One connection, from the dial to its end; whether the router welcomed it."""
        incarnation = self._next_incarnation()
        try:
            connection = self._route.dial()
            self._uplink = uplink = self._make_uplink(connection, incarnation, self._beat)
        except (OSError, WireError, UnsafeAddress) as exc:
            logger.warning("%s: router %s: %s", self._name, self._route.router, exc)
            return False
        try:
            if self._stop.is_set():  # said before there was an uplink to end
                uplink.end()
            uplink.run()
        except (OSError, WireError, JoinRefused) as exc:
            logger.warning("%s: router %s: %s", self._name, self._route.router, exc)
        finally:
            self._uplink = None
        self._route.ended(uplink.was_welcomed)
        return uplink.was_welcomed


class UplinkThreads:
    def __init__(
        self,
        routes: Sequence[Route],
        identity: ReplicaIdentity,
        executor: Executor,
        next_incarnation: Callable[[], int],
        served: ServedExperts | None = None,
    ) -> None:
        """``served``: see ExpertUplink."""
        self._identity = identity

        def thread_to(route: Route) -> RouterThread:
            def make_uplink(connection: Connection, incarnation: int, beat: Callable[[], None]) -> ExpertUplink:
                return ExpertUplink(
                    connection,
                    identity,
                    route.credentials,
                    incarnation,
                    executor,
                    served,
                    beat,
                    route.allowance,
                    route.credit,
                )

            return RouterThread(route, identity.replica_id, next_incarnation, make_uplink)

        self._threads = [thread_to(route) for route in routes]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def are_alive(self) -> bool:
        return all(thread.is_alive for thread in self._threads)

    def check(self) -> None:
        """Raises ExpertUnavailable when a thread is gone or stuck. A connection that is down is no ill health: it is
        dialled again, and a restart would not bring the router back."""
        silent_s = max((thread.silent_s() for thread in self._threads), default=0.0)
        if not self.are_alive or silent_s > WEDGED_AFTER_S:
            message = f"an uplink thread is gone or has not moved for {silent_s:.1f} s"
            raise ExpertUnavailable(frozenset(self._identity.experts), message)

    def drain(self, reason: str) -> None:
        """Tell every router to send nothing new, answer what is on its way, then disconnect."""
        for thread in self._threads:
            thread.drain(reason)
        if any(thread.is_alive for thread in self._threads):
            time.sleep(DRAIN_GRACE_S)
        for thread in self._threads:
            thread.stop()
