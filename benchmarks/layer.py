"""What a mixture layer costs beside its mathematics: one row to two experts over loopback TCP, over the Unix socket
that replicas on the router's machine use, and over TLS as nodes of other operators come.

A decode loop over eight replica processes, all as it is served but HTTP. Of every round: from the gate's choice to
both outputs in place, less what the slower expert computes. That is measured in this process, on the same rows, with
caches as cold as the decode loop leaves them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

from measure import claim, machine, percentile, report
from moray.experts.compiled import Ids, Rows
from moray.experts.source import open_model
from moray.router.transport import ExpertTransport, LocalExperts
from rig import Plan, demo_models, in_sets, running

NODES = 8
LIMIT_US = 250.0
LINKS = ("TCP", "Unix socket", "TLS")


class Watched:
    """Rounds of one row, timed; the same experts here for comparison, called after the round on the same rows."""

    def __init__(self, inner: ExpertTransport, local: LocalExperts) -> None:
        self._inner, self._local = inner, local
        self.rounds_us: list[float] = []
        self.send_us: list[float] = []
        self.compute_us: list[float] = []
        self.is_on = False

    def missing(self) -> frozenset[int]:
        return self._inner.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        started = time.perf_counter()
        pending = self._inner.dispatch(layer, hidden_states, expert_ids)
        sent = time.perf_counter()
        if not self.is_on or len(hidden_states) > 1:
            return pending
        self.send_us.append((sent - started) * 1e6)
        return _Timed(self, pending, started, layer, hidden_states, expert_ids)

    def compare(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> None:
        """The slower of the two experts, rows encoded and decoded."""
        rows, spent = self._local.row_format.encode(hidden_states), []
        for expert in expert_ids[0].tolist():
            started = time.perf_counter()
            self._local.weights[expert][layer](rows)
            spent.append((time.perf_counter() - started) * 1e6)
        self.compute_us.append(max(spent))


class _Timed:
    def __init__(
        self, watched: Watched, pending: Awaitable[Rows], started: float, layer: int, rows: Rows, ids: Ids
    ) -> None:
        self._watched, self._pending, self._started = watched, pending, started
        self._work = layer, rows.copy(), ids

    def __await__(self) -> Generator[Any, None, Rows]:
        outputs = yield from self._pending.__await__()
        self._watched.rounds_us.append((time.perf_counter() - self._started) * 1e6)
        if len(self._watched.rounds_us) % 7 == 0:
            self._watched.compare(*self._work)
        return outputs


def measure(model: Path, link: str, num_tokens: int) -> dict[str, Any]:
    source, watched = open_model(model), list[Watched]()

    def wrap(inner: ExpertTransport) -> ExpertTransport:
        watched.append(Watched(inner, LocalExperts(source)))
        return watched[0]

    experts = in_sets(source.architecture.num_experts, NODES)
    plan = Plan(model, experts, 2048, 1, over_tcp=link == "TCP", over_tls=link == "TLS")
    with running(plan, wrap) as rig:
        rig.complete([[5] * 16], 64)  # warms up
        watched[0].is_on = True
        rig.complete([[7] * 16], num_tokens)
    rounds, compute = watched[0].rounds_us, percentile(watched[0].compute_us, 50)
    return {
        "numeric_class": source.numeric_class,
        "link": link,
        "round_us": {"p50": round(percentile(rounds, 50), 1), "p90": round(percentile(rounds, 90), 1)},
        "sending_us_p50": round(percentile(watched[0].send_us, 50), 1),
        "slower_expert_us_p50": round(compute, 1),
        "non_compute_us_p50": round(percentile(rounds, 50) - compute, 1),
        "rounds": len(rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the tokens")
    options = parser.parse_args()
    facts, num_tokens = machine(), 300 if options.quick else 1200
    with demo_models() as models:
        cells = [measure(model, link, num_tokens) for model in models.values() for link in LINKS]
    claims = [
        claim(
            f"{cell['numeric_class']} over {cell['link']}: at most {LIMIT_US:g} us beside the mathematics, p50",
            cell["non_compute_us_p50"],
            cell["non_compute_us_p50"] <= LIMIT_US,
        )
        for cell in cells
        if cell["link"] != "TLS"  # between operators a round trip costs many times that
    ]
    report({"machine": facts, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
