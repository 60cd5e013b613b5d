"""One step of the engine as arrays: which tokens run, where they stand, whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    first_row: int = 0  # of a part: where it begins in the whole


def build_step(chunks: Sequence[Chunk]) -> StepInputs:
    """In plain Python: a decode step has few numbers, and each call of numpy costs as much as ten of them."""
    token_ids, positions, slots, owners, logit_rows = list[int](), list[int](), list[int](), list[int](), list[int]()
    tables = np.zeros((len(chunks), max(pages_needed(chunk.end) for chunk in chunks)), np.int64)
    for owner, chunk in enumerate(chunks):
        pages = chunk.pages[: pages_needed(chunk.end)]
        tables[owner, : len(pages)] = pages
        token_ids += chunk.token_ids
        for position in range(chunk.start, chunk.end):
            positions.append(position)
            slots.append(pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE)
            owners.append(owner)
        if chunk.wants_logits:
            logit_rows.append(len(positions) - 1)
    return StepInputs(
        token_ids=np.array(token_ids, np.int64),
        positions=np.array(positions, np.int64),
        slots=np.array(slots, np.int64),
        owners=np.array(owners, np.int64),
        tables=tables,
        logit_rows=np.array(logit_rows, np.int64),
    )


def split_step(step: StepInputs, num_parts: int) -> list[StepInputs]:
    """The same rows in parts of nearly equal size, none of them empty; a part has no ``logit_rows``."""
    num_rows = len(step.token_ids)
    num_parts = min(num_parts, num_rows)
    if num_parts < 2:
        return [step]
    bounds = [num_rows * part // num_parts for part in range(num_parts + 1)]
    return [
        StepInputs(
            token_ids=step.token_ids[start:end],
            positions=step.positions[start:end],
            slots=step.slots[start:end],
            owners=step.owners[start:end],
            tables=step.tables,
            logit_rows=step.logit_rows[:0],
            first_row=start,
        )
        for start, end in pairwise(bounds)
    ]
