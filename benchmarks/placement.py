"""Placement across operators, simulated: does every expert keep operators enough, does load follow heat, and what
does it cost? The rules of ``router.assignment`` and ``router.rebalancing`` against nodes that take experts at random.

A day in steps of a minute. Operators' sizes and experts' heat are Zipf; the heat of each expert drifts and is known
only from a meter that sees a sample. Nodes join, leave politely (they drain for five minutes) and die; every few hours
a whole operator is gone at once, a large one as likely as it has nodes, and its nodes join again half an hour later. A
node serves an expert four minutes after it was told to take it (2.5 GB at 83 Mbit/s); what it drops is gone at once.
All ways see the same day.

Two networks: a large one, and a tight one of less than four replicas per expert. What is counted are replicas that
answer and true loads, after the first two hours.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measure import claim, machine, percentile, progress, report, summary_us
from moray.router.assignment import Rules, experts_to_take, loads
from moray.router.heat import Heat, HeatMeter
from moray.router.holdings import Holdings, Node
from moray.router.rebalancing import choose_moves
from moray.types import NodeId

EXPERTS, EXPERTS_PER_TOKEN = 256, 8
STEP_S = 60.0
FETCH_STEPS, DRAIN_STEPS, OUTAGE_STEPS = 4, 5, 30
WATCHED_STEPS = 30  # of traffic, before the first node is placed
WARM_UP_STEPS = 120  # not counted
STAY_STEPS = 24 * 60  # of a node, mean
OUTAGE_EVERY_STEPS = 4 * 60  # of some operator, mean
SLOTS, SLOT_SHARES = (1, 2, 4), (0.6, 0.3, 0.1)
DRIFT, DRIFT_STEPS = 0.6, 24 * 60  # of the logarithm of heat: standard deviation, and how long it remembers
SAMPLED_TOKENS = 2500  # that the meter sees in a step
WAYS = ("random", "joins only", "joins and moves")
LIMIT_US = 250.0  # of a joining node's decision: a tenth of a decode step of the demo model
MAX_HOTTEST, MAX_MOVES, MAX_SCARCE_PERCENT = 1.5, 0.1, 0.1
ANY_SCARCE = "percent_of_time_any_expert_below_two_operators"
SCARCE = "percent_of_experts_and_time_below_two_operators"


@dataclass(frozen=True, slots=True)
class Scene:
    num_nodes: int
    num_operators: int


SCENES = {"large": Scene(10_000, 500), "tight": Scene(600, 60)}


def zipf(count: int) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = 1.0 / np.arange(1, count + 1)
    return weights / float(weights.sum())


class Traffic:
    """The gate's choices: how hot each expert truly is, and what the meter sees of it."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._usual = np.log(self._rng.permutation(zipf(EXPERTS)))
        self._drift = self._rng.normal(0, DRIFT, EXPERTS)
        self.meter = HeatMeter(EXPERTS, -WATCHED_STEPS * STEP_S)

    def step(self, now_s: float) -> Heat:
        fade = 1 / DRIFT_STEPS
        self._drift += DRIFT * np.sqrt(2 * fade) * self._rng.normal(size=EXPERTS) - fade * self._drift
        heat: Heat = np.exp(self._usual + self._drift)
        counts = self._rng.multinomial(SAMPLED_TOKENS * EXPERTS_PER_TOKEN, heat / heat.sum())
        self.meter.note(np.repeat(np.arange(EXPERTS), counts).reshape(-1, EXPERTS_PER_TOKEN), now_s)
        return heat


