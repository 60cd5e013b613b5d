"""What HTTP costs: 64 streams of server-sent events against the same requests put to the engine itself.

One router process and eight replica processes. The gateway runs in it as it is served, uvicorn in a thread of its own;
the client is a process of its own that reads events and counts tokens. Both ways in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import multiprocessing.connection
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry

from measure import claim, machine, report
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.router.deployment import bind
from moray.router.gateway import create_app
from moray.router.gateway_settings import GatewaySettings
from moray.router.tokenizer import ModelTokenizer
from relay import HOST
from rig import Plan, Rig, in_sets, running, timed_tokens

NODES, PROMPT_TOKENS = 8, 8
STREAMS = (1, 8, 64)
LIMIT = 0.9  # of the engine's own speed


@contextmanager
def served(rig: Rig, model: Path) -> Iterator[int]:
    """The gateway before the rig's engine; its port."""
    settings = GatewaySettings("bench", rig.plan.context, DEMO_CONFIG["vocab_size"])
    app = create_app(rig.generator, ModelTokenizer.load(model), settings, dict, list, CollectorRegistry())
    listening = bind(HOST, 0)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def run_client(port: int, orders: multiprocessing.connection.Connection) -> None:
    """For every (prompts, number of tokens): seconds and tokens of all streams."""

    async def stream(prompt: list[int], num_tokens: int) -> int:
        body = {"model": "bench", "prompt": prompt, "max_tokens": num_tokens, "temperature": 0, "stream": True}
        data = json.dumps(body | {"ignore_eos": True, "return_token_ids": True}).encode()
        reader, writer = await asyncio.open_connection(HOST, port)
        head = f"POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(data)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\nConnection: close\r\n\r\n" + data)
        answer, num_events = b"", 0
        while piece := await reader.read(1 << 16):
            answer += piece
            if b"\n" in answer:  # whole lines only
                lines, _, answer = answer.rpartition(b"\n")
                for line in lines.split(b"\n"):
                    if line.startswith(b"data: {"):
                        num_events += sum(len(choice["token_ids"]) for choice in json.loads(line[6:])["choices"])
        writer.close()
        return num_events

    async def answer(prompts: list[list[int]], num_tokens: int) -> tuple[float, int]:
        started = time.perf_counter()
        counts = await asyncio.gather(*(stream(prompt, num_tokens) for prompt in prompts))
        return time.perf_counter() - started, sum(counts)

    while True:
        orders.send(asyncio.run(answer(*orders.recv())))


def measure(rig: Rig, orders: multiprocessing.connection.Connection, streams: int, rounds: int) -> dict[str, Any]:
    num_tokens = 400 if streams == 1 else 100
    prompts = [[3 + stream + i for i in range(PROMPT_TOKENS)] for stream in range(streams)]
    speeds: dict[str, list[float]] = {"engine": [], "http": []}
    for number in range(rounds + 1):
        alone = timed_tokens(rig, prompts, num_tokens)
        orders.send((prompts, num_tokens))
        seconds, num_received = orders.recv()
        if num_received != streams * num_tokens:
            raise RuntimeError(f"{num_received} tokens came of {streams * num_tokens}")
        if number:  # the first warms up
            speeds["engine"].append(alone)
            speeds["http"].append(num_received / seconds)
    median = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "streams": streams,
        "tokens_per_s": {name: round(value, 1) for name, value in median.items()},
        "http_to_engine": round(median["http"] / median["engine"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    facts, cells = machine("fastapi", "uvicorn"), []
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        write_random_checkpoint(model, DEMO_CONFIG, seed=0)
        plan = Plan(model, in_sets(DEMO_CONFIG["n_routed_experts"], NODES), 512, max(STREAMS), overlap="auto")
        with running(plan) as rig, served(rig, model) as port:
            here, there = spawn.Pipe()
            client = spawn.Process(target=run_client, args=(port, there), daemon=True)
            client.start()
            try:
                cells = [measure(rig, here, streams, 2 if options.quick else 7) for streams in STREAMS]
            finally:
                client.terminate()
                client.join()
    ratio = cells[-1]["http_to_engine"]
    claims = [claim(f"64 streams over HTTP: at least {LIMIT} x the engine's own speed", ratio, ratio >= LIMIT)]
    report({"machine": facts, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
