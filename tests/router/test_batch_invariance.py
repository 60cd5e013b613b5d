"""A request's logprobs have the same bits alone and among 1 to 64 others, whatever arrives when and in what chunks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import Recorder, greedy_request, load
from moray.router.backbone import Backbone
from moray.router.scheduler import SchedulerLimits
from moray.router.selftest import find_variance
from moray.router.transport import LocalExperts
from moray.types import GeneratedToken
from oracle import VOCAB, save_checkpoint

NUM_TOKENS = 12


@pytest.fixture(scope="module")
def served_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backbone, LocalExperts]]:
    folder: Path = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, 2)
    yield load(folder)


def prompt_of(seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(VOCAB) for _ in range(rng.choice([1, 2, 7, 31, 32, 33, 70]))]


def alone(served_model: tuple[Backbone, LocalExperts], seed: int) -> list[GeneratedToken]:
    recorder = Recorder(*served_model)
    recorder.submit(greedy_request("alone", prompt_of(seed), NUM_TOKENS))
    asyncio.run(recorder.finish())
    return recorder.tokens("alone")


def test_the_self_test_finds_nothing_on_this_machine(served_model: tuple[Backbone, LocalExperts]) -> None:
    assert find_variance(served_model[0], 512) == []


@settings(max_examples=20, print_blob=False)
@given(
    others=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), min_size=0, max_size=64),
    arrival=st.integers(0, 10),
    max_step_tokens=st.sampled_from([64, 67, 96, 256]),
)
def test_a_request_has_the_same_bits_alone_and_in_company(
    served_model: tuple[Backbone, LocalExperts], others: list[tuple[int, int]], arrival: int, max_step_tokens: int
) -> None:
    """``others`` are (prompt seed, step of arrival); the request under test has prompt 0 and arrives at ``arrival``."""
    expected = alone(served_model, 0)
    recorder = Recorder(*served_model, SchedulerLimits(max_step_tokens=max_step_tokens))
    arrivals = [(step, f"other-{i}", seed) for i, (seed, step) in enumerate(others)] + [(arrival, "tested", 0)]

    async def run() -> None:
        step = 0
        while arrivals or recorder.engine.scheduler.has_work:
            for due in [a for a in arrivals if a[0] <= step]:
                arrivals.remove(due)
                recorder.submit(greedy_request(due[1], prompt_of(due[2]), NUM_TOKENS))
            await recorder.engine.step()
            step += 1

    asyncio.run(run())
    assert recorder.tokens("tested") == expected  # token ids and logprobs, floats compared exactly
    assert all(len(recorder.tokens(f"other-{i}")) == NUM_TOKENS for i in range(len(others)))
