"""Many agents at once on one router: how much it answers and how long the slowest wait.

Each agent is a client of its own that asks for actions one after the other, decoding constrained to their schema, over
HTTP and a network of ``moray up``. One agent alone and all together take turns, so that load from elsewhere falls on
both. A turn asks nothing new after its time is over, and every answer must be an action.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decode import running_network
from measure import claim, machine, percentile, progress, report
from moray import AsyncMoray, Sampling
from moray.actions import action_schema, parse_action
from moray.agents.assistant import HOUSE_ANSWER_TOKENS
from moray.agents.sdk.typed import response_format
from moray.cli.network import terminated_as_interrupt
from moray.errors import MorayError

ELVER = Path(__file__).parent.parent / "models" / "elver"
SENTENCES = (
    "Send {} USDC to bob.eth",
    "Swap {} ETH for DAI",
    "Stake {} ETH",
    "把 {} USDC 转给 bob.eth",
)


class Turn:
    """What its agents got. ``failed``: requests that ended in an error after all retries, or in no action."""

    def __init__(self) -> None:
        self.latencies_s = list[float]()
        self.num_tokens, self.num_failed, self.seconds = 0, 0, 0.0


async def turn(clients: Sequence[AsyncMoray], seconds: float, chance: random.Random) -> Turn:
    done, began = Turn(), time.perf_counter()

    async def agent(client: AsyncMoray) -> None:
        while time.perf_counter() < began + seconds:
            # A new amount each time: the same words again would be found in the prefix cache.
            sentence = chance.choice(SENTENCES).format(chance.randrange(10, 10**6) / 1000)
            asked = time.perf_counter()
            try:
                answer = await client.chat(
                    sentence,
                    Sampling(max_tokens=HOUSE_ANSWER_TOKENS),
                    response_format=response_format(action_schema()),
                )
                parse_action(answer.text)
            except MorayError:
                done.num_failed += 1
                continue
            done.latencies_s.append(time.perf_counter() - asked)
            done.num_tokens += len(answer.token_ids)

    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(agent(client))
    done.seconds = time.perf_counter() - began
    return done


async def measure(url: str, num_agents: int, rounds: int, seconds: float) -> dict[str, list[Turn]]:
    """Turns of one agent and of all, after a round that does not count: it compiles the schema, opens connections."""
    clients = [AsyncMoray(url, api_key=f"agent-{number}") for number in range(num_agents)]
    chance, turns = random.Random(1), dict[str, list[Turn]](alone=[], together=[])
    try:
        for number in range(rounds + 1):
            for name, asking in (("alone", clients[:1]), ("together", clients)):
                done = await turn(asking, seconds if number else min(seconds, 3.0), chance)
                if number:
                    turns[name].append(done)
                    progress(f"{name}: {len(done.latencies_s)} answers in {done.seconds:.1f} s")
    finally:
        for client in clients:
            await client.close()
    return turns


def cell(agents: int, turns: Sequence[Turn]) -> dict[str, Any]:
    """Speeds are medians of turns, latencies of all requests."""
    latencies = [latency for each in turns for latency in each.latencies_s]
    return {
        "agents": agents,
        "requests": len(latencies),
        "failed": sum(each.num_failed for each in turns),
        "requests_per_s": round(statistics.median(len(each.latencies_s) / each.seconds for each in turns), 2),
        "tokens_per_s": round(statistics.median(each.num_tokens / each.seconds for each in turns), 1),
        "p50_ms": round(percentile(latencies, 50) * 1000, 1),
        "p99_ms": round(percentile(latencies, 99) * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of ten seconds")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--model", type=Path, default=ELVER, help="a sharded folder that answers with actions")
    options = parser.parse_args()
    rounds, seconds = (2, 10.0) if options.quick else (5, 20.0)
    facts = machine("openai", "llguidance")
    with (
        tempfile.TemporaryDirectory() as scratch,
        terminated_as_interrupt(),
        running_network(options.model, Path(scratch) / "state") as network,
    ):
        turns = asyncio.run(measure(network.url, options.agents, rounds, seconds))
    cells = {"alone": cell(1, turns["alone"]), "together": cell(options.agents, turns["together"])}
    pairs = zip(turns["together"], turns["alone"], strict=True)
    speed = statistics.median(
        together.num_tokens / together.seconds / (alone.num_tokens / alone.seconds) for together, alone in pairs
    )
    failed = sum(each["failed"] for each in cells.values())
    claims = [
        claim(f"{options.agents} agents at once: more tokens/s than one alone", speed, speed > 1),
        claim(f"{options.agents} agents at once: no request fails", failed, failed == 0),
    ]
    report({"machine": facts, "together_to_alone": round(speed, 2), "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
