"""A model that reads held-out text in this process, by the engine that serves it: how sure it was of every token, and
where its gates sent them.

A gateway tells no log-probabilities of a prompt. The same weights in the same engine give the same bits as through a
network (batch invariance; the experts' rows are the same wherever they are computed), so nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moray.errors import BadCheckpoint
from moray.experts.compiled import Ids, Rows
from moray.experts.source import ModelSource
from moray.router.backbone import load_backbone
from moray.router.forward import forward
from moray.router.kv_cache import LayerCache, pages_needed
from moray.router.step import Chunk, build_step
from moray.router.timings import Timings
from moray.router.transport import LocalExperts
from moray.training.evaluation.passages import Passage
from moray.training.evaluation.report import LayerLoad, Perplexity

STEP_TOKENS = 512  # read together; with a vocabulary of 128K their logits take 260 MB


class CountingExperts:
    """All experts in this process, and how many rows each of them got: an ``ExpertTransport``."""

    def __init__(self, source: ModelSource) -> None:
        self._experts, num_experts = LocalExperts(source), source.architecture.num_experts
        self.rows: dict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(num_experts, np.int64))  # layer -> [E]

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        self.rows[layer] += np.bincount(expert_ids.ravel(), minlength=len(self.rows[layer]))
        return self._experts.dispatch(layer, hidden_states, expert_ids)

    def missing(self) -> frozenset[int]:
        return frozenset()


class Reader:
    """Raises BadCheckpoint as loading the model does."""

    def __init__(self, source: ModelSource) -> None:
        self._backbone = load_backbone(source, source.architecture.max_position)
        self._experts = CountingExperts(source)

    def read(self, passages: Iterable[Passage]) -> Iterator[float]:
        """The nats of each passage's counted tokens, given all before them. Raises BadCheckpoint where the model's
        numbers overflow."""
        for batch in in_batches(passages, STEP_TOKENS):
            yield from self._read(batch)

    def load(self) -> tuple[LayerLoad, ...]:
        """Of all that was read so far; empty for a model without experts."""
        return tuple(
            LayerLoad(layer=layer, rows=tuple(rows.tolist())) for layer, rows in sorted(self._experts.rows.items())
        )

    def _read(self, batch: Sequence[Passage]) -> Iterator[float]:
        chunks, num_pages, num_tokens, counted = list[Chunk](), 0, 0, list[int]()
        for passage in batch:
            given = passage.token_ids[:-1]  # nothing follows the last
            pages = range(num_pages, num_pages + pages_needed(len(given)))
            chunks.append(Chunk(given, 0, pages, wants_logits=False))
            counted += range(num_tokens + passage.first - 1, num_tokens + len(given))
            num_pages, num_tokens = num_pages + len(pages), num_tokens + len(given)
        caches = [LayerCache(layer.attention.cache_spec(), num_pages) for layer in self._backbone.layers]
        step = replace(build_step(chunks), logit_rows=np.array(counted, np.int64))
        output = asyncio.run(forward(self._backbone, caches, self._experts, step, Timings()))
        if output.unsound_rows:
            raise BadCheckpoint("the model's numbers overflow on held-out text; train it with a lower rate")
        done = 0
        for passage in batch:
            targets = passage.token_ids[passage.first :]
            yield float(nats(output.logits[done : done + len(targets)], targets).sum())
            done += len(targets)


def in_batches(passages: Iterable[Passage], max_tokens: int) -> Iterator[list[Passage]]:
    """In their order, as many together as there is room for; a longer one comes alone."""
    batch, num_tokens = list[Passage](), 0
    for passage in passages:
        if batch and num_tokens + len(passage.token_ids) > max_tokens:
            yield batch
            batch, num_tokens = [], 0
        batch.append(passage)
        num_tokens += len(passage.token_ids)
    if batch:
        yield batch


def nats(logits: Rows, targets: Sequence[int]) -> NDArray[np.float64]:
    """[B, V] and B tokens -> the negative log of each one's probability [B]."""
    scores = logits.astype(np.float64)
    scores -= scores.max(axis=-1, keepdims=True)
    found: NDArray[np.float64] = np.log(np.exp(scores).sum(axis=-1)) - scores[np.arange(len(scores)), list(targets)]
    return found


def perplexities(passages: Sequence[Passage], read_nats: Sequence[float]) -> Iterator[Perplexity]:
    """One of each text and language."""
    for text, language in sorted({(passage.text, passage.language) for passage in passages}):
        read = [
            (passage, one)
            for passage, one in zip(passages, read_nats, strict=True)
            if (passage.text, passage.language) == (text, language)
        ]
        yield Perplexity(
            text=text,
            language=language,
            nats=sum(one for _, one in read),
            num_tokens=sum(len(passage.token_ids) - passage.first for passage, _ in read),
            num_bytes=sum(passage.num_bytes for passage, _ in read),
        )
