"""How far answers of honest and of dishonest providers are from what the judge's model chooses, in nats.

Each kind of provider answers the same prompts, greedy, seeded and seeded with filters; every answer is replayed with
the judge's own model. ``gap``: of a token (``router/deviation.py``); ``outcomes``: of whole answers, by the margins of
``router/judging.py``; ``logits``: the largest difference of a logit after the same tokens, without what all of a row
have in common. Random weights are flatter than a trained model's, so all is done twice, once with the head's weights
times ``SHARPER``.

Honest: the same weights, with other threads, with our kernels compiled for an older CPU (AVX2), or with products that
another engine might use instead of ours: BLAS in float32, and tensor cores that round what they multiply to 10 bits
(tf32) or 7 (bfloat16). Dishonest: see ``CHEATS``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from measure import claim, machine, percentile, progress, report
from moray.experts.compiled import Rows
from moray.experts.linear import to_array
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.threads import row_threads
from moray.router.backbone import Backbone, load_backbone
from moray.router.engine import Engine
from moray.router.judging import FAR, MARGIN, judge_tokens
from moray.router.replay import ReplayedToken, replay
from moray.router.sequence import Sequence as EngineSequence
from moray.router.transport import LocalExperts
from moray.types import GeneratedToken, GenerationRequest, RequestId, SamplingParams

CONTEXT = 512
PROMPT_TOKENS = 24
SHARPER = 8
SAMPLINGS = {
    "greedy": SamplingParams(temperature=0.0),
    "seeded": SamplingParams(temperature=0.8),
    "filtered": SamplingParams(temperature=0.8, top_k=40, top_p=0.9),
}
CHEATS = {
    "int8 experts": "of a float32 model",
    "int4 experts": "of an int8 model",
    "other weights": "a checkpoint of the same shape",
    "experts swapped": "each computes with the next one's weights",
    "a layer less": "the last one is left out",
    "another prompt": "one token of it is another",
    "another seed": "where there is one; greedy answers have none",
    "another temperature": "0.8 instead of 0, or 0 instead of 0.8",
}
Rounding = Callable[[Tensor], Tensor]


def tf32(values: Tensor) -> Tensor:
    bits = values.contiguous().view(torch.int32)
    return ((bits + (1 << 12)) & -(1 << 13)).view(torch.float32)


ROUNDINGS: dict[str, Rounding] = {
    "BLAS": lambda values: values,
    "tf32": tf32,
    "bfloat16": lambda values: values.bfloat16().float(),
}


class OtherLinear:
    """``Linear`` by torch's product of rounded values."""

    def __init__(self, rounding: Rounding, weight: Tensor, bias: Tensor | None = None) -> None:
        self.rounding, self.weight = rounding, rounding(weight.float()).t().contiguous()
        self.bias = None if bias is None else bias.float()

    def __call__(self, x: Rows) -> Rows:
        product = self.rounding(torch.from_numpy(np.ascontiguousarray(x))) @ self.weight
        return to_array(product if self.bias is None else product + self.bias)


class OtherFeedForward:
    def __init__(self, rounding: Rounding, gate_up: Tensor, down: Tensor) -> None:
        self.gate_up, self.down = OtherLinear(rounding, gate_up), OtherLinear(rounding, down)

    def __call__(self, x: Rows) -> Rows:
        gate, up = torch.from_numpy(self.gate_up(x)).chunk(2, dim=-1)
        return self.down((torch.nn.functional.silu(gate) * up).numpy())


@contextmanager
def products(rounding: Rounding | None) -> Iterator[None]:
    """Models that are loaded meanwhile compute with other products; None: with ours."""
    if rounding is None:
        yield
        return
    with ExitStack() as stack:
        for module in ("router.backbone", "router.attention"):
            stack.enter_context(patch(f"moray.{module}.load_linear", partial(OtherLinear, rounding)))
        for module in ("router.backbone", "experts.weights"):
            stack.enter_context(patch(f"moray.{module}.load_feed_forward", partial(OtherFeedForward, rounding)))
        yield


@dataclass(frozen=True)
class Model:
    backbone: Backbone
    experts: LocalExperts


