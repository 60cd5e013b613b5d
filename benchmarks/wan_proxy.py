"""A wide-area network for replicas on one machine: a TCP proxy in a process of its own, changed while it runs.

Each replica dials a line of its own, an address of the proxy, which leads to the router. What it does not show is what
TCP itself makes of distance: windows that grow by round trips, packets that are lost. Handshakes of TCP take no time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wan_link import Link

RELAY = Path(__file__).with_name("wan_relay.py")


class WanProxy:
    """Where ``lines`` are named, a change is theirs alone; otherwise it is for all. It holds when the call returns."""

    def __init__(self, router: tuple[str, int], num_lines: int) -> None:
        """``router``: its host and port, where it has to be only when a replica dials."""
        self._process = subprocess.Popen(
            [sys.executable, str(RELAY), router[0], str(router[1]), str(num_lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.addresses: list[tuple[str, int]] = [(host, port) for host, port in self._answer()]

    def __enter__(self) -> WanProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """All connections are closed."""
        self._process.communicate()

    def set(self, link: Link, *lines: int) -> None:
        """Bytes that are on their way already keep the moment at which they are due."""
        self._tell("set", lines, asdict(link))

    def stall(self, seconds: float, *lines: int) -> None:
        """Nothing comes out for so long, then all that is due does."""
        self._tell("stall", lines, seconds)

    def reset(self, *lines: int) -> None:
        """The connections there are now."""
        self._tell("reset", lines)

    def count(self, *lines: int) -> list[dict[str, int]]:
        """Of each line: ``num_connections`` so far, those that are ``num_open``, ``num_bytes`` that came out."""
        counts: list[dict[str, int]] = self._tell("count", lines)
        return counts

    def _tell(self, what: str, lines: tuple[int, ...], *arguments: object) -> Any:
        assert self._process.stdin is not None
        print(json.dumps({"do": what, "lines": lines, "with": arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy has ended; see its message on stderr")
        return json.loads(line)
