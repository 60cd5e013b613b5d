"""Micro-batches in flight against one batch, where the wire takes its time.

Streams that decode behind a context of so many tokens, over eight replica processes. The wire's time is put in at the
router's end: a round's results are not looked at before the round trip has passed since it was sent, in multiples of
the router's attention of one layer, and until then the thread sleeps. (A relay that delays bytes took more of two cores
than it delayed.) ``on`` is two micro-batches; ``auto``, a router's own choice, may be one, two or four.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any, get_args

from measure import claim, machine, progress, report
from moray.experts.compiled import Ids, Rows
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.router.overlap import Overlap
from moray.router.transport import ExpertTransport
from moray.types import OverlapMode
from rig import Plan, Rig, in_sets, ms_per_step, running

NODES, CONTEXT = 8, 512
ROUND_TRIPS = (0.0, 0.5, 1.0, 1.5, 2.0)  # times the attention of a layer
STREAMS = (1, 8, 64)


class SlowWire:
    """Results of a round come no sooner than ``round_trip_s`` after it was sent."""

    def __init__(self, inner: ExpertTransport, round_trip_s: float) -> None:
        self._inner, self._round_trip_s = inner, round_trip_s

    def missing(self) -> frozenset[int]:
        return self._inner.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        return _Late(self._inner.dispatch(layer, hidden_states, expert_ids), time.perf_counter() + self._round_trip_s)


class _Late:
    def __init__(self, pending: Awaitable[Rows], due: float) -> None:
        self._pending, self._due = pending, due

    def __await__(self) -> Generator[Any, None, Rows]:
        left_s = self._due - time.perf_counter()
        if left_s > 0:
            time.sleep(left_s)
        return (yield from self._pending.__await__())


def attention_s(rig: Rig, prompts: list[list[int]]) -> float:
    """Of one layer, while all streams decode: prompts are read in both runs."""
    spent = []
    for num_tokens in (10, 60):
        before = rig.engine.timings.snapshot()
        rig.complete(prompts, num_tokens)
        after = rig.engine.timings.snapshot()
        spent.append([after[name] - before[name] for name in ("attention_s", "num_steps")])
    (short_s, few), (long_s, many) = spent
    num_layers: int = DEMO_CONFIG["num_hidden_layers"]
    return (long_s - short_s) / (many - few) / num_layers


def prompts_of(streams: int) -> list[list[int]]:
    return [[(3 + stream + i) % 500 for i in range(CONTEXT)] for stream in range(streams)]


def measure(model: Path, streams: int, times: float, attention: float, num_tokens: int, rounds: int) -> dict[str, Any]:
    """All modes in one rig, in turn."""
    steps: dict[str, list[float]] = {mode: [] for mode in get_args(OverlapMode)}
    with running(plan_of(model, streams), lambda experts: SlowWire(experts, times * attention)) as rig:
        learned = Overlap("auto")
        for number in range(rounds + 1):
            for mode, samples in steps.items():
                rig.engine.overlap = learned if mode == "auto" else Overlap(mode)  # type: ignore[arg-type]
                sample = ms_per_step(rig, prompts_of(streams), num_tokens)
                if number:  # the first warms up, and fills the prefix cache
                    samples.append(sample)
    median = {mode: statistics.median(samples) for mode, samples in steps.items()}
    return {
        "streams": streams,
        "round_trip_to_attention": times,
        "round_trip_ms": round(times * attention * 1000, 3),
        "ms_per_step": {mode: round(value, 3) for mode, value in median.items()},
        "on_to_off": round(median["off"] / median["on"], 3),  # of speeds
        "auto_to_off": round(median["off"] / median["auto"], 3),
    }


def plan_of(model: Path, streams: int) -> Plan:
    return Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), CONTEXT + 256, streams)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 streams only, fewer tokens and rounds")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds, counts = (40, 3, (64,)) if options.quick else (80, 5, STREAMS)
    cells = []
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        for streams in counts:
            with running(plan_of(model, streams)) as rig:
                rig.complete(prompts_of(streams), 20)
                attention = attention_s(rig, prompts_of(streams))
            for times in ROUND_TRIPS:
                progress(f"{streams} streams, a round trip of {times} times {attention * 1000:.2f} ms")
                cells.append(measure(model, streams, times, attention, num_tokens, rounds))
    far = [cell["auto_to_off"] for cell in cells if cell["streams"] == 64 and cell["round_trip_to_attention"] >= 1]
    lowest = min(cell["auto_to_off"] for cell in cells)
    claims = [
        claim("64 streams, round trip of 1 to 2 times the attention: at least 1.2 x", min(far), min(far) >= 1.2),
        claim("never below 0.97 x", lowest, lowest >= 0.97),
    ]
    report({"machine": facts, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
