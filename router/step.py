"""One step of the engine as tensors: which tokens run, where they stand, which keys each may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moray.experts.linear import CHAIN_WIDTH
from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed

# Keys that one value product sums over. A sequence's keys are cut into segments from its first one on, and segments
# are summed in order, so that the cuts are the same alone and in company, in a prompt and while decoding.
SEGMENT_KEYS = CHAIN_WIDTH
SEGMENT_PAGES = SEGMENT_KEYS // KV_PAGE_SIZE

# Segments of one batch of decoding rows: their keys are gathered, and should still be cached when they are used.
MAX_BATCH_SEGMENTS = 128

Pages = Tensor | slice  # a slice when they are neighbours in the pool: then nothing needs to be gathered


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

    @property
    def num_segments(self) -> int:
        return -(-self.end // SEGMENT_KEYS)


@dataclass(frozen=True, slots=True)
class PromptRows:
    """Several tokens of one sequence: rows [a, b) of the step, N keys, is_hidden [b - a, 1, N]."""

    rows: slice
    pages: Pages
    is_hidden: Tensor


@dataclass(frozen=True, slots=True)
class DecodeRows:
    """B rows of B sequences, one token each, most segments first. Their S segments of N keys lie depth by depth:
    first every row's first one, then the second ones of those that have one, and so on."""

    rows: Tensor | slice  # [B] rows of the step
    depths: tuple[int, ...]  # rows that have a first, a second... segment; S in all
    owners: Tensor | None  # [S] each segment's place among the B rows; None when every row has one segment
    pages: Pages  # of the segments, S * N / KV_PAGE_SIZE
    is_hidden: Tensor  # [S, 1, N]


@dataclass(frozen=True, slots=True)
class StepInputs:
    """T tokens of all chunks, in chunk order."""

    token_ids: Tensor  # [T]
    positions: Tensor  # [T]
    slots: Tensor  # [T] where each token's cache entry goes
    prompts: tuple[PromptRows, ...]
    decodes: tuple[DecodeRows, ...]
    logit_rows: Tensor  # [B] last rows of the chunks that want logits


def build_step(chunks: Sequence[Chunk]) -> StepInputs:
    token_ids = [token for chunk in chunks for token in chunk.token_ids]
    positions = [position for chunk in chunks for position in range(chunk.start, chunk.end)]
    slots = [
        chunk.pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE
        for chunk in chunks
        for position in range(chunk.start, chunk.end)
    ]
    prompts, decoding, logit_rows, row = [], [], [], 0
    for chunk in chunks:
        if len(chunk.token_ids) == 1:
            decoding.append((row, chunk))
        else:
            prompts.append(_prompt_rows(chunk, slice(row, row + len(chunk.token_ids))))
        row += len(chunk.token_ids)
        if chunk.wants_logits:
            logit_rows.append(row - 1)
    return StepInputs(
        torch.tensor(token_ids),
        torch.tensor(positions),
        torch.tensor(slots),
        tuple(prompts),
        tuple(_decode_rows(batch) for batch in batch_decodes(decoding)),
        torch.tensor(logit_rows, dtype=torch.int64),
    )


def batch_decodes(decoding: Sequence[tuple[int, Chunk]]) -> list[list[tuple[int, Chunk]]]:
    """(row, chunk) pairs, most segments first, cut into batches of MAX_BATCH_SEGMENTS; a longer one is alone. Pure."""
    batches: list[list[tuple[int, Chunk]]] = []
    room = 0
    for row, chunk in sorted(decoding, key=lambda pair: -pair[1].num_segments):
        if chunk.num_segments > room:
            batches.append([])
            room = MAX_BATCH_SEGMENTS
        batches[-1].append((row, chunk))
        room -= chunk.num_segments
    return batches


def segment_pages(used: int) -> int:
    """Pages that attention reads for ``used`` ones: several segments are all full."""
    return used if used <= SEGMENT_PAGES else -(-used // SEGMENT_PAGES) * SEGMENT_PAGES


def _prompt_rows(chunk: Chunk, rows: slice) -> PromptRows:
    num_pages = segment_pages(pages_needed(chunk.end))
    is_hidden = torch.arange(num_pages * KV_PAGE_SIZE) > torch.arange(chunk.start, chunk.end)[:, None]
    return PromptRows(rows, _as_run(_padded(chunk.pages, num_pages)), is_hidden[:, None, :])


def _decode_rows(batch: Sequence[tuple[int, Chunk]]) -> DecodeRows:
    rows, chunks = zip(*batch, strict=True)
    depth = chunks[0].num_segments
    depths = [sum(chunk.num_segments > d for chunk in chunks) for d in range(depth)]
    width = segment_pages(pages_needed(max(chunk.end for chunk in chunks))) if depth == 1 else SEGMENT_PAGES
    tables = [_padded(chunk.pages, chunk.num_segments * width) for chunk in chunks]
    pages = [
        page
        for d, count in enumerate(depths)
        for table in tables[:count]
        for page in table[d * width : (d + 1) * width]
    ]
    owners = [place for count in depths for place in range(count)]
    last = [chunks[place].start - d * width * KV_PAGE_SIZE for d, count in enumerate(depths) for place in range(count)]
    is_hidden = torch.arange(width * KV_PAGE_SIZE) > torch.tensor(last)[:, None]
    return DecodeRows(
        rows=_as_run(rows),
        depths=tuple(depths),
        owners=None if depth == 1 else torch.tensor(owners),
        pages=_as_run(pages),
        is_hidden=is_hidden[:, None, :],
    )


def _padded(pages: Sequence[int], count: int) -> Sequence[int]:
    """``count`` pages: more than the sequence has are filled up with its first, whose keys are hidden there."""
    return [*pages[:count], *[pages[0]] * (count - len(pages))]


def _as_run(numbers: Sequence[int]) -> Tensor | slice:
    first, count = numbers[0], len(numbers)
    is_run = numbers[-1] == first + count - 1 and list(numbers) == list(range(first, first + count))
    return slice(first, first + count) if is_run else torch.tensor(numbers)
