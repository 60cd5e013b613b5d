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
from rig import Plan, Rig, demo_models, in_sets, running

NODES = 8
CONTEXTS = (512, 2048)  # tokens behind each stream; the more, the longer the attention
ROUND_TRIPS = (0.0, 0.5, 1.0, 1.5, 2.0)  # times the attention of a layer
STREAMS = (1, 8, 64)
MODES: tuple[OverlapMode, ...] = get_args(OverlapMode)
TURN = 8  # steps in which one mode decides
NEW_TOKENS = 240  # of a stream, ten cycles of all modes


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


class InTurn:
    """In the engine's place for the choice: every mode decides for TURN steps, then the next. Steps of the usual size
    are timed; since no bit depends on the choice, one generation serves all modes."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows, self._choices, self._step = num_rows, {mode: Overlap(mode) for mode in MODES}, 0
        self.cycles: list[dict[OverlapMode, list[float]]] = []

    def choose(self, num_rows: int) -> int:
        if num_rows == self._num_rows:
            if self._step % (TURN * len(MODES)) == 0:
                self.cycles.append({mode: [] for mode in MODES})
            self._mode = MODES[self._step // TURN % len(MODES)]
            self._step += 1
        return self._choices[self._mode].choose(num_rows) if num_rows == self._num_rows else 1

    def note(self, num_rows: int, num_parts: int, seconds: float) -> None:
        if num_rows == self._num_rows:
            self._choices[self._mode].note(num_rows, num_parts, seconds)
            if self.cycles:
                self.cycles[-1][self._mode].append(seconds)


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


def cells_of(model: Path, streams: int, context: int, num_rounds: int) -> list[dict[str, Any]]:
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
            timed = cell(rig, prompts, num_rounds)
            place = {"streams": streams, "context": context, "round_trip_to_attention": times}
            cells.append({**place, "round_trip_ms": round(times * attention * 1000, 3), **timed})
    return cells


def cell(rig: Rig, prompts: list[list[int]], num_rounds: int) -> dict[str, Any]:
    in_turn = InTurn(len(prompts))
    rig.engine.overlap = in_turn  # type: ignore[assignment]
    for number in range(num_rounds + 1):
        if number == 1:  # the first warms up, and is what auto learns from
            in_turn.cycles.clear()
        rig.complete(prompts, NEW_TOKENS)
    rig.engine.overlap = Overlap("off")
    cycles = [cycle for cycle in in_turn.cycles if all(len(steps) == TURN for steps in cycle.values())]

    def speed(mode: OverlapMode) -> float:
        """Times as fast as off, of neighbours in time: the machine's moods are theirs alike."""
        return statistics.median(sum(cycle["off"]) / sum(cycle[mode]) for cycle in cycles)

    return {
        "ms_per_step": {
            mode: round(statistics.median(step for cycle in cycles for step in cycle[mode]) * 1000, 3) for mode in MODES
        },
        "on_to_off": round(speed("on"), 3),
        "auto_to_off": round(speed("auto"), 3),
        "cycles": len(cycles),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 streams only, fewer rounds")
    options = parser.parse_args()
    facts = machine()
    num_rounds, counts = (2, (64,)) if options.quick else (5, STREAMS)
    with demo_models() as models:
        cells = [
            cell
            for context in CONTEXTS
            for streams in counts
            for cell in cells_of(models["float32"], streams, context, num_rounds)
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
