"""Many agents at once on one router: how much it answers and how long the slowest wait.

Each agent is a client of its own that asks for actions one after the other, decoding constrained to their schema.
Compared in turn in one run are one agent alone and all together, so that the ratio says what a crowd costs and gains.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from decode import running_network
from measure import machine, percentile, report
from moray import AsyncMoray, Sampling
from moray.actions import action_schema
from moray.agents.sdk.typed import response_format
from moray.cli.network import terminated_as_interrupt
from moray.errors import MorayError
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint

SENTENCES = ("send 5 USDC to bob.eth", "swap 1.5 ETH for DAI", "stake all my ETH with Lido", "what is gas on base")
MAX_TOKENS = 48


async def crowd(url: str, num_agents: int, requests_each: int) -> dict[str, Any]:
    """Latencies in ms; a failure is a request that ended in an error after all retries."""
    latencies, num_tokens, num_failed = list[float](), 0, 0

    async def agent(number: int) -> None:
        nonlocal num_tokens, num_failed
        async with AsyncMoray(url, api_key=f"agent-{number}") as client:
            await client.model()
            for turn in range(requests_each):
                started = time.perf_counter()
                try:
                    answer = await client.chat(
                        SENTENCES[(number + turn) % len(SENTENCES)],
                        Sampling(max_tokens=MAX_TOKENS),
                        response_format=response_format(action_schema()),
                    )
                except MorayError:
                    num_failed += 1
                    continue
                latencies.append((time.perf_counter() - started) * 1000)
                num_tokens += len(answer.token_ids)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(num_agents):
            tasks.create_task(agent(number))
    seconds = time.perf_counter() - started
    return {
        "agents": num_agents,
        "requests": len(latencies),
        "failed": num_failed,
        "requests_per_s": round(len(latencies) / seconds, 2),
        "tokens_per_s": round(num_tokens / seconds, 1),
        "p50_ms": round(percentile(latencies, 50), 1) if latencies else None,
        "p99_ms": round(percentile(latencies, 99), 1) if latencies else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--requests", type=int, default=5, help="of each agent")
    parser.add_argument("--url", default="", help="a running router; otherwise one is started here")
    options = parser.parse_args()

    def measured(url: str) -> list[dict[str, Any]]:
        asyncio.run(crowd(url, 1, 1))  # compiles the schema
        return [asyncio.run(crowd(url, number, options.requests)) for number in (1, options.agents)]

    facts = machine("openai", "pydantic-ai-slim")
    if options.url:
        cells = measured(options.url)
    else:
        with tempfile.TemporaryDirectory() as scratch, terminated_as_interrupt():
            model = Path(scratch) / "demo-model"
            write_random_checkpoint(model, DEMO_CONFIG, seed=0)
            with running_network(model, Path(scratch) / "state") as network:
                cells = measured(network.url)
    alone, together = cells
    speed = round(together["tokens_per_s"] / alone["tokens_per_s"], 2)
    report({"machine": facts, "together_to_alone": speed, "cells": cells})


if __name__ == "__main__":
    main()
