"""Tokens per second of a replay, which reads an answer, against generating the same answer alone in the same process.

Both with the experts in this process and one thread, interleaved. ``ratio`` above 1: judging is that much cheaper than
the work that it judges.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from judging import answers, load, replayed, requests
from measure import claim, interleaved, machine, progress, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.threads import row_threads

NUM_TOKENS = 256
CLASSES = ("float32", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    rounds, budget_s = (3, 10.0) if options.quick else (10, 60.0)
    facts, cells, ratios = machine("numba"), list[dict[str, Any]](), list[float]()
    row_threads.resize(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_random_checkpoint(folder / "float32", DEMO_CONFIG, seed=1)
        write_shards(folder / "float32", folder / "int8", numeric_class="int8")
        for numeric_class in CLASSES:
            progress(numeric_class)
            model = load(folder / numeric_class, 1)
            (request,) = requests("seeded", 1, NUM_TOKENS)
            (said,) = answers(model, [request])
            assert len(said) == NUM_TOKENS and max(token.gap for token in replayed(model, request, said)) == 0
            samples = interleaved(
                {
                    "generate": lambda model=model, request=request: answers(model, [request]),  # type: ignore[misc]
                    "replay": lambda model=model, request=request, said=said: replayed(model, request, said),  # type: ignore[misc]
                },
                rounds,
                budget_s,
            )
            per_s = {name: round(NUM_TOKENS / statistics.median(taken)) for name, taken in samples.items()}
            ratios.append(round(per_s["replay"] / per_s["generate"], 2))
            rounds_done = len(samples["replay"])
            cells.append(
                {"numeric_class": numeric_class, "tokens_per_s": per_s, "ratio": ratios[-1], "rounds": rounds_done}
            )
    least = min(ratios)
    report({"machine": facts, "claims": [claim("replay >= 3 x generating", least, least >= 3)], "cells": cells})


if __name__ == "__main__":
    main()
