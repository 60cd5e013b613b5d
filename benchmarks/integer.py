"""A whole integer expert against the float32 one of the same weights, side by side, one thread.

``float32``: FeedForward; ``integer``: IntegerExpert on rows that are quantised already, as they travel; ``with_rows``:
the same and the quantising of its rows and the widening of its results, which the router does. Hidden size = width.
Weights of four bits are computed as bytes are, so only their error is measured.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

from measure import claim, interleaved, machine, median_us, progress, report
from moray.experts.compiled import Rows
from moray.experts.ffn import load_feed_forward
from moray.experts.integer import IntegerExpert, IntegerWeights
from moray.experts.scaled_rows import decode, encode, quantise

WIDTHS = (256, 1024, 2048, 4096)
ROWS = (1, 2, 4, 8, 16, 32)
GOALS = {1024: 1.3, 2048: 2.0, 4096: 2.0}


def relative_error(got: Rows, wanted: Rows) -> float:
    return round(float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)), 4)


def measure_width(width: int, rounds: int, budget_s: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(width)
    gate, up, down = (rng.standard_normal((width, width), np.float32) / np.float32(width**0.5) for _ in range(3))
    exact = load_feed_forward(torch.from_numpy(np.concatenate((gate, up))), torch.from_numpy(down))
    ours, coarse = (
        IntegerExpert(IntegerWeights(*(quantise(weight, highest) for weight in (gate, up, down))))
        for highest in (127, 7)
    )
    cells = []
    for num_rows in ROWS:
        progress(f"width {width}, {num_rows} rows")
        x = rng.standard_normal((num_rows, width), np.float32)
        encoded = encode(x)
        samples = interleaved(
            {
                "float32": lambda x=x: exact(x),  # type: ignore[misc]
                "integer": lambda b=encoded: ours(b),  # type: ignore[misc]
                "with_rows": lambda x=x: decode(ours(encode(x))),  # type: ignore[misc]
            },
            rounds,
            budget_s,
        )
        medians = {name: median_us(values) for name, values in samples.items()}
        wanted, got, got_int4 = exact(x), decode(ours(encoded)), decode(coarse(encoded))
        cells.append(
            {
                "width": width,
                "rows": num_rows,
                "us": medians,
                "times_faster": round(medians["float32"] / medians["integer"], 2),
                "times_faster_with_rows": round(medians["float32"] / medians["with_rows"], 2),
                "relative_error": relative_error(got, wanted),
                "relative_error_int4": relative_error(got_int4, wanted),
            }
        )
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    rounds, budget_s = (40, 1.0) if options.quick else (300, 5.0)
    facts, started = machine("numba"), time.perf_counter()
    cells = [cell for width in WIDTHS for cell in measure_width(width, rounds, budget_s)]
    claims = []
    for width, goal in GOALS.items():
        worst = min(cell["times_faster"] for cell in cells if cell["width"] == width)
        claims.append(claim(f"integer expert >= {goal} x float32 at width {width}, 1 to 32 rows", worst, worst >= goal))
    took = round(time.perf_counter() - started, 1)
    report({"machine": facts, "seconds": took, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
