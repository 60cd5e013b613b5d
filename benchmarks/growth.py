"""How the cost of a token grows: with the experts per network, with the streams, with the context. One plot each.

Eight replica processes and the router's engine. Each series measures its points in turn, several times, and takes
medians; a slope above 1 between neighbours on the double-logarithmic plot would be superlinear.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from measure import claim, machine, progress, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from rig import Plan, in_sets, ms_per_step, running

NODES = 8
EXPERTS = (8, 16, 32, 64)
STREAMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTEXTS = (128, 256, 512, 1024, 2048, 4096, 8192)
LONG = DEMO_CONFIG | {"max_position_embeddings": 16_384}
MAX_SLOPE = 1.15  # between neighbours: linear, with room for noise


def series(points: Sequence[int], measure: Callable[[int], float], rounds: int) -> list[dict[str, float]]:
    samples: dict[int, list[float]] = {point: [] for point in points}
    for number in range(rounds + 1):
        for point in points:
            sample = measure(point)
            if number:  # the first warms up
                samples[point].append(sample)
    return [{"at": point, "ms_per_step": round(statistics.median(values), 3)} for point, values in samples.items()]


def by_experts(scratch: Path, num_tokens: int, rounds: int) -> list[dict[str, float]]:
    """One stream; so many experts in all, shared out over the replicas (``--experts-per-replica``)."""
    with ExitStack() as stack:
        rigs = {}
        for count in EXPERTS:
            model = scratch / f"experts-{count}"
            write_random_checkpoint(model, DEMO_CONFIG | {"n_routed_experts": count}, seed=0)
            rigs[count] = stack.enter_context(running(Plan(model, in_sets(count, NODES), 256, 1)))
        return series(EXPERTS, lambda count: ms_per_step(rigs[count], [[7] * 16], num_tokens), rounds)


def by_streams(model: Path, num_tokens: int, rounds: int) -> list[dict[str, float]]:
    plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 256, max(STREAMS), overlap="auto")
    with running(plan) as rig:

        def measure(count: int) -> float:
            return ms_per_step(rig, [[(stream + i) % 500 for i in range(4)] for stream in range(count)], num_tokens)

        return series(STREAMS, measure, rounds)


def by_context(model: Path, num_tokens: int, rounds: int) -> list[dict[str, float]]:
    """One stream with so many tokens behind it."""
    plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), max(CONTEXTS) + 256, 1)
    with running(plan) as rig:

        def measure(length: int) -> float:
            return ms_per_step(rig, [[i % 500 for i in range(length)]], num_tokens)

        return series(CONTEXTS, measure, rounds)


def steepest(points: list[dict[str, float]]) -> float:
    """The highest exponent between two neighbours: 1 is linear."""
    return max(math.log(b["ms_per_step"] / a["ms_per_step"]) / math.log(b["at"] / a["at"]) for a, b in pairwise(points))


def plot(name: str, label: str, points: list[dict[str, float]], folder: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    axes.loglog([p["at"] for p in points], [p["ms_per_step"] for p in points], "o-", color="#1f6f8b")
    axes.set_xlabel(label)
    axes.set_ylabel("ms per decode step")
    axes.set_xticks([p["at"] for p in points], [f"{p['at']:g}" for p in points], fontsize=8)
    axes.minorticks_off()
    lowest, highest = min(p["ms_per_step"] for p in points), max(p["ms_per_step"] for p in points)
    ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256) if lowest / 2 <= tick <= highest * 2]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.grid(alpha=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of fewer tokens")
    parser.add_argument("--plots", type=Path, help="a folder for the three plots (SVG)")
    options = parser.parse_args()
    facts = machine()
    num_tokens, rounds = (24, 1) if options.quick else (64, 3)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        model, long = Path(scratch) / "model", Path(scratch) / "long"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        write_random_checkpoint(long, LONG, seed=0)
        progress("experts per network")
        results["experts"] = by_experts(Path(scratch), num_tokens, rounds)
        progress("streams")
        results["streams"] = by_streams(model, num_tokens, rounds)
        progress("context")
        results["context"] = by_context(long, num_tokens, rounds)
    labels = {"experts": "experts of the network, one stream", "streams": "streams", "context": "tokens of context"}
    if options.plots is not None:
        for name, points in results.items():
            plot(f"growth-{name}", labels[name], points, options.plots)
    claims = [
        claim(f"{name}: no step steeper than linear (exponent at most {MAX_SLOPE})", slope, slope <= MAX_SLOPE)
        for name, points in results.items()
        for slope in [steepest(points)]
    ]
    report({"machine": facts, "claims": claims, "series": results})


if __name__ == "__main__":
    main()
