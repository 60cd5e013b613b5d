"""`moray pay` as a process beside a router."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chain_process import Chain
from cluster import MORAY
from operators import OpenNetwork


@contextmanager
def paying(network: OpenNetwork, chain: Chain, *account: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """What it yields waits for the next line that it prints. ``account``: the options that say whose money it is."""
    options = ["--chain", chain.file, *account, "--budget", "10", "--deposit", "5", "--json"]
    state_dir = str(network.network.state_dir)
    command = [*MORAY, "pay", *options, "--state-dir", state_dir]
    with (network.folder / "pay.stderr").open("a") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    lines = process.stdout

    def next_step() -> dict[str, Any]:
        line = lines.readline()
        assert line, (network.folder / "pay.stderr").read_text()
        step: dict[str, Any] = json.loads(line)
        return step

    try:
        yield next_step
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
        lines.close()
