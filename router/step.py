"""One step of the engine as arrays: which tokens run, where they stand, whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from moray.experts.compiled import Ids
from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next ``token_ids`` of one sequence, at positions ``start...``; ``pages`` is its whole page table."""

    token_ids: Sequence[int]
    start: int
    pages: Sequence[int]
    wants_logits: bool  # the last token is the newest: the next one is sampled after it

    @property
    def end(self) -> int:
        return self.start + len(self.token_ids)


@dataclass(frozen=True, slots=True)
class StepInputs:
    """T tokens of S chunks, in chunk order."""

    token_ids: Ids  # [T]
    positions: Ids  # [T]
    slots: Ids  # [T] where each token's cache entry goes
    owners: Ids  # [T] each token's chunk
    tables: Ids  # [S, P] pages of each chunk, as many as the longest needs
    logit_rows: Ids  # [B] last rows of the chunks that want logits


def build_step(chunks: Sequence[Chunk]) -> StepInputs:
    lengths = [len(chunk.token_ids) for chunk in chunks]
    owners = np.repeat(np.arange(len(chunks)), lengths)
    positions = np.fromiter(chain.from_iterable(range(chunk.start, chunk.end) for chunk in chunks), np.int64)
    tables = np.zeros((len(chunks), max(pages_needed(chunk.end) for chunk in chunks)), np.int64)
    for table, chunk in zip(tables, chunks, strict=True):
        used = chunk.pages[: pages_needed(chunk.end)]
        table[: len(used)] = used
    ends = np.cumsum(lengths)
    return StepInputs(
        token_ids=np.fromiter(chain.from_iterable(chunk.token_ids for chunk in chunks), np.int64),
        positions=positions,
        slots=tables[owners, positions // KV_PAGE_SIZE] * KV_PAGE_SIZE + positions % KV_PAGE_SIZE,
        owners=owners,
        tables=tables,
        logit_rows=np.array([end - 1 for end, c in zip(ends, chunks, strict=True) if c.wants_logits], np.int64),
    )
