"""anvil, Foundry's development chain, as a child process that never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_KEYS
from moray.errors import ClusterError

__all__ = ["DEVELOPMENT_KEYS", "Anvil", "find_anvil"]

_LISTENING = re.compile(r"Listening on (127\.0\.0\.1:[0-9]+)")
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0  # it may have a long state to write
_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_LIBC = ctypes.CDLL(None)


def find_anvil() -> Path:
    """The executable itself: npm's is a script that starts it, and would be all that a signal ends.

    Raises ClusterError.
    """
    on_path = shutil.which("anvil")
    in_tree = Path(__file__).resolve().parent.parent / "node_modules" / ".bin" / "anvil"
    for candidate in ([Path(on_path)] if on_path else []) + [in_tree]:
        found = candidate.resolve()
        if found.suffix in (".js", ".mjs"):
            native = sorted(found.parent.parent.glob("anvil-*/bin/anvil"))
            if native:
                return native[0]
        elif found.is_file():
            return found
    raise ClusterError("anvil, the development chain, is not installed; run `make init` in Moray's source folder")


class Anvil:
    """A chain of its own on a port of 127.0.0.1, from ``with`` or ``async with`` until its end.

    ``port`` 0: a free one. ``block_time_s`` None: a chain_block for every transaction. ``state_file``: where the chain
    is read from, if it is there, and written to at the end and once in a while.

    It dies with the thread that started it (Linux), so start it in one that lasts.
    """

    def __init__(
        self,
        block_time_s: int | None = None,
        state_file: Path | None = None,
        *,
        port: int = 0,
        chain_id: int | None = None,
    ) -> None:
        self._block_time_s = block_time_s
        self._state_file = state_file
        self._port = port
        self._chain_id = chain_id or DEVELOPMENT_CHAIN_ID
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ClusterError("anvil is not running; enter it with `with`")
        return self._process.pid

    def start(self) -> None:
        """Raises ClusterError when it does not listen in time."""
        self._process = process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_die_with_parent(os.getpid()),
        )
        is_listening = threading.Event()
        last_lines: list[str] = []
        threading.Thread(target=self._read, args=(process, is_listening, last_lines), daemon=True).start()
        is_listening.wait(_START_TIMEOUT_S)
        if not self._address:
            self.stop()
            said = " ".join(" ".join(last_lines).split())[-300:]
            raise ClusterError(f"anvil did not start: {said or 'it said nothing'}; run it by hand to see why")

    def stop(self) -> None:
        """Ends it; its state file is written first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()  # here and not in a thread, with whose end it would die
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        command = [
            str(find_anvil()),
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
            "--chain-id",
            str(self._chain_id),
        ]
        if self._block_time_s is not None:
            command += ["--block-time", str(self._block_time_s)]
        if self._state_file is not None:
            command += ["--state", str(self._state_file), "--state-interval", "10"]
        return command

    def _read(self, process: subprocess.Popen[str], is_listening: threading.Event, last_lines: list[str]) -> None:
        """Reads all that it prints, or the pipe fills and it stops; keeps what it said before it listened."""
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                if is_listening.is_set():
                    continue
                last_lines.append(line)
                if match := _LISTENING.search(line):
                    self._address = match[1]
                    is_listening.set()
        is_listening.set()


def _die_with_parent(parent: int) -> Callable[[], None]:
    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return in_child
