"""The engine when things go wrong: experts missing, numbers overflowing, clients leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from engines import CONTEXT, Recorder, greedy_request, load
from moray.errors import ContextTooLong, EngineStopped, ExpertUnavailable, MorayError
from moray.experts.compiled import Ids, Rows
from moray.router.backbone import Backbone
from moray.router.engine import Engine
from moray.router.engine_thread import EngineThread
from moray.router.scheduler import SchedulerLimits
from moray.router.transport import ExpertsMissing, LocalExperts
from oracle import save_checkpoint

NUM_TOKENS = 20


class Flickering:
    """Real experts, some of which are away for a while."""

    def __init__(self, experts: LocalExperts) -> None:
        self._experts = experts
        self.away: frozenset[int] = frozenset()
        self.is_broken = False

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        return self._dispatch(layer, hidden_states, expert_ids)

    async def _dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Rows:
        if self.is_broken:
            raise RuntimeError("a bug")
        wanted = [set(row) & self.away for row in expert_ids.tolist()]
        if any(wanted):
            rows = frozenset(row for row, experts in enumerate(wanted) if experts)
            raise ExpertsMissing(frozenset().union(*wanted), rows)
        return await self._experts.dispatch(layer, hidden_states, expert_ids)

    def missing(self) -> frozenset[int]:
        return self.away


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, LocalExperts]:
    folder: Path = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, 3, num_experts_per_tok=1)
    return load(folder)


def run_undisturbed(served: tuple[Backbone, LocalExperts], names: str) -> dict[str, list[int]]:
    recorder = Recorder(*served)
    for name in names:
        recorder.submit(greedy_request(name, [ord(name) % 90, 5], NUM_TOKENS))
    asyncio.run(recorder.finish())
    return {name: [token.token_id for token in recorder.tokens(name)] for name in names}


def test_requests_that_miss_an_expert_wait_and_the_others_go_on_with_the_same_tokens(
    served: tuple[Backbone, LocalExperts],
) -> None:
    names = "abcdefgh"
    expected = run_undisturbed(served, names)
    experts = Flickering(served[1])
    recorder = Recorder(served[0], experts)
    for name in names:
        recorder.submit(greedy_request(name, [ord(name) % 90, 5], NUM_TOKENS))

    async def run() -> list[int]:
        for _ in range(4):
            await recorder.engine.step()
        experts.away = frozenset({0, 2})
        for _ in range(3 * NUM_TOKENS):
            await recorder.engine.step()
        counts = [len(recorder.tokens(name)) for name in names]
        experts.away = frozenset()
        await recorder.finish()
        return counts

    counts = asyncio.run(run())
    assert min(counts) < NUM_TOKENS  # some had to wait
    assert {name: [token.token_id for token in recorder.tokens(name)] for name in names} == expected
    assert recorder.engine.scheduler.pages.num_available == recorder.engine.scheduler.pages.num_pages


def test_a_request_ends_with_a_typed_error_when_its_expert_stays_away(served: tuple[Backbone, LocalExperts]) -> None:
    experts = Flickering(served[1])
    experts.away = frozenset(range(len(served[1].weights)))
    now = [0.0]
    recorder = Recorder(served[0], experts, SchedulerLimits(expert_wait_s=5))
    recorder.engine.clock = lambda: now[0]
    recorder.submit(greedy_request("a", [1, 2], NUM_TOKENS))

    async def run() -> None:
        await recorder.engine.step()
        now[0] = 4.9
        assert not await recorder.engine.step()
        assert recorder.outcomes["a"] == []
        now[0] = 5.1
        await recorder.engine.step()

    asyncio.run(run())
    [error] = recorder.outcomes["a"]
    assert isinstance(error, ExpertUnavailable) and error.is_retryable and error.experts
    assert not recorder.engine.scheduler.has_work


def test_a_step_that_breaks_ends_its_requests_and_the_engine_goes_on(served: tuple[Backbone, LocalExperts]) -> None:
    expected = run_undisturbed(served, "a")["a"]
    experts = Flickering(served[1])
    recorder = Recorder(served[0], experts)
    experts.is_broken = True
    recorder.submit(greedy_request("broken", [1, 2], NUM_TOKENS))
    asyncio.run(recorder.engine.step())
    [error] = recorder.outcomes["broken"]
    assert isinstance(error, MorayError) and "a bug" not in str(error)
    experts.is_broken = False
    recorder.submit(greedy_request("a", [ord("a") % 90, 5], NUM_TOKENS))
    asyncio.run(recorder.finish())
    assert [token.token_id for token in recorder.tokens("a")] == expected


def test_numbers_that_overflow_end_only_their_own_request(served: tuple[Backbone, LocalExperts]) -> None:
    expected = run_undisturbed(served, "a")["a"]
    poison = 11
    embedding = served[0].embedding.copy()
    embedding[poison] = np.inf
    backbone = Backbone(served[0].architecture, embedding, served[0].layers, served[0].norm, served[0].head)
    recorder = Recorder(backbone, served[1])
    recorder.submit(greedy_request("poisoned", [poison, 5], NUM_TOKENS))
    recorder.submit(greedy_request("a", [ord("a") % 90, 5], NUM_TOKENS))
    asyncio.run(recorder.finish())
    assert isinstance(recorder.outcomes["poisoned"][0], MorayError)
    produced = [token.token_id for token in recorder.tokens("a")]
    assert poison not in expected and produced == expected


def test_what_cannot_fit_the_context_is_refused(served: tuple[Backbone, LocalExperts]) -> None:
    recorder = Recorder(*served)
    with pytest.raises(ContextTooLong, match=str(CONTEXT)):
        recorder.submit(greedy_request("a", [1] * 10, CONTEXT))


def test_an_engine_thread_streams_cancels_and_stops(served: tuple[Backbone, LocalExperts]) -> None:
    @asynccontextmanager
    async def open_engine() -> AsyncIterator[Engine]:
        yield Engine(*served, num_pages=64, context_length=CONTEXT)

    thread = EngineThread(open_engine)
    engine = thread.start()
    expected = run_undisturbed(served, "a")["a"]

    async def run() -> None:
        whole = [t async for t in thread.generate(greedy_request("a", [ord("a") % 90, 5], NUM_TOKENS))]
        assert [token.token_id for token in whole] == expected
        assert [token.finish_reason for token in whole] == [None] * (NUM_TOKENS - 1) + ["length"]
        left = thread.generate(greedy_request("left", [1], 400))
        assert (await anext(left)).finish_reason is None
        await left.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            while engine.scheduler.has_work:  # noqa: ASYNC110 - another thread's state, there is no event
                await asyncio.sleep(0.01)
        cut = thread.generate(greedy_request("cut", [1], 400))
        await anext(cut)
        thread.stop()
        with pytest.raises(EngineStopped):
            async for _ in cut:
                pass
        with pytest.raises(EngineStopped):
            await anext(thread.generate(greedy_request("late", [1], 4)))

    asyncio.run(run())
    assert not thread.is_alive
    assert engine.scheduler.pages.num_available == 64
