"""One step of the engine as tensors: which tokens run, where they stand, which keys each may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed

# Sequences share one attention product while the products wasted on each other's keys (rows x keys) stay below
# this: an extra call costs about as much as these. Sharing never changes bits, see experts/linear.py.
MAX_WASTED_PRODUCTS = 512

# Keys that one value product sums over. Grouped sequences must fit in one segment together, so that a sequence's
# keys are cut into segments in the same way alone and in company.
SEGMENT_KEYS = 512


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
class AttentionGroup:
    """Rows that attend together: rows [a, b) of the step, pages [P], is_hidden [b - a, 1, P * KV_PAGE_SIZE]."""

    rows: slice
    pages: Tensor
    is_hidden: Tensor


@dataclass(frozen=True, slots=True)
class StepInputs:
    """T tokens of all chunks, in chunk order."""

    token_ids: Tensor  # [T]
    positions: Tensor  # [T]
    slots: Tensor  # [T] where each token's cache entry goes
    groups: tuple[AttentionGroup, ...]
    logit_rows: Tensor  # [B] last rows of the chunks that want logits


def build_step(chunks: Sequence[Chunk]) -> StepInputs:
    token_ids = [token for chunk in chunks for token in chunk.token_ids]
    positions = [position for chunk in chunks for position in range(chunk.start, chunk.end)]
    slots = [
        chunk.pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE
        for chunk in chunks
        for position in range(chunk.start, chunk.end)
    ]
    groups, logit_rows, row = [], [], 0
    for members in group_chunks(chunks):
        num_rows = sum(len(chunk.token_ids) for chunk in members)
        groups.append(_attention_group(members, slice(row, row + num_rows)))
        for chunk in members:
            row += len(chunk.token_ids)
            if chunk.wants_logits:
                logit_rows.append(row - 1)
    return StepInputs(
        torch.tensor(token_ids),
        torch.tensor(positions),
        torch.tensor(slots),
        tuple(groups),
        torch.tensor(logit_rows, dtype=torch.int64),
    )


def group_chunks(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Neighbouring chunks that attend in one product. Pure; a chunk joins while little is wasted on it."""
    groups: list[list[Chunk]] = []
    rows = keys = 0
    for chunk in chunks:
        more_rows, more_keys = len(chunk.token_ids), pages_needed(chunk.end) * KV_PAGE_SIZE
        wasted = rows * more_keys + more_rows * keys
        if groups and wasted <= MAX_WASTED_PRODUCTS and keys + more_keys <= SEGMENT_KEYS:
            groups[-1].append(chunk)
            rows, keys = rows + more_rows, keys + more_keys
        else:
            groups.append([chunk])
            rows, keys = more_rows, more_keys
    return groups


def _attention_group(members: Sequence[Chunk], rows: slice) -> AttentionGroup:
    pages, masks = [], []
    for chunk in members:
        used = pages_needed(chunk.end)
        pages.extend(chunk.pages[:used])
        key_positions = torch.arange(used * KV_PAGE_SIZE)
        masks.append(key_positions > torch.arange(chunk.start, chunk.end)[:, None])
    is_hidden = masks[0] if len(masks) == 1 else ~torch.block_diag(*(~mask for mask in masks)).bool()
    return AttentionGroup(rows, torch.tensor(pages), is_hidden[:, None, :])
