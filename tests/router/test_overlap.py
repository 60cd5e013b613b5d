"""Two micro-batches in flight: the same bits, in the right order, chosen where measurements say so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import Recorder, greedy_request, load
from moray.errors import ExpertUnavailable
from moray.experts.compiled import Ids, Rows
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.router.backbone import Backbone
from moray.router.forward import StepOutput, forward
from moray.router.kv_cache import LayerCache, pages_needed
from moray.router.overlap import FIRST_SAMPLES, MIN_ROWS, TRY_AGAIN, WAYS, Overlap
from moray.router.scheduler import SchedulerLimits
from moray.router.step import Chunk, StepInputs, build_step, split_step
from moray.router.timings import Timings
from moray.router.transport import ExpertsMissing, LocalExperts
from moray.types import OverlapMode


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, LocalExperts]:
    folder: Path = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder, TINY_CONFIG | {"dtype": "float32"}, seed=4)
    return load(folder)


class Rounds:
    """Real experts, and the order of what is sent and awaited: (layer, rows) and "sent" or "awaited"."""

    def __init__(self, experts: LocalExperts, missing_row: int | None = None) -> None:
        self._experts, self._missing_row = experts, missing_row
        self.log: list[tuple[int, int, str]] = []

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        self.log.append((layer, len(hidden_states), "sent"))
        return self._answer(layer, hidden_states, expert_ids)

    async def _answer(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Rows:
        self.log.append((layer, len(hidden_states), "awaited"))
        if self._missing_row is not None and len(hidden_states) == 3:  # the second part
            raise ExpertsMissing(frozenset({5}), frozenset({self._missing_row}))
        return await self._experts.dispatch(layer, hidden_states, expert_ids)

    def missing(self) -> frozenset[int]:
        return frozenset()


def chunks_of(lengths: list[int], starts: list[int]) -> list[Chunk]:
    """Chunks that begin at ``starts`` in sequences of their own pages."""
    chunks, first_page = [], 0
    for owner, (length, start) in enumerate(zip(lengths, starts, strict=True)):
        count = pages_needed(start + length)
        tokens = [(7 * owner + 3 * i) % 290 for i in range(length)]
        chunks.append(Chunk(tokens, start, range(first_page, first_page + count), wants_logits=True))
        first_page += count
    return chunks


def run_parts(
    served: tuple[Backbone, LocalExperts], step: StepInputs, num_parts: int, caches: list[LayerCache]
) -> StepOutput:
    return asyncio.run(forward(served[0], caches, served[1], step, Timings(), num_parts))


def filled_caches(backbone: Backbone, num_pages: int) -> list[LayerCache]:
    caches = [LayerCache(layer.attention.cache_spec(), num_pages) for layer in backbone.layers]
    rng = np.random.default_rng(0)
    for cache in caches:
        cache.slots[:] = rng.standard_normal(cache.slots.shape, np.float32)
    return caches


@settings(max_examples=30)
@given(data=st.data())
def test_a_step_in_parts_has_the_bits_of_the_whole_one(
    served: tuple[Backbone, LocalExperts], data: st.DataObject
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    starts = [data.draw(st.integers(0, 70)) for _ in lengths]
    step = build_step(chunks_of(lengths, starts))
    num_pages = sum(pages_needed(start + length) for start, length in zip(starts, lengths, strict=True))
    whole_caches = filled_caches(served[0], num_pages)
    whole = run_parts(served, step, 1, whole_caches)
    for num_parts in (2, 3):
        caches = filled_caches(served[0], num_pages)
        output = run_parts(served, step, num_parts, caches)
        assert np.array_equal(output.logits.view(np.int32), whole.logits.view(np.int32))
        for ours, theirs in zip(caches, whole_caches, strict=True):
            assert np.array_equal(ours.slots.view(np.int32), theirs.slots.view(np.int32))


def test_parts_hold_every_row_once_and_none_is_empty() -> None:
    step = build_step(chunks_of([3, 4], [0, 0]))
    for num_parts in (1, 2, 3, 7, 9):
        parts = split_step(step, num_parts)
        assert len(parts) == min(num_parts, 7) and all(len(part.token_ids) for part in parts)
        assert np.concatenate([part.slots for part in parts]).tolist() == step.slots.tolist()
        assert [part.first_row for part in parts] == np.cumsum([0, *(len(p.token_ids) for p in parts[:-1])]).tolist()


def test_the_second_part_is_sent_before_the_first_is_awaited_and_parts_keep_their_order(
    served: tuple[Backbone, LocalExperts],
) -> None:
    rounds = Rounds(served[1])
    step = build_step(chunks_of([2, 3], [0, 0]))
    caches = filled_caches(served[0], 2)
    asyncio.run(forward(served[0], caches, rounds, step, Timings(), 2))
    first, second = (1, 2), (1, 3)
    assert rounds.log[:4] == [(*first, "sent"), (*second, "sent"), (*first, "awaited"), (2, 2, "sent")]
    assert rounds.log[4:] == [(*second, "awaited"), (2, 3, "sent"), (2, 2, "awaited"), (2, 3, "awaited")]


def test_rows_without_an_expert_are_named_as_rows_of_the_whole_step(served: tuple[Backbone, LocalExperts]) -> None:
    step = build_step(chunks_of([2, 3], [0, 0]))
    with pytest.raises(ExpertUnavailable) as error:
        asyncio.run(forward(served[0], filled_caches(served[0], 2), Rounds(served[1], 1), step, Timings(), 2))
    assert isinstance(error.value, ExpertsMissing) and error.value.rows == {3}


def test_an_engine_that_always_overlaps_gives_the_tokens_of_one_that_never_does(
    served: tuple[Backbone, LocalExperts],
) -> None:
    tokens = []
    for mode in ("on", "off"):
        limits = SchedulerLimits(max_running=16, max_step_tokens=24)
        recorder = Recorder(*served, limits=limits, overlap="on" if mode == "on" else "off")
        for i in range(20):
            recorder.submit(greedy_request(str(i), [i + 1] * (1 + 7 * i % 60), 10))
        asyncio.run(recorder.finish())
        tokens.append({name: [token.token_id for token in recorder.tokens(name)] for name in recorder.outcomes})
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_model_without_a_mixture_waits_for_nobody_and_ends(tmp_path: Path, mode: OverlapMode) -> None:
    num_layers = TINY_CONFIG["num_hidden_layers"]
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"first_k_dense_replace": num_layers}, seed=4)
    backbone, experts = load(tmp_path)
    rounds = Rounds(experts)
    recorder = Recorder(backbone, rounds, overlap=mode)
    recorder.submit(greedy_request("a", [1, 2, 3], 5))
    asyncio.run(recorder.finish())
    assert len(recorder.tokens("a")) == 5 and rounds.log == []


# -- the choice


def run_steps(overlap: Overlap, seconds: dict[int, float], num_steps: int, num_rows: int = 32) -> list[int]:
    ways = []
    for _ in range(num_steps):
        ways.append(overlap.choose(num_rows))
        overlap.note(num_rows, ways[-1], seconds[ways[-1]])
    return ways


@pytest.mark.parametrize("best", WAYS)
def test_the_fastest_way_is_taken_and_the_others_are_tried_now_and_then(best: int) -> None:
    overlap = Overlap()
    ways = run_steps(overlap, {way: 1.0 if way == best else 1.3 for way in WAYS}, 20 * TRY_AGAIN)
    settled = ways[len(WAYS) * FIRST_SAMPLES :]
    assert set(settled) == set(WAYS) and settled.count(best) >= 0.9 * len(settled)
    later = WAYS[(WAYS.index(best) + 1) % len(WAYS)]  # things change
    ways = run_steps(overlap, {way: 1.0 if way == later else 1.3 for way in WAYS}, 40 * TRY_AGAIN)
    assert ways[-TRY_AGAIN + 1 :].count(later) > TRY_AGAIN // 2


def test_small_steps_and_modes_leave_no_choice() -> None:
    assert run_steps(Overlap(), {1: 1.0, 2: 0.1, 4: 0.1}, 50, MIN_ROWS - 1) == [1] * 50
    assert run_steps(Overlap("off"), {1: 1.0, 2: 0.1}, 50) == [1] * 50
    assert run_steps(Overlap("on"), {1: 0.1, 2: 1.0}, 50) == [2] * 50


def test_one_pause_of_the_machine_does_not_change_the_choice() -> None:
    overlap = Overlap()
    run_steps(overlap, {1: 1.0, 2: 1.5, 4: 1.5}, 100)
    overlap.note(32, 1, 500.0)
    assert overlap.choose(32) == 1


@pytest.mark.parametrize("seconds", [(1.0, 1.05, 1.3), (1.2, 1.0, 1.05), (1.2, 1.05, 1.0), (1.0, 0.97, 1.1)])
def test_on_a_noisy_machine_little_is_lost_against_the_best_way(seconds: tuple[float, ...]) -> None:
    """Jitter of 10 %, pauses, and spells of up to 1.8 times the time, the same for every way."""
    losses = []
    for seed in range(20):
        rng, overlap, spent = random.Random(seed), Overlap(), 0.0
        noises: list[float] = []
        while len(noises) < 2000:
            spell = rng.choice([1.0, 1.0, 1.3, 1.8])
            noises += [spell * rng.lognormvariate(0, 0.1) for _ in range(rng.randint(50, 300))]
        noises = [noise * (8 if rng.random() < 0.005 else 1) for noise in noises]
        for noise in noises:
            way = overlap.choose(32)
            step_s = seconds[WAYS.index(way)] * noise
            overlap.note(32, way, step_s)
            spent += step_s
        losses.append(spent / (min(seconds) * sum(noises)))
    assert sum(losses) / len(losses) < 1.03
