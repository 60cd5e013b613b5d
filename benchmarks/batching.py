"""Continuous batching: 32 requests at once against the same ones one after the other, and how long a token takes.

Eight replica processes and the router's engine, without HTTP. Latency: from one token of a stream to its next.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from measure import claim, machine, percentile, report
from moray.experts.random_checkpoint import DEMO_CONFIG
from rig import Plan, Rig, demo_models, in_sets, ms_between_tokens, running

NODES, STREAMS, PROMPT_TOKENS = 8, 32, 16
LIMIT = 3.8


def prompts_of(seed: int) -> list[list[int]]:
    return [[(seed + 31 * stream + 7 * i) % 500 for i in range(PROMPT_TOKENS)] for stream in range(STREAMS)]


def one_round(rig: Rig, groups: list[list[list[int]]], num_tokens: int) -> tuple[float, list[float], list[list[int]]]:
    """Tokens per second, milliseconds between tokens, and the tokens, of groups that follow each other."""
    seconds, gaps, outputs = 0.0, list[float](), list[list[int]]()
    for group in groups:
        streams = rig.streams(group, num_tokens)
        seconds += max(stream[-1][1] for stream in streams)
        gaps += ms_between_tokens(streams)
        outputs += [[token.token_id for token, _ in stream] for stream in streams]
    return len(outputs) * num_tokens / seconds, gaps, outputs


def measure(model: Path, numeric_class: str, num_tokens: int, rounds: int) -> dict[str, Any]:
    speeds: dict[str, list[float]] = {"one_by_one": [], "together": []}
    gaps: dict[str, list[float]] = {"one_by_one": [], "together": []}
    is_same = True
    plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 256, STREAMS, overlap="auto")
    with running(plan) as rig:
        for number in range(rounds + 1):
            prompts, outputs = prompts_of(number), list[list[list[int]]]()
            for name, groups in (("one_by_one", [[prompt] for prompt in prompts]), ("together", [prompts])):
                speed, between, tokens = one_round(rig, groups, num_tokens)
                outputs.append(tokens)
                if number:  # the first warms up
                    speeds[name].append(speed)
                    gaps[name] += between
            is_same = is_same and outputs[0] == outputs[1]
    median = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "numeric_class": numeric_class,
        "tokens_per_s": {name: round(value, 1) for name, value in median.items()},
        "together_to_one_by_one": round(median["together"] / median["one_by_one"], 2),
        "ms_between_tokens": {
            name: {"p50": round(percentile(values, 50), 2), "p99": round(percentile(values, 99), 2)}
            for name, values in gaps.items()
        },
        "same_tokens": is_same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of fewer tokens")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds = (32, 1) if options.quick else (96, 3)
    with demo_models() as models:
        cells = [measure(model, numeric_class, num_tokens, rounds) for numeric_class, model in models.items()]
    claims = []
    for cell in cells:
        name, ratio = cell["numeric_class"], cell["together_to_one_by_one"]
        claims.append(claim(f"{name}: 32 together at least {LIMIT} x one by one", ratio, ratio >= LIMIT))
        claims.append(claim(f"{name}: the same tokens", float(cell["same_tokens"]), cell["same_tokens"]))
    report({"machine": facts, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
