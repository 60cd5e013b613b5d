"""Micro-batches in flight against one batch, where the wire takes its time.

Streams that decode behind a context of so many tokens, over eight replica processes. The wire's time is put in at the
router's end: a round's results are not looked at before the round trip has passed since it was sent, in multiples of
the router's attention of one layer, and until then the thread sleeps. (A relay that delays bytes took more of two cores
than it delayed.) ``on`` is two micro-batches; ``auto``, a router's own choice, may be one, two or four.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any, get_args

from measure import claim, machine, progress, report
from moray.experts.compiled import Ids, Rows
from moray.experts.random_checkpoint import DEMO_CONFIG
from moray.router.overlap import Overlap
from moray.router.transport import ExpertTransport
from moray.types import OverlapMode
from rig import Plan, Rig, demo_models, in_sets, ms_per_step, running

NODES = 8
CONTEXTS = (512, 2048)  # tokens behind each stream; the more, the longer the attention
ROUND_TRIPS = (0.0, 0.5, 1.0, 1.5, 2.0)  # times the attention of a layer
STREAMS = (1, 8, 64)


class SlowWire:
    """Results of a round come no sooner than ``round_trip_s`` after it was sent."""

    round_trip_s = 0.0

    def __init__(self, inner: ExpertTransport) -> None:
        self._inner = inner

    def missing(self) -> frozenset[int]:
        return self._inner.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        return _Late(self._inner.dispatch(layer, hidden_states, expert_ids), time.perf_counter() + self.round_trip_s)


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


def cells_of(model: Path, streams: int, context: int, num_tokens: int, rounds: int) -> list[dict[str, Any]]:
    """One rig for all round trips: its prompts are read once."""
    prompts = [[(3 + stream + i) % 500 for i in range(context)] for stream in range(streams)]
    plan, wires = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), context + 256, streams), list[SlowWire]()

    def slow(inner: ExpertTransport) -> ExpertTransport:
        wires.append(SlowWire(inner))
        return wires[0]

    with running(plan, slow) as rig:
        rig.complete(prompts, 20)
        attention = attention_s(rig, prompts)
        cells = []
        for times in ROUND_TRIPS:
            progress(f"{streams} streams of {context}, a round trip of {times} times {attention * 1000:.2f} ms")
            wires[0].round_trip_s = times * attention
            timed = cell(rig, prompts, num_tokens, rounds)
            place = {"streams": streams, "context": context, "round_trip_to_attention": times}
            cells.append({**place, "round_trip_ms": round(times * attention * 1000, 3), **timed})
    return cells


def cell(rig: Rig, prompts: list[list[int]], num_tokens: int, rounds: int) -> dict[str, Any]:
    """All modes in turn."""
    steps: dict[str, list[float]] = {mode: [] for mode in get_args(OverlapMode)}
    learned = Overlap("auto")
    for number in range(rounds + 1):
        for mode, samples in steps.items():
            rig.engine.overlap = learned if mode == "auto" else Overlap(mode)  # type: ignore[arg-type]
            sample = ms_per_step(rig, prompts, num_tokens)
            if number:  # the first warms up, and is what auto learns from
                samples.append(sample)
    median = {mode: statistics.median(samples) for mode, samples in steps.items()}
    return {
        "ms_per_step": {mode: round(value, 3) for mode, value in median.items()},
        "on_to_off": round(median["off"] / median["on"], 3),  # of speeds
        "auto_to_off": round(median["off"] / median["auto"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 streams only, fewer tokens and rounds")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds, counts = (40, 3, (64,)) if options.quick else (80, 5, STREAMS)
    with demo_models() as models:
        cells = [
            cell
            for context in CONTEXTS
            for streams in counts
            for cell in cells_of(models["float32"], streams, context, num_tokens, rounds)
        ]
    claims = [
        claim(
            f"64 streams of {context}, round trip of 1 to 2 times the attention: at least 1.2 x",
            ratio := min(
                cell["auto_to_off"]
                for cell in cells
                if (cell["streams"], cell["context"]) == (64, context) and cell["round_trip_to_attention"] >= 1
            ),
            ratio >= 1.2,
        )
        for context in CONTEXTS
    ]
    lowest = min(cell["auto_to_off"] for cell in cells)
    report({"machine": facts, "claims": [*claims, claim("never below 0.97 x", lowest, lowest >= 0.97)], "cells": cells})


if __name__ == "__main__":
    main()
