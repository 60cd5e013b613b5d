"""What the network costs: eight replica processes against the same engine with its experts in-process.

Both are asked without HTTP (``gateway.py`` says what that costs), in turn, with the same prompts. Both have all cores:
the engine in-process takes one thread or all, whichever is faster for that many streams.
"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

from measure import claim, machine, progress, report
from moray.experts.random_checkpoint import DEMO_CONFIG
from moray.experts.threads import row_threads
from rig import Plan, Rig, demo_models, in_sets, running, timed_tokens

NODES, PROMPT_TOKENS, CONTEXT = 8, 16, 256
STREAMS = (1, 8, 32)
LIMITS = {1: 0.6, 32: 0.85}


def best_threads(rig: Rig, prompts: list[list[int]], num_tokens: int) -> int:
    speeds = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        row_threads.resize(threads)
        speeds[threads] = max(timed_tokens(rig, prompts, num_tokens) for _ in range(3))
    return max(speeds, key=lambda threads: speeds[threads])


def cell(network: Rig, alone: Rig, streams: int, num_tokens: int, rounds: int) -> dict[str, Any]:
    prompts = [[(7 + 13 * stream + i) % 500 for i in range(PROMPT_TOKENS)] for stream in range(streams)]
    threads = best_threads(alone, prompts, num_tokens)
    speeds: dict[str, list[float]] = {"network": [], "in_process": []}
    is_same = network.complete(prompts, num_tokens) == alone.complete(prompts, num_tokens)
    for _ in range(rounds):
        row_threads.resize(1)
        speeds["network"].append(timed_tokens(network, prompts, num_tokens))
        row_threads.resize(threads)
        speeds["in_process"].append(timed_tokens(alone, prompts, num_tokens))
    median = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "streams": streams,
        "tokens_per_s": {name: round(value, 1) for name, value in median.items()},
        "network_to_in_process": round(median["network"] / median["in_process"], 3),
        "in_process_threads": threads,
        "same_tokens": is_same,
    }


def measure(model: Path, numeric_class: str, num_tokens: int, rounds: int) -> list[dict[str, Any]]:
    experts, most = in_sets(DEMO_CONFIG["n_routed_experts"], NODES), max(STREAMS)
    with (
        running(Plan(model, experts, CONTEXT, most, overlap="auto")) as network,
        running(Plan(model, None, CONTEXT, most)) as alone,
    ):
        cells = []
        for streams in STREAMS:
            progress(f"{numeric_class}, {streams} streams")
            cells.append({"numeric_class": numeric_class} | cell(network, alone, streams, num_tokens, rounds))
        return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tokens and rounds")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds = (64, 5) if options.quick else (128, 15)
    with demo_models() as models:
        cells = [cell for name, model in models.items() for cell in measure(model, name, num_tokens, rounds)]
    claims = [
        claim(
            f"{cell['numeric_class']}, {cell['streams']} streams: at least {LIMITS[cell['streams']]} x in-process",
            cell["network_to_in_process"],
            cell["network_to_in_process"] >= LIMITS[cell["streams"]],
        )
        for cell in cells
        if cell["streams"] in LIMITS
    ]
    is_same = all(cell["same_tokens"] for cell in cells)
    report({"machine": facts, "claims": [*claims, claim("the same tokens", float(is_same), is_same)], "cells": cells})


if __name__ == "__main__":
    main()