def load(folder: Path, sharper: int, rounding: Rounding | None = None) -> Model:
    source = open_model(folder)
    with products(rounding):
        backbone, experts = load_backbone(source, CONTEXT), LocalExperts(source)
    head = backbone.head
    sharpened: Any = lambda x: head(x) * np.float32(sharper)  # noqa: E731 - no Linear, but called like one
    return Model(replace(backbone, head=sharpened), experts)


def a_layer_less(model: Model) -> Model:
    return replace(model, backbone=replace(model.backbone, layers=model.backbone.layers[:-1]))


def swapped(folder: Path, sharper: int) -> Model:
    model = load(folder, sharper)
    model.experts.weights.append(model.experts.weights.pop(0))
    return model


def requests(kind: str, num_prompts: int, num_tokens: int) -> list[GenerationRequest]:
    rng = np.random.default_rng(7)
    return [
        GenerationRequest(
            RequestId(f"{kind}-{index}"),
            tuple(rng.integers(5, DEMO_CONFIG["vocab_size"], PROMPT_TOKENS).tolist()),
            replace(SAMPLINGS[kind], max_tokens=num_tokens, seed=1000 + index),
        )
        for index in range(num_prompts)
    ]


def answers(model: Model, asked: Sequence[GenerationRequest]) -> list[list[int]]:
    """All at once, which changes no bits of ours."""
    engine = Engine(model.backbone, model.experts, num_pages=1024, context_length=CONTEXT, overlap="off")
    said: list[list[GeneratedToken]] = [[] for _ in asked]
    for request, tokens in zip(asked, said, strict=True):
        engine.submit(EngineSequence(request, tokens.append))  # type: ignore[arg-type]

    async def finish() -> None:
        while engine.scheduler.has_work:
            await engine.step()

    asyncio.run(finish())
    return [[token.token_id for token in tokens] for tokens in said]


OLDER_CPU = """
import sys
from pathlib import Path
import llvmlite.binding
llvmlite.binding.get_host_cpu_features = lambda: {"avx2": True, "fma": True}  # before the kernels are made
import judging
folder, kind, num_prompts, num_tokens, sharper = sys.argv[1:]
asked = judging.requests(kind, int(num_prompts), int(num_tokens))
print(judging.json.dumps(judging.answers(judging.load(Path(folder), int(sharper)), asked)))
"""


