"""Tokens per second of the whole network, of the same engine without one, and of transformers.

- ``network``: eight expert nodes, started by ``moray up``; completions over HTTP, token ids in and out;
- ``streaming``: the same with server-sent events;
- ``in_process``: the same engine with the experts in its own process, no HTTP, with one thread or all, whichever is
  faster for that many prompts;
- ``transformers``: DeepseekV3ForCausalLM.generate in float32, one batch of all prompts, the best of its experts
  implementations and thread counts, found for each batch size before.

Same checkpoint, prompts and number of new tokens, greedy, all prompts sent at once; interleaved rounds. Twice: with
the checkpoint's float32 experts, then with integer experts made of it (transformers goes on computing the checkpoint).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import DeepseekV3ForCausalLM

from measure import claim, machine, progress, report
from moray.cli.network import terminated_as_interrupt
from moray.experts.random_checkpoint import DEMO_CONFIG
from moray.experts.source import open_model
from moray.experts.threads import row_threads
from moray.router.backbone import load_backbone
from moray.router.engine import Engine
from moray.router.engine_thread import EngineThread
from moray.router.transport import LocalExperts
from moray.types import GenerationRequest, RequestId, SamplingParams
from rig import demo_models

PROMPT_TOKENS = 16
CONTEXT = 512
NODES = 8
CONCURRENCY = (1, 8, 32)
IMPLEMENTATIONS = ("eager", "batched_mm", "grouped_mm")
PARTS = ("attention", "gate", "dispatch", "shared", "wait", "combine")
ROUTER_THREADS = max(1, (os.cpu_count() or 2) // 2)  # what the router takes when nothing else is said

Outputs = list[list[int]]  # new tokens of each prompt
System = Callable[[list[list[int]], int], Outputs]


@dataclass(frozen=True)
class Choice:
    implementation: str
    threads: int


class Network:
    """``moray up`` and its HTTP API."""

    def __init__(self, summary: dict[str, Any]) -> None:
        self.url = summary["url"]
        self.address, self.model = urllib.parse.urlsplit(summary["url"]).netloc, summary["model"]

    def complete(self, prompts: list[list[int]], num_tokens: int) -> Outputs:
        return self._at_once(lambda prompt: self._whole(prompt, num_tokens), prompts)

    def stream(self, prompts: list[list[int]], num_tokens: int) -> Outputs:
        return self._at_once(lambda prompt: self._streamed(prompt, num_tokens), prompts)

    def timings(self) -> dict[str, float]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", "/network")
        timings: dict[str, float] = json.loads(connection.getresponse().read())["router"]["timings"]
        return timings

    def _at_once(self, ask: Callable[[list[int]], list[int]], prompts: list[list[int]]) -> Outputs:
        with ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(ask, prompts))

    def _whole(self, prompt: list[int], num_tokens: int) -> list[int]:
        body = json.loads(self._post(prompt, num_tokens, is_stream=False).read())
        token_ids: list[int] = body["choices"][0]["token_ids"]
        return token_ids

    def _streamed(self, prompt: list[int], num_tokens: int) -> list[int]:
        token_ids: list[int] = []
        for line in self._post(prompt, num_tokens, is_stream=True):
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    token_ids += choice["token_ids"]
        return token_ids

    def _post(self, prompt: list[int], num_tokens: int, is_stream: bool) -> http.client.HTTPResponse:
        body = {"model": self.model, "prompt": prompt, "max_tokens": num_tokens, "temperature": 0, "stream": is_stream}
        connection = http.client.HTTPConnection(self.address, timeout=300)
        headers = {"Content-Type": "application/json"}
        connection.request(
            "POST", "/v1/completions", json.dumps(body | {"ignore_eos": True, "return_token_ids": True}), headers
        )
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"HTTP {reply.status}: {reply.read(300)!r}")
        return reply


@contextmanager
def running_network(model: Path, state_dir: Path, *options: str) -> Iterator[Network]:
    moray = [str(Path(sys.executable).with_name("moray"))]
    where = ["--state-dir", str(state_dir), "--json"]
    up = ["up", "--model", str(model), "--nodes", str(NODES), "--http-port", "0", "--detach", *options]
    try:
        done = subprocess.run([*moray, *up, *where], stdout=subprocess.PIPE, check=True, text=True)
        yield Network(json.loads(done.stdout))
    finally:
        subprocess.run([*moray, "down", *where], stdout=subprocess.DEVNULL, check=True)


class InProcess:
    def __init__(self, model: Path) -> None:
        self._model = model
        self.engine_thread = EngineThread(self._open_engine)
        self.engine = self.engine_thread.start()
        self.threads: dict[int, int] = {}  # that are best for so many prompts

    def find_best(self, prompts: list[list[int]]) -> None:
        speeds = {}
        for threads in sorted({1, os.cpu_count() or 1}):
            self.threads[len(prompts)] = threads
            self.complete(prompts, 4)
            speeds[threads] = min(timed(self.complete, prompts, 32)[0] for _ in range(3))
        self.threads[len(prompts)] = min(speeds, key=lambda threads: speeds[threads])

    @asynccontextmanager
    async def _open_engine(self) -> AsyncIterator[Engine]:
        source = open_model(self._model)
        num_pages = max(CONCURRENCY) * CONTEXT // 32
        yield Engine(load_backbone(source, CONTEXT), LocalExperts(source), num_pages=num_pages, context_length=CONTEXT)

    def complete(self, prompts: list[list[int]], num_tokens: int) -> Outputs:
        row_threads.resize(self.threads[len(prompts)])
        return asyncio.run(self._complete(prompts, num_tokens))

    async def _complete(self, prompts: list[list[int]], num_tokens: int) -> Outputs:
        sampling = SamplingParams(max_tokens=num_tokens, temperature=0.0)

        async def one(prompt: list[int]) -> list[int]:
            request = GenerationRequest(RequestId("bench"), tuple(prompt), sampling)
            return [token.token_id async for token in self.engine_thread.generate(request)]

        return await asyncio.gather(*(one(prompt) for prompt in prompts))


class Transformers:
    def __init__(self, model: Path) -> None:
        self._model = DeepseekV3ForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self.num_parameters = sum(parameter.numel() for parameter in self._model.parameters())
        self.best: dict[int, Choice] = {}
        self.tried: list[dict[str, Any]] = []

    def find_best(self, prompts: list[list[int]]) -> None:
        """The fastest way to generate for this many prompts, and what was tried."""
        speeds: dict[Choice, float] = {}
        for implementation in IMPLEMENTATIONS:
            for threads in sorted({1, min(2, os.cpu_count() or 1)}):
                self.best[len(prompts)] = choice = Choice(implementation, threads)
                line: dict[str, Any] = {"prompts": len(prompts), "experts": implementation, "threads": threads}
                try:
                    self.complete(prompts, 4)
                    seconds = min(timed(self.complete, prompts, 16)[0] for _ in range(2))
                    speeds[choice] = line["tokens_per_s"] = round(len(prompts) * 16 / seconds, 1)
                except (RuntimeError, ValueError, NotImplementedError) as exc:
                    line["failed"] = str(exc)[:80]
                self.tried.append(line)
        self.best[len(prompts)] = max(speeds, key=lambda choice: speeds[choice])

    def complete(self, prompts: list[list[int]], num_tokens: int) -> Outputs:
        choice = self.best[len(prompts)]
        torch.set_num_threads(choice.threads)
        self._model.set_experts_implementation(choice.implementation)
        ids = torch.tensor(prompts)
        with torch.inference_mode():
            output = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=num_tokens,
                min_new_tokens=num_tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        new: Outputs = output[:, ids.shape[1] :].tolist()
        return new


def timed(system: System, prompts: list[list[int]], num_tokens: int) -> tuple[float, Outputs]:
    started = time.perf_counter()
    outputs = system(prompts, num_tokens)
    return time.perf_counter() - started, outputs


def where_time_goes(
    before: dict[str, float], after: dict[str, float], num_moe: int, num_layers: int
) -> dict[str, float]:
    """Microseconds per MoE layer and step; attention is timed in dense layers too, so it is spread over all."""
    mixtures, steps = after["num_mixtures"] - before["num_mixtures"], after["num_steps"] - before["num_steps"]
    passes = {"attention": mixtures / num_moe * num_layers}
    spent = {
        part: round((after[f"{part}_s"] - before[f"{part}_s"]) * 1e6 / passes.get(part, mixtures), 1) for part in PARTS
    }
    outside = {
        f"{part}_per_step": round((after[f"{part}_s"] - before[f"{part}_s"]) * 1e6 / steps, 1)
        for part in ("head", "sample")
    }
    return spent | outside | {"steps": steps}


def prompts_of(count: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(count)
    ids: list[list[int]] = torch.randint(
        2, DEMO_CONFIG["vocab_size"], (count, PROMPT_TOKENS), generator=generator
    ).tolist()
    return ids


def measure(
    network: Network, in_process: InProcess, oracle: Transformers, num_tokens: int, rounds: int
) -> list[dict[str, Any]]:
    systems: dict[str, System] = {
        "network": network.complete,
        "streaming": network.stream,
        "in_process": in_process.complete,
        "transformers": oracle.complete,
    }
    config, cells = DEMO_CONFIG, []
    num_layers = config["num_hidden_layers"]
    num_moe = num_layers - config["first_k_dense_replace"]
    for count in CONCURRENCY:
        progress(f"{count} at once")
        prompts = prompts_of(count)
        oracle.find_best(prompts)
        in_process.find_best(prompts)
        for name, system in systems.items():
            if name != "transformers":
                system(prompts, 8)  # warms up
        speeds: dict[str, list[float]] = {name: [] for name in systems}
        outputs: dict[str, list[Outputs]] = {name: [] for name in systems}
        splits = []
        for _ in range(rounds):
            for name, system in systems.items():
                before = network.timings()
                seconds, tokens = timed(system, prompts, num_tokens)
                speeds[name].append(count * num_tokens / seconds)
                outputs[name].append(tokens)
                if name == "network":
                    splits.append(where_time_goes(before, network.timings(), num_moe, num_layers))
        cells.append(
            cell(count, num_tokens, speeds, outputs, splits, oracle) | {"in_process_threads": in_process.threads[count]}
        )
    return cells


def cell(
    count: int,
    num_tokens: int,
    speeds: dict[str, list[float]],
    outputs: dict[str, list[Outputs]],
    splits: list[dict[str, float]],
    oracle: Transformers,
) -> dict[str, Any]:
    median = {name: statistics.median(values) for name, values in speeds.items()}
    reference = outputs["in_process"][0]
    served = [tokens for name in ("network", "streaming", "in_process") for tokens in outputs[name]]
    agreeing = sum(ours == theirs for ours, theirs in zip(reference, outputs["transformers"][0], strict=True))
    choice = oracle.best[count]
    return {
        "concurrent": count,
        "new_tokens": num_tokens,
        "tokens_per_s": {name: round(value, 1) for name, value in median.items()},
        "rounds": {name: [round(value, 1) for value in values] for name, values in speeds.items()},
        "network_to_transformers": round(median["network"] / median["transformers"], 2),
        "streaming_to_transformers": round(median["streaming"] / median["transformers"], 2),
        "network_to_in_process": round(median["network"] / median["in_process"], 2),
        "transformers": {"experts": choice.implementation, "threads": choice.threads},
        "same_tokens_as_in_process": all(tokens == reference for tokens in served),
        "prompts_with_transformers_tokens": f"{agreeing} of {count}",
        "us_per_layer": {part: statistics.median(split[part] for split in splits) for part in splits[0]},
    }


def claims_of(numeric_class: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    one, many = cells[0], cells[-1]
    is_same = all(cell["same_tokens_as_in_process"] for cell in cells)
    limits = [
        (one, "network_to_transformers", 1.5),
        (many, "network_to_transformers", 2.0),
    ]
    lines = [
        claim(
            f"{numeric_class}, {cell['concurrent']} at once: {ratio} at least {limit}",
            cell[ratio],
            cell[ratio] >= limit,
        )
        for cell, ratio, limit in limits
    ]
    same = f"{numeric_class}: the network's tokens are the in-process engine's in every case"
    return [*lines, claim(same, float(is_same), is_same)]


def main() -> None:
    with terminated_as_interrupt():
        run()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of 64 tokens")
    options = parser.parse_args()
    facts, started = machine("ray", "transformers"), time.perf_counter()
    num_tokens, rounds = (64, 1) if options.quick else (96, 5)
    by_class: dict[str, list[dict[str, Any]]] = {}
    with demo_models() as models, tempfile.TemporaryDirectory() as scratch:
        oracle = Transformers(models["float32"])
        for numeric_class, folder in models.items():
            progress(f"starting the network of {numeric_class} experts")
            with running_network(folder, Path(scratch) / f"state-{numeric_class}") as network:
                in_process = InProcess(folder)
                try:
                    by_class[numeric_class] = measure(network, in_process, oracle, num_tokens, rounds)
                finally:
                    in_process.engine_thread.stop()
    claims = [line for numeric_class, cells in by_class.items() for line in claims_of(numeric_class, cells)]
    report(
        {
            "machine": facts,
            "seconds": round(time.perf_counter() - started, 1),
            "parameters": oracle.num_parameters,
            "router_threads": ROUTER_THREADS,
            "claims": claims,
            "cells": by_class,
            "transformers_tried": oracle.tried,
        }
    )


if __name__ == "__main__":
    main()
