"""What a failure costs: a node of eight is killed while streams run, with two replicas of each expert.

``moray up`` with eight nodes; streams over HTTP, greedy, each compared with the undisturbed answer. First saturation:
tokens per second with as many streams as the router takes at once. Then twice, with arrivals paced at half of that and
at saturation: two windows of 30 s in which nothing happens and a third that begins with ``kill -9`` of all processes of
one node, its raylet included; again and again, each time another node. The third is compared with the second, and the
second with the first, which tells what the machine's noise alone would do.

``repair_cpu_s`` is the CPU time of all processes that came after the kill, and of the supervisor that started the node,
until every expert had two replicas again; what Serve's controller and the router did for it is not in it. Where that
took longer than the window, the window has not seen all of it.

Last, single replicas are killed or frozen (SIGSTOP until Serve has put another in its place), with no traffic until the
router has noticed and with a little. *Noticed*: ``/network`` shows it as anything but serving, or no more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from decode import NODES, running_network
from measure import claim, machine, progress, report
from moray.cli.launch import fetch_network
from moray.cli.network import terminated_as_interrupt
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.nodes.processes import SUPERVISOR, marked_processes
from moray.nodes.rayenv import NODE_VARIABLE
from moray.nodes.state import ClusterRecord, read_state
from moray.router.health import Circuit
from stream_load import NEW_TOKENS, StreamLoad

REPLICAS = 2
STREAMS = 64  # as many as the router takes at once
WINDOW_S = 30.0
WARM_UP_S, SATURATION_S, NUM_SATURATIONS = 5.0, 5.0, 4
SETTLE_S = 5.0  # after a repair
LIGHT = 0.05  # of saturation
LOOK_S = 0.5  # between two looks at the network in all windows
SHARP_LOOK_S = 0.02  # while it is awaited that a failure is noticed
REPAIR_LIMIT_S = 180.0
MAX_LOSS = 0.02
MAX_NOTICED_S = {signal.SIGKILL: 1.0, signal.SIGSTOP: 3.0}
EXPERTS: int = DEMO_CONFIG["n_routed_experts"]


async def serving(record: ClusterRecord) -> dict[int, list[int]]:
    """The experts of each replica that the router trusts, by process id."""
    while True:
        page = await asyncio.to_thread(fetch_network, record)
        if page is not None:
            replicas = (replica for node in page["nodes"] for replica in node["replicas"])
            return {r["pid"]: r["experts"] for r in replicas if r["state"] == Circuit.CLOSED}
        await asyncio.sleep(LOOK_S)


async def look_on(record: ClusterRecord, until: float) -> None:
    """What is looked at after a kill is looked at as often before it."""
    while time.monotonic() < until:
        await serving(record)
        await asyncio.sleep(LOOK_S)


async def wait_until_whole(record: ClusterRecord, without: Collection[int] = ()) -> None:
    """Until every expert has its replicas, none of them a process of ``without``. Raises TimeoutError."""
    async with asyncio.timeout(REPAIR_LIMIT_S):
        while True:
            replicas = await serving(record)
            held = Counter(expert for experts in replicas.values() for expert in experts)
            if not replicas.keys() & set(without) and all(held[expert] >= REPLICAS for expert in range(EXPERTS)):
                return
            await asyncio.sleep(LOOK_S)


class RepairCost:
    """CPU time of the cluster's processes that are not there yet, and of its supervisor from now on."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._there = set(marked_processes(marker))
        [self._supervisor] = marked_processes(marker, SUPERVISOR)
        self._before_s = cpu_s(self._supervisor)

    def seconds(self) -> float:
        new = (process for process in marked_processes(self._marker) if process not in self._there)
        return sum(map(cpu_s, new)) + cpu_s(self._supervisor) - self._before_s


def cpu_s(process: psutil.Process) -> float:
    """Its own and that of its children that have ended; 0 when it is gone."""
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


async def kill_node(record: ClusterRecord, load: StreamLoad, node_id: str) -> dict[str, Any]:
    """Two quiet windows, the kill, and a third; all under load. Raises TimeoutError when it is not repaired."""
    await look_on(record, time.monotonic() + 2 * WINDOW_S)
    cost = await asyncio.to_thread(RepairCost, record.marker)
    victims = await asyncio.to_thread(marked_processes, record.marker, {NODE_VARIABLE: node_id})
    struck_at = time.monotonic()
    for process in victims:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    await wait_until_whole(record, {process.pid for process in victims})
    repaired_s, repair_cpu_s = time.monotonic() - struck_at, await asyncio.to_thread(cost.seconds)
    await look_on(record, struck_at + WINDOW_S)
    starts = {"first": struck_at - 2 * WINDOW_S, "second": struck_at - WINDOW_S, "killed": struck_at}
    windows = {name: load.window(start, start + WINDOW_S) for name, start in starts.items()}
    result = {
        "windows": {name: {key: round(value, 2) for key, value in asdict(w).items()} for name, w in windows.items()},
        "tokens_ratio": windows["killed"].tokens_per_s / windows["second"].tokens_per_s,
        "requests_ratio": windows["killed"].requests_per_s / windows["second"].requests_per_s,
        "quiet_tokens_ratio": windows["second"].tokens_per_s / windows["first"].tokens_per_s,
        "two_again_s": repaired_s,
        "repair_cpu_s": repair_cpu_s,
        "repair_share": repair_cpu_s / (WINDOW_S * len(os.sched_getaffinity(0))),  # of the window's CPU time
    }
    progress(f"{node_id}: {result}")
    return result


