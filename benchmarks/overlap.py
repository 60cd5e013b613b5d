"""Two micro-batches in flight against one, where the wire takes its time.

Streams over eight replica processes, with a relay in between that delays every byte so that a round trip takes so many
times what the router's attention of a layer takes; and with no relay at all. ``auto`` is a router's own choice.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, get_args

from measure import claim, machine, progress, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.router.overlap import Overlap
from moray.types import OverlapMode
from rig import Plan, Rig, in_sets, running, timed_tokens

NODES = 8
ROUND_TRIPS = (0.0, 0.5, 1.0, 1.5, 2.0)  # times the attention of a layer
STREAMS = (1, 8, 64)


def attention_s(rig: Rig, prompts: list[list[int]]) -> float:
    """Of one layer, while all streams decode."""
    before = rig.engine.timings.snapshot()
    rig.complete(prompts, 40)
    after = rig.engine.timings.snapshot()
    passes = (after["num_mixtures"] - before["num_mixtures"]) / 5 * 6  # attention is timed in the dense layer too
    return (after["attention_s"] - before["attention_s"]) / passes


def measure(model: Path, streams: int, times: float, attention: float, num_tokens: int, rounds: int) -> dict[str, Any]:
    """All modes in one rig, in turn."""
    plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 256, streams, delay_s=times * attention / 2)
    speeds: dict[str, list[float]] = {mode: [] for mode in get_args(OverlapMode)}
    prompts = [[3 + i] * 8 for i in range(streams)]
    with running(plan) as rig:
        learned = Overlap("auto")
        for number in range(rounds + 1):
            for mode, samples in speeds.items():
                rig.engine.overlap = learned if mode == "auto" else Overlap(mode)  # type: ignore[arg-type]
                speed = timed_tokens(rig, prompts, num_tokens)
                if number:  # the first warms up
                    samples.append(speed)
    median = {mode: statistics.median(samples) for mode, samples in speeds.items()}
    return {
        "streams": streams,
        "round_trip_to_attention": times,
        "round_trip_ms": round(times * attention * 1000, 3),
        "tokens_per_s": {mode: round(value, 1) for mode, value in median.items()},
        "on_to_off": round(median["on"] / median["off"], 3),
        "auto_to_off": round(median["auto"] / median["off"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 streams only, fewer tokens and rounds")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds, counts = (60, 3, (64,)) if options.quick else (100, 7, STREAMS)
    cells = []
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        for streams in counts:
            prompts = [[3 + i] * 8 for i in range(streams)]
            with running(Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 256, streams)) as rig:
                rig.complete(prompts, 20)
                attention = attention_s(rig, prompts)
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