class Network:
    """Who comes and goes is drawn apart from what is decided, so it is the same for all ways."""

    def __init__(self, scene: Scene, way: str, seed: int) -> None:
        self._scene, self._way, self._rules = scene, way, Rules()
        self._churn, self._chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
        self._traffic = Traffic(seed + 2)
        self._sizes = zipf(scene.num_operators)
        self._holdings = Holdings(EXPERTS)
        self._alive: list[tuple[NodeId, str, int]] = []  # operator, slots
        self._fetched = defaultdict[int, list[NodeId]](list)  # by the step in which they have arrived
        self._drained = defaultdict[int, list[NodeId]](list)
        self._returning = defaultdict[int, list[tuple[str, int]]](list)
        self._num_joined = 0
        self.num_moves, self.join_s, self.look_s = 0, list[float](), list[float]()
        self.seen: list[tuple[int, float, float, float, float]] = []  # one row per step, see `_measure`

    def run(self, num_steps: int) -> None:
        for step in range(-WATCHED_STEPS, 0):
            self._traffic.step(step * STEP_S)
        for step in range(num_steps):
            heat = self._traffic.step(step * STEP_S)
            self._arrive(step)
            self._go(step)
            self._fail(step)
            self._come(step)
            if self._way == "joins and moves":
                self._look(step)
            if step >= WARM_UP_STEPS:
                self._measure(heat)

    def _arrive(self, step: int) -> None:
        for node_id in self._fetched.pop(step, []):
            if (node := self._holdings.nodes.get(node_id)) is not None:
                self._holdings.put(replace(node, fetching=frozenset()))
        for node_id in self._drained.pop(step, []):
            self._holdings.remove(node_id)

    def _go(self, step: int) -> None:
        draws = self._churn.random(len(self._alive)) * STAY_STEPS
        for index in np.flatnonzero(draws < 1)[::-1].tolist():  # from the end, so that the other indices stay
            node_id = self._alive.pop(index)[0]
            if draws[index] < 0.5:
                self._holdings.remove(node_id)
            else:
                self._holdings.put(replace(self._holdings.nodes[node_id], is_draining=True))
                self._drained[step + DRAIN_STEPS].append(node_id)

    def _fail(self, step: int) -> None:
        """An operator is gone at once, now and then."""
        if not self._alive or self._churn.random() >= 1 / OUTAGE_EVERY_STEPS:
            return
        failing = self._alive[self._churn.integers(len(self._alive))][1]
        for node_id, operator, num_slots in self._alive:
            if operator == failing:
                self._holdings.remove(node_id)
                self._returning[step + OUTAGE_STEPS].append((operator, num_slots))
        self._alive = [one for one in self._alive if one[1] != failing]

    def _come(self, step: int) -> None:
        count = self._churn.poisson(self._scene.num_nodes / STAY_STEPS) if step else self._scene.num_nodes
        operators = self._churn.choice(self._scene.num_operators, count, p=self._sizes).tolist()
        slots = self._churn.choice(SLOTS, count, p=SLOT_SHARES).tolist()
        new = [(f"operator-{operator}", num_slots) for operator, num_slots in zip(operators, slots, strict=True)]
        for operator, num_slots in [*new, *self._returning.pop(step, [])]:
            self._join(step, operator, num_slots)

    def _join(self, step: int, operator: str, num_slots: int) -> None:
        node = Node(NodeId(f"node-{self._num_joined}"), operator, num_slots, frozenset(), step * STEP_S)
        self._num_joined += 1
        if self._way == "random":
            taken = frozenset(self._chance.choice(EXPERTS, num_slots, replace=False).tolist())
        else:
            heat = self._traffic.meter.snapshot(step * STEP_S)
            started = time.perf_counter()
            taken = frozenset(experts_to_take(self._holdings, heat, node, self._rules))
            self.join_s.append(time.perf_counter() - started)
        self._holdings.put(replace(node, experts=taken, fetching=taken))
        self._fetched[step + FETCH_STEPS].append(node.node_id)
        self._alive.append((node.node_id, operator, num_slots))

    def _look(self, step: int) -> None:
        heat, now_s = self._traffic.meter.snapshot(step * STEP_S), step * STEP_S
        started = time.perf_counter()
        moves = choose_moves(self._holdings, heat, now_s, self._rules)
        self.look_s.append(time.perf_counter() - started)
        for move in moves:
            self._holdings.put(move.start(self._holdings.nodes[move.node_id], now_s))
            self._fetched[step + FETCH_STEPS].append(move.node_id)
        if step >= WARM_UP_STEPS:
            self.num_moves += len(moves)

    def _measure(self, heat: Heat) -> None:
        ready = self._holdings.ready
        hottest = loads(heat, ready.total).max() / (heat.sum() / ready.total.sum())
        scarce, lost = (float((ready.operators < few).mean()) for few in (2, 1))
        self.seen.append((int(ready.total.min()), float(ready.total.mean()), float(hottest), scarce, lost))


