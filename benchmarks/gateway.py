"""What HTTP costs: 64 streams of server-sent events against the same requests put to the engine itself.

One router process and eight replica processes. The gateway runs in it as it is served, uvicorn in a thread of its own;
the client is a process of its own that reads what comes and the count at its end. In turn: the engine without HTTP, the
engine behind HTTP, and HTTP before a generator whose tokens are there already, which says how fast HTTP could be.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry

from http_stream import stream_completion
from measure import claim, machine, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.router.blame import Failures
from moray.router.deployment import SWITCH_INTERVAL_S
from moray.router.gateway import create_app
from moray.router.gateway_settings import GatewaySettings
from moray.router.generator import Generator
from moray.router.sockets import bind
from moray.router.tokenizer import ModelTokenizer
from moray.types import GeneratedToken, GenerationRequest
from rig import HOST, Plan, Rig, in_sets, running, timed_tokens

NODES, PROMPT_TOKENS = 8, 8
STREAMS = (1, 8, 64)


class Instant:
    """Tokens without an engine, one stream after the other."""

    async def generate(self, request: GenerationRequest) -> AsyncIterator[GeneratedToken]:
        for left in reversed(range(request.sampling.max_tokens)):
            yield GeneratedToken(65 + left % 26, finish_reason=None if left else "length")
            await asyncio.sleep(0)


@contextmanager
def served(generator: Generator, context: int, model: Path) -> Iterator[int]:
    """The gateway before a generator; its port."""
    settings = GatewaySettings("bench", context, DEMO_CONFIG["vocab_size"])
    app = create_app(generator, ModelTokenizer.load(model), settings, dict, list, CollectorRegistry(), Failures())
    listening = bind(HOST, 0, "--http-port")
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def run_client(orders: multiprocessing.connection.Connection) -> None:
    """For every (port, prompts, number of tokens): seconds and tokens of all streams."""

    async def stream(port: int, prompt: list[int], num_tokens: int) -> int:
        body = {"model": "bench", "prompt": prompt, "max_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
        answer = b""
        async for piece in stream_completion(HOST, port, body | {"stream_options": {"include_usage": True}}):
            answer = answer[-2048:] + piece  # its end counts the tokens
        return int(answer.rpartition(b'"completion_tokens":')[2].partition(b",")[0])

    async def answer(port: int, prompts: list[list[int]], num_tokens: int) -> tuple[float, int]:
        started = time.perf_counter()
        counts = await asyncio.gather(*(stream(port, prompt, num_tokens) for prompt in prompts))
        return time.perf_counter() - started, sum(counts)

    while True:
        orders.send(asyncio.run(answer(*orders.recv())))


def measure(
    rig: Rig, ports: dict[str, int], orders: multiprocessing.connection.Connection, streams: int, rounds: int
) -> dict[str, Any]:
    num_tokens = 400 if streams == 1 else 200
    prompts = [[3 + stream + i for i in range(PROMPT_TOKENS)] for stream in range(streams)]
    speeds: dict[str, list[float]] = {"engine": [], **{name: [] for name in ports}}
    for number in range(rounds + 1):
        sample = {"engine": timed_tokens(rig, prompts, num_tokens)}
        for name, port in ports.items():
            orders.send((port, prompts, num_tokens))
            seconds, num_received = orders.recv()
            if num_received != streams * num_tokens:
                raise RuntimeError(f"{num_received} tokens came of {streams * num_tokens}")
            sample[name] = num_received / seconds
        for name, speed in sample.items() if number else ():  # the first warms up
            speeds[name].append(speed)
    median = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "streams": streams,
        "tokens_per_s": {name: round(value, 1) for name, value in median.items()},
        "http_to_engine": round(median["http"] / median["engine"], 3),
        "http_alone_to_engine": round(median["http_alone"] / median["engine"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    facts, cells = machine("fastapi", "uvicorn"), []
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 512, max(STREAMS), overlap="auto")
        with (
            running(plan) as rig,
            served(rig.generator, plan.context, model) as port,
            served(Instant(), plan.context, model) as instant_port,
        ):
            here, there = spawn.Pipe()
            client = spawn.Process(target=run_client, args=(there,), daemon=True)
            client.start()
            ports, rounds = {"http": port, "http_alone": instant_port}, 2 if options.quick else 7
            try:
                cells = [measure(rig, ports, here, streams, rounds) for streams in STREAMS]
            finally:
                client.terminate()
                client.join()
    many = cells[-1]
    ratio = many["http_alone_to_engine"]
    claims = [claim("64 streams: HTTP could pass on more than the engine makes", ratio, ratio > 1)]
    report({"machine": facts, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
