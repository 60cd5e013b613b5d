"""One stream over a wide-area network: tokens per second, against what the round trips leave.

Eight replica processes, each behind a TCP proxy that delays every byte by half a round trip each way. A token needs one
round of every mixture layer, one after the other, so no more than 1 / (mixture layers x round trip + compute) tokens
come per second. ``compute`` is the time from one token to the next through the same proxy without a delay, the mean of
a stream: all that is not the wire, of the router, the experts, the kernel and the proxy. Every turn measures all round
trips, the one of 0 ms among them, and compares each with the ``compute`` of its own turn; medians over the turns count.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from measure import claim, machine, progress, report
from moray.experts.random_checkpoint import DEMO_CONFIG
from rig import Plan, Rig, demo_models, in_sets, ms_between_tokens, running
from wan_link import Link

NODES = 8
ROUND_TRIPS_MS = (0, 1, 10, 30, 100)
GOAL_MS, GOAL = 30, 0.85
NUM_MIXTURES: int = DEMO_CONFIG["num_hidden_layers"] - DEMO_CONFIG["first_k_dense_replace"]
PROMPT = [5, 6, 7, 300, 41]
WARM_TOKENS = 20


def ms_per_token(rig: Rig, round_trip_ms: float, num_tokens: int) -> float:
    """The mean of one stream, from its first token to its last."""
    assert rig.wan is not None
    rig.wan.set(Link(round_trip_ms=round_trip_ms))
    return statistics.fmean(ms_between_tokens(rig.streams([PROMPT], num_tokens)))


def num_tokens(round_trip_ms: float, budget_s: float) -> int:
    """Of a stream that takes about so long."""
    return max(8, int(budget_s * 1000 / (NUM_MIXTURES * round_trip_ms + 5)))


def points_of(turns: list[dict[int, float]]) -> list[dict[str, float]]:
    """``turns``: of each, ms per token by round trip."""
    points = []
    for round_trip_ms in ROUND_TRIPS_MS:
        limits_ms = [NUM_MIXTURES * round_trip_ms + turn[0] for turn in turns]
        ratios = [limit_ms / turn[round_trip_ms] for limit_ms, turn in zip(limits_ms, turns, strict=True)]
        points.append(
            {
                "round_trip_ms": round_trip_ms,
                "tokens_per_s": round(1000 / statistics.median(turn[round_trip_ms] for turn in turns), 2),
                "limit_per_s": round(1000 / statistics.median(limits_ms), 2),
                "ratio": round(statistics.median(ratios), 3),
                "lowest_ratio": round(min(ratios), 3),
            }
        )
    return points


def plot(points: list[dict[str, float]], folder: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    at = [point["round_trip_ms"] for point in points]
    axes.plot(at, [point["limit_per_s"] for point in points], "--", color="#888888", label="limit")
    axes.plot(at, [point["tokens_per_s"] for point in points], "o-", color="#1f6f8b", label="measured")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_yscale("log")
    axes.set_xlabel("ms round trip")
    axes.set_ylabel("tokens/s, one stream")
    axes.set_xticks(at, [f"{ms:g}" for ms in at], fontsize=8)
    ticks = (1, 2, 5, 10, 20, 50, 100, 200, 500)
    axes.set_yticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "wan.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--plots", type=Path, help="a folder for the plot (SVG)")
    options = parser.parse_args()
    facts: dict[str, Any] = machine()
    num_turns, budget_s = (3, 1.5) if options.quick else (7, 3.0)
    turns, experts = [], in_sets(DEMO_CONFIG["n_routed_experts"], NODES)
    with demo_models() as models, running(Plan(models["float32"], experts, 1024, 1, over_wan=True)) as rig:
        ms_per_token(rig, 0, WARM_TOKENS)
        for turn in range(num_turns):
            progress(f"turn {turn + 1} of {num_turns}")
            turns.append({ms: ms_per_token(rig, ms, num_tokens(ms, budget_s)) for ms in ROUND_TRIPS_MS})
    points = points_of(turns)
    if options.plots is not None:
        plot(points, options.plots)
    [ratio] = [point["ratio"] for point in points if point["round_trip_ms"] == GOAL_MS]
    text = f"one stream at {GOAL_MS} ms round trip: at least {GOAL} of the limit"
    report(
        {
            "machine": facts,
            "claims": [claim(text, ratio, ratio >= GOAL)],
            "compute_ms": round(statistics.median(turn[0] for turn in turns), 3),
            "points": points,
        }
    )


if __name__ == "__main__":
    main()