def simulate(scene: Scene, way: str, num_steps: int, seed: int) -> dict[str, Any]:
    network = Network(scene, way, seed)
    network.run(num_steps)
    worst, mean, hottest, scarce, lost = (list(column) for column in zip(*network.seen, strict=True))
    node_hours = scene.num_nodes * len(worst) * STEP_S / 3600
    result = {
        "way": way,
        "replicas_per_expert": {"worst": min(worst), "mean": round(float(np.mean(mean)), 1)},
        ANY_SCARCE: _percent(np.array(scarce) > 0),
        SCARCE: _percent(scarce),
        "percent_of_experts_and_time_without_a_replica": _percent(lost),
        "hottest_replica_to_mean": {"p50": round(percentile(hottest, 50), 2), "p99": round(percentile(hottest, 99), 2)},
        "moves_per_node_and_hour": round(network.num_moves / node_hours, 4),
    }
    if network.join_s:
        result["join_decision"] = summary_us(network.join_s)
    if network.look_s:
        result["look"] = summary_us(network.look_s)
    return result


def _percent(shares: Any) -> float:
    return round(float(np.mean(shares)) * 100, 4)


def meter_us(num_rows: int) -> dict[str, float]:
    """Counting one round."""
    meter, rng, samples = HeatMeter(EXPERTS, 0.0), np.random.default_rng(0), list[float]()
    expert_ids = rng.integers(EXPERTS, size=(num_rows, EXPERTS_PER_TOKEN))
    for index in range(2000):
        started = time.perf_counter()
        meter.note(expert_ids, index * 0.002)
        samples.append(time.perf_counter() - started)
    return summary_us(samples)


def claims_of(name: str, random: dict[str, Any], ours: dict[str, Any]) -> list[dict[str, Any]]:
    scarce, by_chance = ours[SCARCE], random[SCARCE]
    moves, join_us = ours["moves_per_node_and_hour"], ours["join_decision"]["p50_us"]
    claims = [
        claim(
            f"{name}: experts with fewer than two operators, at most {MAX_SCARCE_PERCENT:g} % of experts and time "
            f"(at random {by_chance:.2g} %)",
            scarce,
            scarce <= MAX_SCARCE_PERCENT,
        ),
        claim(f"{name}: at most {MAX_MOVES:g} moves per node and hour", moves, moves <= MAX_MOVES),
        claim(f"{name}: a joining node's experts within {LIMIT_US:g} us, p50", join_us, join_us <= LIMIT_US),
    ]
    if name == "large":  # the tight one has nothing to give to what is hot
        hottest, by_chance = (one["hottest_replica_to_mean"]["p50"] for one in (ours, random))
        text = f"{name}: the hottest replica at most {MAX_HOTTEST:g} times the mean, p50 (at random {by_chance:g})"
        claims.append(claim(text, hottest, hottest <= MAX_HOTTEST))
    return claims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="eight hours instead of a day")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    facts, num_steps = machine("numpy"), (8 if options.quick else 24) * 60
    networks, claims = dict[str, list[dict[str, Any]]](), list[dict[str, Any]]()
    started = time.perf_counter()
    for name, scene in SCENES.items():
        progress(name)
        networks[name] = [simulate(scene, way, num_steps, options.seed) for way in WAYS]
        claims += claims_of(name, networks[name][0], networks[name][-1])
    report(
        {
            "machine": facts,
            "claims": claims,
            "networks": networks,
            "meter_round": {f"{num_rows} rows": meter_us(num_rows) for num_rows in (1, 64)},
            "wall_s": round(time.perf_counter() - started, 1),
        }
    )


if __name__ == "__main__":
    main()