def answers_of_an_older_cpu(folder: Path, kind: str, *numbers: int) -> list[list[int]]:
    environment = os.environ | {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2,+ssse3",
        "NUMBA_CACHE_DIR": str(folder.parent / "haswell"),
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))),
    }
    command = [sys.executable, "-c", OLDER_CPU, str(folder), kind, *map(str, numbers)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    read: list[list[int]] = json.loads(done.stdout)
    return read


def replayed(judge: Model, request: GenerationRequest, tokens: Sequence[int]) -> list[ReplayedToken]:
    async def run() -> list[ReplayedToken]:
        return [token async for token in replay(judge.backbone, judge.experts, request, tokens)]

    return asyncio.run(run())


def logit_difference(judge: Model, other: Model, request: GenerationRequest, tokens: Sequence[int]) -> float:
    """Largest of all rows: half the range of the differences, since what a row has in common does not count."""
    from moray.router import replay as module

    rows: dict[str, list[Rows]] = {"judge": [], "other": []}
    for name, model in (("judge", judge), ("other", other)):

        def keep(logits: Rows, claimed: object, *_: object, name: str = name) -> Iterator[float]:
            rows[name].append(logits.astype(np.float64))
            return iter(())

        with patch.object(module, "token_gaps", keep):
            replayed(model, request, tokens)
    difference = np.concatenate(rows["judge"]) - np.concatenate(rows["other"])
    return float(np.ptp(difference, axis=1).max() / 2)


def judged(
    judge: Model, asked: Sequence[GenerationRequest], said: Sequence[Sequence[int]], other: Model | None
) -> dict[str, Any]:
    """``said`` may answer other requests than ``asked``, which is what the judge goes by."""
    whole = [replayed(judge, request, tokens) for request, tokens in zip(asked, said, strict=True)]
    gaps = [token.gap for answer in whole for token in answer]
    difference = None if other is None else logit_difference(judge, other, asked[0], said[0])
    return {
        "tokens": len(gaps),
        "gap_p90": percentile(gaps, 90),
        "gap_max": max(gaps),
        "worst_of_the_best_answer": min(max(token.gap for token in answer) for answer in whole),
        "logits": difference,
        "outcomes": dict(Counter(judge_tokens(answer).outcome.name.lower() for answer in whole)),
    }


def rounded(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in cell.items()}


def measure(folder: Path, sharper: int, num_prompts: int, num_tokens: int) -> list[dict[str, Any]]:
    paths = {name: folder / name for name in ("float32", "int8", "int4", "other")}
    float32, int8 = load(paths["float32"], sharper), load(paths["int8"], sharper)
    cells = []

    def add(
        kind: str,
        provider: str,
        is_honest: bool,
        judge: Model,
        said: Sequence[Sequence[int]],
        other: Model | None = None,
        model: str = "float32",
    ) -> None:
        asked = requests(kind, num_prompts, num_tokens)
        cell = {"sharper": sharper, "model": model, "sampling": kind, "provider": provider, "is_honest": is_honest}
        cells.append(rounded(cell | judged(judge, asked, said, other)))
        progress(str(cells[-1]))

    for kind in SAMPLINGS:
        asked = requests(kind, num_prompts, num_tokens)
        older = answers_of_an_older_cpu(paths["float32"], kind, num_prompts, num_tokens, sharper)
        add(kind, "ours, for AVX2", True, float32, older)
        for threads in (1, 2):
            row_threads.resize(threads)
            add(kind, f"ours, {threads} threads", True, float32, answers(float32, asked))
        row_threads.resize(1)
        for model, name in ((float32, "float32"), (int8, "int8")):
            for product, rounding in ROUNDINGS.items():
                other = load(paths[name], sharper, rounding)
                add(kind, product, True, model, answers(other, asked), other, name)
        wrong = {
            "int8 experts": int8,
            "other weights": load(paths["other"], sharper),
            "experts swapped": swapped(paths["float32"], sharper),
            "a layer less": a_layer_less(float32),
        }
        for cheat, other in wrong.items():
            add(kind, cheat, False, float32, answers(other, asked), other)
        int4 = load(paths["int4"], sharper)
        add(kind, "int4 experts", False, int8, answers(int4, asked), int4, "int8")
        shifted = [replace(request, prompt=(*request.prompt[:-3], 9, *request.prompt[-2:])) for request in asked]
        add(kind, "another prompt", False, float32, answers(float32, shifted))
        if kind != "greedy":
            seeds = [replace(one, sampling=replace(one.sampling, seed=one.sampling.seed + 10**6)) for one in asked]
            add(kind, "another seed", False, float32, answers(float32, seeds))
        temperature = 0.8 if kind == "greedy" else 0.0
        warm = [replace(one, sampling=replace(one.sampling, temperature=temperature)) for one in asked]
        add(kind, "another temperature", False, float32, answers(float32, warm))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer answers")
    options = parser.parse_args()
    num_prompts, num_tokens = (4, 64) if options.quick else (8, 96)
    facts = machine("numba")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_random_checkpoint(folder / "float32", DEMO_CONFIG, seed=1)
        write_random_checkpoint(folder / "other", DEMO_CONFIG, seed=2)
        write_shards(folder / "float32", folder / "int8", numeric_class="int8")
        write_shards(folder / "float32", folder / "int4", numeric_class="int4")
        cells = [cell for sharper in (1, SHARPER) for cell in measure(folder, sharper, num_prompts, num_tokens)]
    ours = [cell["gap_max"] for cell in cells if cell["provider"].startswith("ours")]
    wrong = [cell for cell in cells if not cell["is_honest"]]
    standing = sum(cell["outcomes"].get("valid", 0) for cell in wrong)
    claims = [
        claim("the largest gap of an honest provider with our kernels is 0", max(ours), max(ours) == 0),
        claim(
            "share of dishonest answers that stand below 0.05",
            standing / (len(wrong) * num_prompts),
            standing < 0.05 * len(wrong) * num_prompts,
        ),
    ]
    report({"machine": facts, "margin": MARGIN, "far": FAR, "claims": claims, "cells": cells})


if __name__ == "__main__":
    main()