async def under_load(
    record: ClusterRecord, load: StreamLoad, traffic: AbstractAsyncContextManager[None], num_kills: int
) -> dict[str, Any]:
    kills = []
    async with traffic:
        await asyncio.sleep(WARM_UP_S)
        for number in range(num_kills):
            kills.append(await kill_node(record, load, f"node-{number % NODES}"))
            await asyncio.sleep(SETTLE_S)
    figures = ("tokens_ratio", "requests_ratio", "quiet_tokens_ratio", "two_again_s", "repair_cpu_s", "repair_share")
    return {name: spread([kill[name] for kill in kills]) for name in figures} | {
        "longest_pause_ms": {
            window: spread([kill["windows"][window]["longest_pause_ms"] for kill in kills])
            for window in ("second", "killed")
        },
        "windows": [kill["windows"] for kill in kills],
    }


async def find_saturation(load: StreamLoad) -> float:
    """Tokens per second, median of a few windows."""
    async with load.streams(STREAMS):
        started = time.monotonic() + WARM_UP_S
        await asyncio.sleep(WARM_UP_S + NUM_SATURATIONS * SATURATION_S)
        starts = [started + turn * SATURATION_S for turn in range(NUM_SATURATIONS)]
        return statistics.median(load.window(start, start + SATURATION_S).tokens_per_s for start in starts)


async def strike(
    record: ClusterRecord, load: StreamLoad, sent: signal.Signals, rate: float, light: float, rng: random.Random
) -> dict[str, float]:
    """One replica is killed or frozen, with ``rate`` requests per second until it is noticed and ``light`` afterwards:
    a replica that was suspended by mistake needs work to be trusted again."""
    victim = psutil.Process(rng.choice(sorted(await serving(record))))
    try:
        async with load.paced(rate) if rate else nullcontext(), asyncio.timeout(REPAIR_LIMIT_S):
            await asyncio.sleep(rng.uniform(1, 2))
            struck_at = time.monotonic()
            victim.send_signal(sent)
            is_trusted = True
            while is_trusted:
                await asyncio.sleep(SHARP_LOOK_S)
                is_trusted = victim.pid in await serving(record)
            noticed_s = time.monotonic() - struck_at
        async with load.paced(light):
            await wait_until_whole(record, {victim.pid})
            return {"noticed_s": noticed_s, "two_again_s": time.monotonic() - struck_at}
    finally:
        with suppress(psutil.NoSuchProcess):
            victim.resume()


async def detections(
    record: ClusterRecord, load: StreamLoad, light: float, num_strikes: int
) -> dict[str, dict[str, dict[str, float]]]:
    """By signal and traffic."""
    rng, found = random.Random(0), dict[tuple[signal.Signals, str], list[dict[str, float]]]()
    for _ in range(num_strikes):
        for sent in MAX_NOTICED_S:
            for name, rate in (("idle", 0.0), ("light", light)):
                sample = await strike(record, load, sent, rate, light, rng)
                progress(f"{sent.name}, {name}: {sample}")
                found.setdefault((sent, name), []).append(sample)
    return {
        f"{sent.name} {name}": {key: spread([sample[key] for sample in samples]) for key in samples[0]}
        for (sent, name), samples in found.items()
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "lowest": round(min(values), 4),
        "highest": round(max(values), 4),
        "samples": len(values),
    }


async def measure(record: ClusterRecord, load: StreamLoad, num_kills: int, num_strikes: int) -> dict[str, Any]:
    await load.learn()
    saturation = await find_saturation(load)
    progress(f"saturation: {saturation:.0f} tokens/s")
    requests_per_s = saturation / NEW_TOKENS
    half = await under_load(record, load, load.paced(requests_per_s / 2), num_kills)
    full = await under_load(record, load, load.streams(STREAMS), num_kills)
    noticed = await detections(record, load, LIGHT * requests_per_s, num_strikes)
    return {"saturation_tokens_per_s": round(saturation, 1), "half": half, "saturation": full, "one_replica": noticed}


def claims_of(result: dict[str, Any], load: StreamLoad) -> list[dict[str, Any]]:
    loss = 1 - result["half"]["tokens_ratio"]["median"]
    lines = [
        claim("requests that failed: none", load.num_failed, load.num_failed == 0),
        claim("answers that differ from the undisturbed: none", load.num_different, load.num_different == 0),
        claim(
            f"a killed node at half of saturation: below {MAX_LOSS:.0%} of {WINDOW_S:.0f} s, in %",
            loss * 100,
            loss < MAX_LOSS,
        ),
    ]
    for sent, limit_s in MAX_NOTICED_S.items():
        worst_s = max(
            result["one_replica"][f"{sent.name} {traffic}"]["noticed_s"]["highest"] for traffic in ("idle", "light")
        )
        lines.append(
            claim(f"{sent.name} of a replica: noticed within {limit_s:.0f} s, the worst", worst_s, worst_s < limit_s)
        )
    return lines


def main() -> None:
    with terminated_as_interrupt():
        run()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer kills")
    options = parser.parse_args()
    facts, (num_kills, num_strikes) = machine("ray"), (2, 2) if options.quick else (5, 5)
    with tempfile.TemporaryDirectory() as scratch:
        model, state_dir = Path(scratch) / "demo-model", Path(scratch) / "state"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        with running_network(model, state_dir, "--replicas", str(REPLICAS)) as network:
            record = read_state(state_dir)
            assert record is not None
            load = StreamLoad(network.url, network.model)
            result = asyncio.run(measure(record, load, num_kills, num_strikes))
    report(
        {
            "machine": facts,
            "claims": claims_of(result, load),
            "requests": {"whole": load.num_whole, "failed": load.num_failed, "different": load.num_different},
            **result,
        }
    )


if __name__ == "__main__":
    main()
