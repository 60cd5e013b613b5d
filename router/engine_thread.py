"""An engine in a thread with an event loop of its own, and the door to it from any other loop.

The engine's loop is busy with tensors for milliseconds at a time; HTTP must not wait behind it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress

import torch
import uvloop

from moray.errors import EngineStopped, MorayError
from moray.experts.threads import row_threads
from moray.router.engine import Engine
from moray.router.sequence import Sequence
from moray.types import GeneratedToken, GenerationRequest

Item = GeneratedToken | MorayError


class _Outbox:
    """What the engine has for the requests of one other loop. That loop is woken once for all that a step brings."""

    def __init__(self, caller: asyncio.AbstractEventLoop) -> None:
        self._caller = weakref.ref(caller)
        self._waiting = deque[tuple[asyncio.Queue[Item], Item]]()
        self._is_called = False

    def put(self, items: asyncio.Queue[Item], item: Item) -> None:
        """In the engine's thread."""
        self._waiting.append((items, item))
        caller = self._caller()
        if not self._is_called and caller is not None and not caller.is_closed():
            self._is_called = True
            caller.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_called = False  # before looking: what is put from here on calls again
        while self._waiting:
            items, item = self._waiting.popleft()
            items.put_nowait(item)


class EngineThread:
    """``open_engine`` runs inside the new loop; the sockets that it opens belong to that loop and close with it."""

    def __init__(self, open_engine: Callable[[], AbstractAsyncContextManager[Engine]], num_threads: int = 1) -> None:
        """``num_threads`` of the engine's products."""
        self._open_engine, self._num_threads = open_engine, num_threads
        self._started: Future[Engine] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._outboxes = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Outbox]()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> Engine:
        """Waits until the engine is there; raises what opening it raises."""
        self._thread.start()
        return self._started.result()

    def stop(self) -> None:
        """End all requests with EngineStopped and wait for the thread."""
        if self._thread.is_alive():
            self.call(self._started.result().stop)
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        row_threads.resize(self._num_threads)
        torch.set_num_threads(1)  # of this thread, which draws tokens with it
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with self._open_engine() as engine:
                self._started.set_result(engine)
                await engine.run()
        except BaseException as exc:
            if self._started.done():
                raise
            self._started.set_exception(exc)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[GeneratedToken]:
        """Tokens of one request as they come; closing the iterator cancels it. Raises MorayError subclasses."""
        items, outbox = asyncio.Queue[Item](), self._outbox(asyncio.get_running_loop())
        sequence = Sequence(request, lambda item: outbox.put(items, item))
        self.call(lambda: self._submit(sequence))
        try:
            while True:
                item = await items.get()
                if isinstance(item, MorayError):
                    raise item
                yield item
                if item.finish_reason is not None:
                    return
        finally:
            with suppress(EngineStopped):
                self.call(lambda: self._started.result().cancel(sequence))

    def _outbox(self, caller: asyncio.AbstractEventLoop) -> _Outbox:
        if caller not in self._outboxes:
            self._outboxes[caller] = _Outbox(caller)
        return self._outboxes[caller]

    def _submit(self, sequence: Sequence) -> None:
        try:
            self._started.result().submit(sequence)
        except MorayError as refused:
            sequence.emit(refused)

    def call(self, function: Callable[[], None]) -> None:
        """In the engine's loop, soon. Raises EngineStopped."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            raise EngineStopped("the router is going down; try again later") from None
