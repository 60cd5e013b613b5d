"""A replica's uplinks, a thread for each router: dial, join, serve, dial again for ever; and their health."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from moray.errors import ExpertUnavailable, JoinRefused, WireError
from moray.experts.executor import Executor
from moray.experts.served import ServedExperts
from moray.experts.uplink import ExpertUplink, ReplicaIdentity
from moray.types import DataAddress

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 2.0
DIAL_TIMEOUT_S = 2.0
WEDGED_AFTER_S = 5.0  # longer than the largest product of one frame takes
DRAIN_GRACE_S = 1.0  # for answers that are on their way when a drain begins


class RouterThread:
    """The connection to one router, kept up."""

    def __init__(
        self,
        address: DataAddress,
        name: str,
        next_incarnation: Callable[[], int],
        make_uplink: Callable[[socket.socket, int, Callable[[], None]], ExpertUplink],
    ) -> None:
        """``make_uplink``: of a connection, its incarnation, and what it is to call as long as it moves."""
        self._address, self._name = address, name
        self._next_incarnation, self._make_uplink = next_incarnation, make_uplink
        self._uplink: ExpertUplink | None = None
        self._shuns_local = False  # the last connection to its Unix socket came to nothing: now TCP is tried
        self._stop = threading.Event()
        self._beats, self._seen, self._seen_at = 0, (0, 0), time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"uplink {address}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def silent_s(self) -> float:
        """For how long it has not moved, as far as calls of this have seen."""
        uplink = self._uplink
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
            backoff_s = FIRST_BACKOFF_S if was_welcomed else min(backoff_s * 2, MAX_BACKOFF_S)
            self._beat()
            self._stop.wait(backoff_s * (0.5 + random.random()))

    def _serve_once(self) -> bool:
        """One connection, from the dial to its end; whether the router welcomed it."""
        incarnation = self._next_incarnation()
        try:
            connection = self._dial()
            self._uplink = uplink = self._make_uplink(connection, incarnation, self._beat)
        except OSError as exc:
            logger.warning("%s: router %s: %s", self._name, self._address, exc)
            return False
        try:
            if self._stop.is_set():  # said before there was an uplink to end
                uplink.end()
            uplink.run()
        except (OSError, WireError, JoinRefused) as exc:
            logger.warning("%s: router %s: %s", self._name, self._address, exc)
        finally:
            self._uplink = None
        self._shuns_local = connection.family == socket.AF_UNIX and not uplink.was_welcomed
        return uplink.was_welcomed

    def _dial(self) -> socket.socket:
        """Over the router's Unix socket where that leads to it: on another machine the path may lead nowhere, or to
        the router of another network."""
        host, port, path = self._address
        if path and not self._shuns_local:
            with suppress(OSError), ExitStack() as undo:
                connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                connection.settimeout(DIAL_TIMEOUT_S)
                connection.connect(path)
                undo.pop_all()
                return connection
        return socket.create_connection((host, port), DIAL_TIMEOUT_S)


class UplinkThreads:
    def __init__(
        self,
        routers: Sequence[DataAddress],
        identity: ReplicaIdentity,
        executor: Executor,
        next_incarnation: Callable[[], int],
        served: ServedExperts | None = None,
    ) -> None:
        """``served``: see ExpertUplink."""
        self._identity = identity

        def make_uplink(connection: socket.socket, incarnation: int, beat: Callable[[], None]) -> ExpertUplink:
            return ExpertUplink(connection, identity, incarnation, executor, served, beat)

        self._threads = [
            RouterThread(address, identity.replica_id, next_incarnation, make_uplink) for address in routers
        ]

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
