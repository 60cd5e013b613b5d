"""All uplinks of one replica in one thread, with a heartbeat that a health check can read from outside."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import uvloop

from moray.errors import ExpertUnavailable
from moray.experts.executor import Executor
from moray.experts.uplink import ExpertUplink, ReplicaIdentity, keep_uplink

HEARTBEAT_S = 0.1
WEDGED_AFTER_S = 5.0  # longer than the largest product of one frame takes
DRAIN_GRACE_S = 1.0  # for answers that are on their way when a drain begins


class UplinkThread:
    def __init__(
        self,
        routers: Sequence[tuple[str, int]],
        identity: ReplicaIdentity,
        executor: Executor,
        next_incarnation: Callable[[], int],
    ) -> None:
        self._routers, self._identity, self._executor = tuple(routers), identity, executor
        self._next_incarnation = next_incarnation
        self._uplinks: dict[tuple[str, int], ExpertUplink] = {}
        self._beat_at = time.monotonic()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplinks", daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._is_ready.wait(HEARTBEAT_S):
            self.check()

    def check(self) -> None:
        """Raises ExpertUnavailable when the thread is gone or stuck. A connection that is down is no ill health:
        it is redialled, and a restart would not bring the router back."""
        silent_s = time.monotonic() - self._beat_at
        if not self._thread.is_alive() or silent_s > WEDGED_AFTER_S:
            message = f"the uplink thread has not moved for {silent_s:.1f} s"
            raise ExpertUnavailable(frozenset(self._identity.experts), message)

    def drain(self, reason: str) -> None:
        """Tell every router to send nothing new, answer what is on its way, then disconnect."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._drain(reason), self._loop).result(timeout=DRAIN_GRACE_S * 3)
            self._thread.join(timeout=DRAIN_GRACE_S)

    def _run(self) -> None:
        # This thread does not push a router aside that is sending to others yet; where that is refused, it does.
        with suppress(AttributeError, OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._is_ready.set()
        jobs = [self._keep(address) for address in self._routers]
        tasks = [asyncio.ensure_future(job) for job in (*jobs, self._beat(), self._stop.wait())]
        # None of them ends by itself but by a mistake; then the thread ends too, and ``check`` tells Serve.
        ended, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        for task in ended:
            task.result()

    async def _keep(self, address: tuple[str, int]) -> None:
        def on_change(uplink: ExpertUplink | None) -> None:
            if uplink is None:
                self._uplinks.pop(address, None)
            else:
                self._uplinks[address] = uplink

        await keep_uplink(*address, self._identity, self._executor, self._next_incarnation, on_change)

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(HEARTBEAT_S)

    async def _drain(self, reason: str) -> None:
        for uplink in self._uplinks.values():
            uplink.drain(reason)
        if self._uplinks:
            await asyncio.sleep(DRAIN_GRACE_S)
        self._stop.set()
