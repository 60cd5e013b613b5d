"""A router operator's process that serves tasks from the chain: it looks, plans (``task_decisions``), and acts.

It may die at any moment. What it did is on the chain, what it promised to do is in the outbox, and what it will deliver
is stored before it is promised; the rest it does again with the same outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from moray.errors import MorayError
from moray.router.task_acts import TaskActs
from moray.router.task_decisions import (
    Act,
    Approve,
    GatewayFacts,
    Ignore,
    Limits,
    Situation,
    Step,
    Wait,
    plan,
)
from moray.router.task_log import KnownTask, fold

MAX_REST_S = 60.0
PAYMENT = b"payment"  # what failed payments rest under; no task's id, which has 32 bytes


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the worker's log. ``task_id`` is None for what concerns the account."""

    step: str
    text: str
    task_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Rest:
    num_failures: int
    until_s: float  # monotonic


class TaskWorker:
    """``tell`` gets one line for each thing that happens."""

    def __init__(self, acts: TaskActs, limits: Limits, poll_s: float, tell: Callable[[Told], None]) -> None:
        self._acts, self._limits, self._poll_s, self._tell = acts, limits, poll_s, tell
        self._known: dict[bytes, KnownTask] = {}
        self._busy: dict[bytes, Act] = {}
        self._is_paying = False
        self._rests: dict[bytes, _Rest] = {}
        self._reasons: dict[bytes, str] = {}  # why nothing is done, as told last
        self._working: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._fault: BaseException | None = None  # of work that ended as nobody foresaw

    async def run(self) -> None:
        """Until it is cancelled. What cannot be done now is told, and tried again; a fault of our own ends it."""
        fold(self._known, self._acts.all_events())
        num_failures = 0
        try:
            while self._fault is None:
                pause_s = self._poll_s
                self._wake.clear()
                try:
                    await self._round()
                    num_failures = 0
                except MorayError as error:
                    num_failures += 1
                    self._tell(Told("look", f"{error} (tried again)"))
                    pause_s = backoff_s(num_failures)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause_s)
            raise self._fault
        finally:
            for work in self._working:
                work.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def _round(self) -> None:
        await self._catch_up()
        now = await self._look()
        planned = plan(self._known.values(), now, self._limits)
        for task_id, step in planned.steps.items():
            self._begin(task_id, step, now.gateway)
            if isinstance(step, Ignore) and self._known[task_id].status.is_final:
                self._forget(task_id)
        if planned.payment is not None and PAYMENT not in self._resting():
            self._is_paying = True
            name = "approve" if isinstance(planned.payment, Approve) else "withdraw"
            self._start(PAYMENT, name, self._acts.pay(planned.payment))

    async def _catch_up(self) -> None:
        await self._acts.catch_up(self._known)
        for known in list(self._known.values()):
            if known.status.is_final and known.provider != self._acts.account:
                self._forget(known.id)

    def _forget(self, task_id: bytes) -> None:
        """Nothing can be done for it any more."""
        del self._known[task_id]
        self._reasons.pop(task_id, None)
        self._rests.pop(task_id, None)

    async def _look(self) -> Situation:
        money, memory = await self._acts.money(), self._acts.memory
        return Situation(
            account=self._acts.account,
            now_s=max(money.head.timestamp, int(time.time())),  # a chain where nothing happens has an old head
            head_block=money.head.number,
            gas_price_wei=money.gas_price_wei,
            balance_wei=money.balance_wei,
            balance=money.balance,
            allowance=money.allowance,
            owed=money.owed,
            gateway=await self._acts.gateway_facts(),
            exams=memory.exams,
            delivered=memory.delivered,
            called_back=frozenset(memory.called_back),
            busy=dict(self._busy),
            resting=self._resting(),
            is_paying=self._is_paying,
        )

    def _begin(self, task_id: bytes, step: Step, gateway: GatewayFacts | None) -> None:
        if isinstance(step, Ignore | Wait):
            is_old_news = self._known[task_id].status.is_final and task_id not in self._reasons  # from before the start
            if task_id not in self._busy and self._reasons.get(task_id) != step.reason and not is_old_news:
                self._reasons[task_id] = step.reason
                self._tell(Told(type(step).__name__.lower(), step.reason, task_id))
            return
        self._busy[task_id] = step
        self._start(task_id, name_of(step), self._acts.act(self._known[task_id], step, gateway))

    def _start(self, subject: bytes, name: str, act: Coroutine[None, None, str]) -> None:
        work = asyncio.create_task(self._watch(subject, name, act))
        self._working.add(work)
        work.add_done_callback(self._working.discard)

    async def _watch(self, subject: bytes, name: str, act: Coroutine[None, None, str]) -> None:
        task_id = None if subject == PAYMENT else subject
        try:
            self._tell(Told(name, await act, task_id))
            self._rests.pop(subject, None)
        except Exception as error:
            if not isinstance(error, MorayError):
                self._fault = error
                return
            rest = self._rests.get(subject)
            num_failures = rest.num_failures + 1 if rest is not None else 1
            self._rests[subject] = _Rest(num_failures, time.monotonic() + backoff_s(num_failures))
            self._tell(Told(name, f"{error} (tried again)", task_id))
        finally:
            self._busy.pop(subject, None)
            if subject == PAYMENT:
                self._is_paying = False
            self._wake.set()

    def _resting(self) -> frozenset[bytes]:
        now_s = time.monotonic()
        return frozenset(subject for subject, rest in self._rests.items() if rest.until_s > now_s)


def name_of(step: Act) -> str:
    return "call back" if type(step).__name__ == "CallBack" else type(step).__name__.lower()


def backoff_s(num_failures: int) -> float:
    """How long to wait after so many failures in a row, 1 or more."""
    return float(min(MAX_REST_S, 2 ** min(num_failures - 1, 10)))
