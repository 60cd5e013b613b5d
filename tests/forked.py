"""Processes that begin in milliseconds, because the one they are forked from has imported everything already.

Nothing else is shared: each has its own memory, descriptors and locks, and is killed like any other process.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def import_beforehand(modules: Iterable[str]) -> None:
    """Before the first process of this pytest process is begun; later it has no effect."""
    _CONTEXT.set_forkserver_preload(["__main__", *modules])


class Forked:
    """``begin`` starts ``target(*arguments)``; what it prints is read line by line, its errors go to ``log``."""

    def __init__(self, process: multiprocessing.process.BaseProcess, lines: asyncio.StreamReader) -> None:
        self._process, self._lines = process, lines

    @classmethod
    async def begin(cls, target: Callable[..., None], *arguments: str, log: Path) -> Forked:
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_run, args=(target, arguments, theirs, str(log)), daemon=True)
        process.start()
        theirs.close()
        lines = asyncio.StreamReader()
        pipe = os.fdopen(os.dup(ours.fileno()), "rb", buffering=0)
        ours.close()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
        return cls(process, lines)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    async def line(self) -> str:
        """The next one; "" when the process has ended."""
        return (await self._lines.readline()).decode().strip()

    def kill(self) -> None:
        self._process.kill()

    async def end(self) -> int:
        """Waits for it. Its exit code; minus the number of the signal that killed it."""
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(target: Callable[..., None], arguments: tuple[str, ...], lines: Connection, log: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # when the fork server goes, which goes with the tests
    os.dup2(lines.fileno(), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    lines.close()
    target(*arguments)
