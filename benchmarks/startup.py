"""How long eight nodes take to be ready, and what they hold in memory and burn at rest."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from measure import claim, machine, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.nodes.processes import marked_processes
from moray.nodes.state import read_state

NUM_NODES = 8
REST_S = 10.0
READY_LIMIT_S = 60.0
MEMORY_LIMIT_MB = 6000


def main() -> None:
    facts = machine("ray")
    with tempfile.TemporaryDirectory(prefix="moray-startup-") as scratch:
        model, state = Path(scratch) / "model", Path(scratch) / "state"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        moray = [sys.executable, "-m", "moray.cli"]
        up = ["up", "--model", str(model), "--nodes", str(NUM_NODES), "--http-port", "0", "--detach", "--json"]
        try:
            started = time.monotonic()
            subprocess.run([*moray, *up, "--state-dir", str(state)], check=True, capture_output=True)
            ready_s = time.monotonic() - started
            figures = at_rest(state)
        finally:
            subprocess.run([*moray, "down", "--state-dir", str(state)], capture_output=True)
    claims = [
        claim(f"{NUM_NODES} nodes ready in under {READY_LIMIT_S:g} s", ready_s, ready_s < READY_LIMIT_S),
        claim(f"resident memory under {MEMORY_LIMIT_MB} MB", figures["rss_mb"], figures["rss_mb"] < MEMORY_LIMIT_MB),
    ]
    report({"machine": facts, "claims": claims, "ready_s": round(ready_s, 1)} | figures)


def at_rest(state: Path) -> dict[str, Any]:
    """Memory of all processes (RSS counts shared pages once per process, PSS once in all) and CPU while idle."""
    record = read_state(state)
    assert record is not None
    processes = marked_processes(record.marker)
    memory = [process.memory_full_info() for process in processes]
    before = cpu_s(processes)
    time.sleep(REST_S)
    return {
        "processes": len(processes),
        "rss_mb": round(sum(info.rss for info in memory) / 1e6),
        "pss_mb": round(sum(info.pss for info in memory) / 1e6),
        "idle_percent_of_one_core": round((cpu_s(processes) - before) / REST_S * 100, 1),
    }


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    main()
