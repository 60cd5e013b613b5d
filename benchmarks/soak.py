"""A network at saturation for a long time: does memory, do file descriptors or latency grow?

``moray up`` with eight nodes; more streams than a step takes keep coming, each a prompt with a shared beginning and a
random end. Every minute: resident memory and open descriptors of the router and of the replicas, and the time between
tokens. Compared are the first and the last third, without the first minutes. The KV cache is small, so that it is full
from the beginning and requests are preempted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from decode import running_network
from http_stream import stream_completion
from measure import claim, machine, percentile, progress, report
from moray.cli.network import terminated_as_interrupt
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint

STREAMS = 96  # 64 run at once, the others wait for a place
SHARED_TOKENS, OWN_TOKENS, NEW_TOKENS = 96, 40, 64
KV_CACHE_MB = 14
WARM_UP = 0.2  # of the time
MAX_GROWTH, MAX_LATENCY_GROWTH = 0.05, 0.15


async def stream(address: urllib.parse.SplitResult, model: str, rng: random.Random, gaps: list[float]) -> bool:
    """One request to its end; whether it got all its tokens."""
    prompt = [7 + i % 400 for i in range(SHARED_TOKENS)] + [rng.randrange(2, 500) for _ in range(OWN_TOKENS)]
    body = {"model": model, "prompt": prompt, "max_tokens": NEW_TOKENS, "ignore_eos": True}
    body |= {"temperature": 0.7, "seed": rng.randrange(1 << 30), "user": str(rng.randrange(12))}
    assert address.hostname is not None and address.port is not None
    before, answer = 0.0, b""
    async for piece in stream_completion(address.hostname, address.port, body):
        now = time.perf_counter()
        if before and b"data: {" in piece:
            gaps.append((now - before) * 1000)
        before, answer = now, answer[-64:] + piece
    return b"data: [DONE]" in answer


async def load(url: str, model: str, until: float, gaps: list[float], counts: dict[str, int]) -> None:
    address = urllib.parse.urlsplit(url)

    async def one_after_the_other(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < until:
            is_whole = await stream(address, model, rng, gaps)
            counts["whole" if is_whole else "broken"] += 1

    await asyncio.gather(*(one_after_the_other(number) for number in range(STREAMS)))


def resources(url: str) -> dict[str, Any]:
    """Of the router and of all replicas together."""
    with urllib.request.urlopen(f"{url}/network", timeout=30) as reply:
        network = json.load(reply)
    replicas = [replica["pid"] for node in network["nodes"] for replica in node["replicas"]]
    found = {}
    for name, pids in (("router", [network["router"]["pid"]]), ("replicas", replicas)):
        processes = [psutil.Process(pid) for pid in pids]
        found[name] = {
            "resident_mb": round(sum(process.memory_info().rss for process in processes) / 2**20, 1),
            "descriptors": sum(process.num_fds() for process in processes),
        }
    kept = ("running", "waiting", "kv_pages_free", "num_preemptions", "num_prefix_tokens", "num_prompt_tokens_read")
    return found | {name: network["router"][name] for name in kept}


async def watch(url: str, until: float, period_s: float, gaps: list[float]) -> list[dict[str, Any]]:
    samples = []
    while time.monotonic() < until:
        await asyncio.sleep(period_s)
        taken, gaps[:] = list(gaps), []
        sample = await asyncio.to_thread(resources, url)
        if taken:
            sample |= {
                "ms_between_tokens": {"p50": round(percentile(taken, 50), 2), "p99": round(percentile(taken, 99), 2)},
                "tokens_per_s": round(len(taken) / period_s, 1),
            }
            samples.append(sample)
            progress(json.dumps(sample))
    return samples


def growth(samples: list[dict[str, Any]], *path: str) -> float:
    """The last third's median over the first third's, less one."""

    def value(sample: dict[str, Any]) -> float:
        for name in path:
            sample = sample[name]
        return float(sample)  # type: ignore[arg-type]

    third = max(1, len(samples) // 3)
    first, last = (statistics.median(map(value, part)) for part in (samples[:third], samples[-third:]))
    return last / first - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    options = parser.parse_args()
    facts, period_s = machine("ray"), min(60.0, options.minutes * 60 / 12)
    counts, gaps = {"whole": 0, "broken": 0}, list[float]()
    os.environ["MORAY_KV_CACHE_MB"] = str(KV_CACHE_MB)
    with tempfile.TemporaryDirectory() as scratch, terminated_as_interrupt():
        model = Path(scratch) / "demo-model"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        with running_network(model, Path(scratch) / "state") as network:
            until = time.monotonic() + options.minutes * 60

            async def both() -> list[dict[str, Any]]:
                loading = asyncio.create_task(load(network.url, network.model, until, gaps, counts))
                samples = await watch(network.url, until - period_s, period_s, gaps)
                await loading
                return samples

            samples = asyncio.run(both())
    steady = samples[int(len(samples) * WARM_UP) :]
    memory = max(growth(steady, name, "resident_mb") for name in ("router", "replicas"))
    descriptors = max(growth(steady, name, "descriptors") for name in ("router", "replicas"))
    latency = growth(steady, "ms_between_tokens", "p50")
    claims = [
        claim(f"memory grows by at most {MAX_GROWTH:.0%}", memory, memory <= MAX_GROWTH),
        claim(f"descriptors grow by at most {MAX_GROWTH:.0%}", descriptors, descriptors <= MAX_GROWTH),
        claim(f"time between tokens grows by at most {MAX_LATENCY_GROWTH:.0%}", latency, latency <= MAX_LATENCY_GROWTH),
        claim("no request broke off", counts["broken"], counts["broken"] == 0),
    ]
    report({"machine": facts, "minutes": options.minutes, "requests": counts, "claims": claims, "samples": samples})


if __name__ == "__main__":
    main()
