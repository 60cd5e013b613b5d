"""Steps as tensors: where every token goes, what it sees, and how decoding rows are batched."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.router import step as step_module
from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed
from moray.router.step import MAX_BATCH_SEGMENTS, SEGMENT_KEYS, Chunk, Pages, batch_decodes, build_step

CHUNKS = st.lists(st.tuples(st.integers(0, 700), st.sampled_from([1, 1, 1, 2, 33, 200])), min_size=1, max_size=12)


def chunks_of(spans: list[tuple[int, int]], spare: int = 1) -> list[Chunk]:
    """(start, count) spans, each with pages of its own in a scattered order."""
    chunks, taken = [], 0
    for index, (start, count) in enumerate(spans):
        used = pages_needed(start + count) + spare
        pages = list(range(taken, taken + used))
        chunks.append(Chunk([index] * count, start, pages[::-1] if index % 2 else pages, index % 3 != 0))
        taken += used
    return chunks


def page_list(pages: Pages) -> list[int]:
    return list(range(pages.start, pages.stop)) if isinstance(pages, slice) else pages.tolist()


def row_list(rows: torch.Tensor | slice) -> list[int]:
    return page_list(rows)


@settings(deadline=None)
@given(CHUNKS)
def test_every_row_is_attended_once_and_sees_its_own_keys_up_to_itself(spans: list[tuple[int, int]]) -> None:
    chunks = chunks_of(spans)
    step = build_step(chunks)
    expected = {}  # row -> slots it must see, in order
    row = 0
    for chunk in chunks:
        for position in range(chunk.start, chunk.end):
            slots = [chunk.pages[p // KV_PAGE_SIZE] * KV_PAGE_SIZE + p % KV_PAGE_SIZE for p in range(position + 1)]
            assert int(step.slots[row]) == slots[-1]
            assert int(step.positions[row]) == position
            expected[row] = slots
            row += 1
    seen = dict(seen_slots(step))
    assert seen == expected
    assert len(step.token_ids) == row


def seen_slots(step: step_module.StepInputs) -> list[tuple[int, list[int]]]:
    """(row, slots of its visible keys, in the order in which segments are summed)."""
    found = []
    for prompt in step.prompts:
        slots = slots_of(prompt.pages)
        for place, row in enumerate(row_list(prompt.rows)):
            found.append((row, slots[~prompt.is_hidden[place, 0]].tolist()))
    for batch in step.decodes:
        num_segments, _, num_keys = batch.is_hidden.shape
        assert sum(batch.depths) == num_segments
        assert list(batch.depths) == sorted(batch.depths, reverse=True)
        slots = slots_of(batch.pages).view(num_segments, num_keys)
        owners = range(num_segments) if batch.owners is None else batch.owners.tolist()
        mine: dict[int, list[int]] = {row: [] for row in row_list(batch.rows)}
        for segment, owner in enumerate(owners):
            row = row_list(batch.rows)[owner]
            mine[row] += slots[segment][~batch.is_hidden[segment, 0]].tolist()
        found += mine.items()
    assert len({row for row, _ in found}) == len(found)
    return found


def slots_of(pages: Pages) -> torch.Tensor:
    return (torch.tensor(page_list(pages))[:, None] * KV_PAGE_SIZE + torch.arange(KV_PAGE_SIZE)).flatten()


@settings(deadline=None)
@given(CHUNKS)
def test_segments_are_cut_at_the_same_keys_alone_and_in_company(spans: list[tuple[int, int]]) -> None:
    for step in [build_step(chunks_of(spans)), *(build_step([chunk]) for chunk in chunks_of(spans))]:
        for prompt in step.prompts:
            num_keys = prompt.is_hidden.shape[-1]
            assert num_keys <= SEGMENT_KEYS or num_keys % SEGMENT_KEYS == 0
        for batch in step.decodes:
            assert batch.is_hidden.shape[-1] == SEGMENT_KEYS or len(batch.depths) == 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=64))
def test_batches_are_bounded_and_complete(starts: list[int]) -> None:
    decoding = [(row, Chunk([0], start, [], True)) for row, start in enumerate(starts)]
    batches = batch_decodes(decoding)
    assert sorted(row for batch in batches for row, _ in batch) == list(range(len(starts)))
    for batch in batches:
        depths = [chunk.num_segments for _, chunk in batch]
        assert depths == sorted(depths, reverse=True)
        assert len(batch) == 1 or sum(depths) <= MAX_BATCH_SEGMENTS


def test_the_rows_that_want_logits_are_the_last_of_their_chunks() -> None:
    chunks = [Chunk([5, 6], 0, [0], False), Chunk([7], 9, [1], True), Chunk([8, 9, 10], 0, [2], True)]
    assert build_step(chunks).logit_rows.tolist() == [2, 5]


def test_pages_that_are_neighbours_become_a_view() -> None:
    alone = build_step([Chunk([0], 100, [4, 5, 6, 7], True)]).decodes[0]
    assert alone.pages == slice(4, 8)
    scattered = build_step([Chunk([0], 100, [4, 6, 5, 7], True)]).decodes[0]
    assert isinstance(scattered.pages, torch.Tensor)
    assert scattered.pages.tolist() == [4, 6, 5, 7]


def test_what_a_segment_lacks_is_filled_with_a_hidden_page_of_the_same_sequence() -> None:
    batch = build_step([Chunk([0], 130, [9, 8, 7, 6, 5], True)]).decodes[0]
    assert page_list(batch.pages) == [9, 8, 7, 6, 5, 9, 9, 9]
    assert batch.is_hidden[1, 0].tolist() == [False] * 3 + [True] * (SEGMENT_KEYS - 3)
