"""What a grammar costs: streams that follow a JSON schema against the same streams without one, at 1, 8 and 32.

Eight replica processes and the router's engine, without HTTP; the house model and the schema of its actions. Both ways
generate the same number of tokens: the schema has no end before it, and end tokens do not end a stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path
from typing import Any

from measure import claim, machine, report
from moray.actions import action_schema
from moray.experts.source import open_model
from moray.house_model import find_elver
from moray.router.answer_form import AnswerForm
from moray.router.grammar import SchemaCompiler
from moray.router.tokenizer import ModelTokenizer
from moray.types import GenerationRequest, Grammar, RequestId, SamplingParams
from rig import Plan, Rig, in_sets, running

NODES, PROMPT_TOKENS, LIMIT = 8, 16, 1.1
STREAMS = (1, 8, 32)


def schema() -> str:
    """Actions, one after the other: longer than any answer here."""
    items = action_schema()
    definitions = items.pop("$defs")
    return json.dumps({"type": "array", "items": items, "minItems": 100, "$defs": definitions})


def request(stream: int, number: int, num_tokens: int, grammar: Grammar | None) -> GenerationRequest:
    prompt = tuple((number + 31 * stream + 7 * i) % 500 for i in range(PROMPT_TOKENS))
    sampling = SamplingParams(max_tokens=num_tokens, temperature=1.0, seed=1000 * number + stream)
    return GenerationRequest(RequestId("bench"), prompt, sampling, grammar=grammar)


async def seconds(rig: Rig, requests: list[GenerationRequest]) -> float:
    """Until all tokens of all requests have come."""

    async def one(asked: GenerationRequest) -> int:
        return len([token async for token in rig.generator.generate(asked)])

    started = time.perf_counter()
    counts = await asyncio.gather(*(one(asked) for asked in requests))
    if counts != [asked.sampling.max_tokens for asked in requests]:
        raise RuntimeError("a stream ended early")
    return time.perf_counter() - started


def measure(rig: Rig, grammar: Grammar, num_streams: int, num_tokens: int, rounds: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {"free": [], "constrained": []}
    for number in range(rounds + 1):
        for name, follows in (("free", None), ("constrained", grammar)):
            requests = [request(stream, number, num_tokens, follows) for stream in range(num_streams)]
            duration = asyncio.run(seconds(rig, requests))
            if number:  # the first warms up
                taken[name].append(duration)
    ratios = [mine / free for mine, free in zip(taken["constrained"], taken["free"], strict=True)]
    return {
        "streams": num_streams,
        "tokens_per_s": {
            name: round(num_streams * num_tokens / statistics.median(values), 1) for name, values in taken.items()
        },
        "constrained_to_free": round(statistics.median(ratios), 3),
    }


def compile_schema(model: Path) -> tuple[Grammar, float]:
    """The grammar and the milliseconds that it took, with its trial."""
    started = time.perf_counter()
    grammar = SchemaCompiler(ModelTokenizer.load(model), open_model(model).architecture.vocab_size).compile(
        AnswerForm(schema())
    )
    return grammar, round(1000 * (time.perf_counter() - started), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds of fewer tokens")
    options = parser.parse_args()
    facts = machine("llguidance")
    num_tokens, rounds = (48, 3) if options.quick else (128, 9)
    model = find_elver()
    grammar, compile_ms = compile_schema(model)
    plan = Plan(model, in_sets(open_model(model).architecture.num_experts, NODES), 256, max(STREAMS), overlap="auto")
    with running(plan) as rig:
        cells = [measure(rig, grammar, num_streams, num_tokens, rounds) for num_streams in STREAMS]
    claims = []
    for cell in cells:
        text, ratio = (
            f"{cell['streams']} streams: time with a schema at most {LIMIT} x without",
            cell["constrained_to_free"],
        )
        claims.append(claim(text, ratio, ratio <= LIMIT))
    report({"machine": facts, "compile_ms": compile_ms, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
