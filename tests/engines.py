"""An engine in this process for tests: built from a checkpoint folder, driven to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence as Sequence_
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moray.errors import MorayError
from moray.experts.compiled import Rows
from moray.experts.source import open_model
from moray.router.backbone import Backbone, load_backbone
from moray.router.engine import Engine
from moray.router.forward import forward
from moray.router.kv_cache import LayerCache, pages_needed
from moray.router.masks import Masks
from moray.router.scheduler import SchedulerLimits
from moray.router.sequence import Sequence
from moray.router.step import Chunk, build_step
from moray.router.timings import Timings
from moray.router.transport import ExpertTransport, LocalExperts
from moray.types import GeneratedToken, GenerationRequest, OverlapMode, RequestId, SamplingParams

CONTEXT = 512


def load(folder: Path) -> tuple[Backbone, LocalExperts]:
    source = open_model(folder)
    return load_backbone(source, CONTEXT), LocalExperts(source)


def greedy_request(name: str, prompt: Sequence_[int], num_tokens: int) -> GenerationRequest:
    sampling = SamplingParams(max_tokens=num_tokens, temperature=0.0, num_logprobs=3)
    return GenerationRequest(RequestId(name), tuple(prompt), sampling)


class LogitsEngine(Engine):
    """Keeps every row of logits that a token is sampled from, by the request's name."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rows: dict[str, list[Rows]] = {}
        self.num_reading_steps = 0  # that ended no prompt and decoded nothing

    def _emit(self, sequences: list[Sequence], logits: Rows, unsound: list[Sequence], masks: Future[Masks]) -> None:
        self.num_reading_steps += not sequences
        for sequence, row in zip(sequences, logits, strict=True):
            self.rows.setdefault(sequence.request.request_id, []).append(row.copy())
        super()._emit(sequences, logits, unsound, masks)


class Recorder:
    """An engine whose requests are collected: ``outcomes[name]`` are tokens, then perhaps an error."""

    def __init__(
        self,
        backbone: Backbone,
        experts: ExpertTransport,
        limits: SchedulerLimits | None = None,
        num_pages: int = 1024,
        overlap: OverlapMode = "auto",
    ) -> None:
        self.engine = LogitsEngine(
            backbone, experts, num_pages=num_pages, context_length=CONTEXT, limits=limits, overlap=overlap
        )
        self.outcomes: dict[str, list[GeneratedToken | MorayError]] = {}

    def submit(self, request: GenerationRequest) -> Sequence:
        outcome = self.outcomes.setdefault(request.request_id, [])
        sequence = Sequence(request, outcome.append)
        self.engine.submit(sequence)
        return sequence

    def logits(self, name: str) -> list[Rows]:
        """The rows [V] that its tokens were sampled from."""
        return self.engine.rows.get(name, [])

    async def finish(self) -> None:
        while self.engine.scheduler.has_work:
            await self.engine.step()

    def tokens(self, name: str) -> list[GeneratedToken]:
        return [token for token in self.outcomes[name] if isinstance(token, GeneratedToken)]


def logits_step_by_step(backbone: Backbone, experts: ExpertTransport, tokens: Sequence_[int], prompt: int) -> Tensor:
    """Logits [len(tokens) - prompt + 1, V]: the prompt in one step, then token by token as given (teacher forcing)."""
    pages = list(range(pages_needed(len(tokens))))
    caches = [LayerCache(layer.attention.cache_spec(), len(pages)) for layer in backbone.layers]

    async def run() -> Tensor:
        rows = []
        for start, end in [(0, prompt), *((i, i + 1) for i in range(prompt, len(tokens)))]:
            step = build_step([Chunk(tokens[start:end], start, pages, wants_logits=True)])
            rows.append((await forward(backbone, caches, experts, step, Timings())).logits)
        return torch.from_numpy(np.concatenate(rows))

    return asyncio.run(run())
