"""Steps as arrays: which token runs where, where its cache entry goes and whose pages it sees."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed
from moray.router.step import Chunk, StepInputs, build_step

CHUNKS = st.lists(st.tuples(st.integers(0, 700), st.sampled_from([1, 1, 1, 2, 33, 200])), min_size=1, max_size=12)


def chunks_of(spans: list[tuple[int, int]], spare: int = 1) -> list[Chunk]:
    """(start, count) spans, each with pages of its own, every other one's in descending order."""
    chunks, taken = [], 0
    for index, (start, count) in enumerate(spans):
        used = pages_needed(start + count) + spare
        pages = list(range(taken, taken + used))
        token_ids = range(1000 * index, 1000 * index + count)
        chunks.append(Chunk(token_ids, start, pages[::-1] if index % 2 else pages, index % 3 != 0))
        taken += used
    return chunks


def slot_of(chunk: Chunk, position: int) -> int:
    return chunk.pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE


def seen_slots(step: StepInputs, row: int) -> list[int]:
    """Slots of the keys that a row sees, in ascending position, as attention reads them from the step."""
    pages = step.tables[step.owners[row]]
    return [
        int(pages[position // KV_PAGE_SIZE]) * KV_PAGE_SIZE + position % KV_PAGE_SIZE
        for position in range(step.positions[row] + 1)
    ]


@given(CHUNKS)
def test_every_token_runs_once_in_order_and_sees_its_own_keys_up_to_itself(spans: list[tuple[int, int]]) -> None:
    chunks = chunks_of(spans)
    step = build_step(chunks)
    expected = [
        (owner, chunk, chunk.start + place, token)
        for owner, chunk in enumerate(chunks)
        for place, token in enumerate(chunk.token_ids)
    ]
    assert step.token_ids.tolist() == [token for _, _, _, token in expected]
    assert step.positions.tolist() == [position for _, _, position, _ in expected]
    assert step.owners.tolist() == [owner for owner, _, _, _ in expected]
    for row, (_, chunk, position, _) in enumerate(expected):
        assert step.slots[row] == slot_of(chunk, position)
        if position == chunk.end - 1:  # an earlier row sees the beginning of the same
            assert seen_slots(step, row) == [slot_of(chunk, earlier) for earlier in range(position + 1)]


@given(CHUNKS, st.integers(0, 5))
def test_tables_are_as_wide_as_the_longest_chunk_needs_whatever_is_reserved(
    spans: list[tuple[int, int]], spare: int
) -> None:
    chunks = chunks_of(spans, spare)
    tables = build_step(chunks).tables
    assert tables.shape == (len(chunks), max(pages_needed(chunk.end) for chunk in chunks))
    for table, chunk in zip(tables.tolist(), chunks, strict=True):
        used = pages_needed(chunk.end)
        assert table[:used] == list(chunk.pages[:used])
        assert set(table[used:]) <= {0}  # never read, and a page that exists


@given(CHUNKS)
def test_no_two_tokens_write_to_the_same_slot(spans: list[tuple[int, int]]) -> None:
    slots = build_step(chunks_of(spans)).slots.tolist()
    assert len(set(slots)) == len(slots)


@given(CHUNKS)
def test_arrays_are_what_the_kernels_take(spans: list[tuple[int, int]]) -> None:
    step = build_step(chunks_of(spans))
    for array in (step.token_ids, step.positions, step.slots, step.owners, step.tables, step.logit_rows):
        assert array.dtype == np.int64 and array.flags.c_contiguous


def test_the_rows_that_want_logits_are_the_last_of_their_chunks() -> None:
    chunks = [Chunk([5, 6], 0, [0], False), Chunk([7], 9, [1], True), Chunk([8, 9, 10], 0, [2], True)]
    assert build_step(chunks).logit_rows.tolist() == [2, 5]
    assert build_step(chunks[:1]).logit_rows.shape == (0,)
