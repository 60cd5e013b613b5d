"""What the benchmark scripts share: interleaved timing, percentiles, facts about the machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int, budget_s: float) -> dict[str, list[float]]:
    """Seconds of every call: A B C A B C ... after one round that does not count, so that load from elsewhere falls
    on all alike. Stops early, but not before three rounds, when ``budget_s`` is spent."""
    for function in functions.values():
        function()
    samples: dict[str, list[float]] = {name: [] for name in functions}
    until = time.perf_counter() + budget_s
    for done in range(rounds):
        if done >= 3 and time.perf_counter() > until:
            break
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            samples[name].append(time.perf_counter() - started)
    return samples


def median_us(samples: Sequence[float]) -> float:
    return round(statistics.median(samples) * 1e6, 1)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that ``percent`` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary_us(samples: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in microseconds, and how many samples they stand on."""
    return {
        "p50_us": round(percentile(samples, 50) * 1e6, 1),
        "p99_us": round(percentile(samples, 99) * 1e6, 1),
        "samples": len(samples),
    }


def claim(text: str, measured: float, holds: bool) -> dict[str, Any]:
    return {"claim": text, "measured": round(measured, 2), "holds": holds}


def machine(*packages: str) -> dict[str, Any]:
    """The machine and the versions of ``packages``. ``load_before`` above the number of cores: it was shared."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: importlib.metadata.version(name) for name in packages},
    }


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(result: Mapping[str, Any]) -> None:
    """The one JSON object on stdout."""
    print(json.dumps(result, indent=2))


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
