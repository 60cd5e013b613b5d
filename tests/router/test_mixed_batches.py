"""Every token's logits have the bits that they have when the request is alone: over mixes of 1 to 64 requests that come
at any time, begin alike, are read in chunks, lose their pages, and leave early."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import Recorder, load
from exact import same_bits
from moray.experts.compiled import Rows
from moray.router.backbone import Backbone
from moray.router.scheduler import SchedulerLimits
from moray.router.transport import LocalExperts
from moray.types import GeneratedToken, GenerationRequest, RequestId, SamplingParams
from oracle import VOCAB, save_checkpoint

NUM_TOKENS = 72  # at most, of one answer: it grows by more pages than are kept free for it
MAX_PAGES = 7  # of one request: 70 + 60 + 72 tokens
MAX_STEPS = 20_000


def random_tokens(seed: str, count: int) -> tuple[int, ...]:
    rng = random.Random(seed)
    return tuple(rng.randrange(VOCAB) for _ in range(count))


@dataclass(frozen=True, slots=True)
class Asked:
    """One of three beginnings, as far as ``num_shared`` goes, and an end of its own."""

    head: int
    num_shared: int
    tail: int
    num_tail: int
    num_tokens: int
    is_greedy: bool
    user: str
    salt: str
    arrives_at: int  # step
    leaves_at: int | None

    @property
    def prompt(self) -> tuple[int, ...]:
        return random_tokens(f"head {self.head}", self.num_shared) + random_tokens(f"tail {self.tail}", self.num_tail)

    def request(self, name: str, num_tokens: int) -> GenerationRequest:
        temperature = 0.0 if self.is_greedy else 1.0
        sampling = SamplingParams(num_tokens, temperature, seed=self.tail, num_logprobs=2)
        return GenerationRequest(RequestId(name), self.prompt, sampling, self.user, self.salt)


@dataclass(frozen=True, slots=True)
class Mix:
    asked: list[Asked]
    num_pages: int
    max_running: int
    max_step_tokens: int


ASKED = st.builds(
    Asked,
    head=st.integers(0, 2),
    num_shared=st.sampled_from([0, 32, 64, 70]),
    tail=st.integers(0, 3),
    num_tail=st.sampled_from([1, 2, 33, 60]),
    num_tokens=st.sampled_from([1, 3, 12, NUM_TOKENS]),
    is_greedy=st.booleans(),
    user=st.sampled_from("abc"),
    salt=st.sampled_from(["", "", "mine"]),
    arrives_at=st.integers(0, 60),
    leaves_at=st.one_of(st.none(), st.none(), st.none(), st.integers(1, 80)),
)


@st.composite
def mixes(draw: st.DrawFn) -> Mix:
    count = draw(st.one_of(st.integers(1, 64), st.just(64)))
    max_running = draw(st.sampled_from([3, 16, 64]))
    return Mix(
        draw(st.lists(ASKED, min_size=count, max_size=count)),
        num_pages=draw(st.sampled_from([MAX_PAGES, MAX_PAGES + 2, 16, 60])),
        max_running=max_running,
        max_step_tokens=max_running + draw(st.sampled_from([0, 7, 50, 190])),
    )


class Alone:
    """What each request says by itself: a fresh engine, room for all of it, its prompt read in one step."""

    def __init__(self, backbone: Backbone, experts: LocalExperts) -> None:
        self._served = backbone, experts
        self._known: dict[tuple[tuple[int, ...], bool, int], tuple[list[GeneratedToken], list[Rows]]] = {}

    def __call__(self, asked: Asked) -> tuple[list[GeneratedToken], list[Rows]]:
        """Tokens and logits [V] of the longest answer; a shorter one is its beginning."""
        key = asked.prompt, asked.is_greedy, asked.tail
        if key not in self._known:
            recorder = Recorder(*self._served)
            recorder.submit(asked.request("alone", NUM_TOKENS))
            asyncio.run(recorder.finish())
            assert recorder.engine.num_reading_steps == 0
            self._known[key] = recorder.tokens("alone"), recorder.logits("alone")
        return self._known[key]


Served = tuple[Backbone, LocalExperts, Alone]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, 2)
    backbone, experts = load(folder)
    yield backbone, experts, Alone(backbone, experts)


def play(served: Served, mix: Mix) -> Recorder:
    """Everybody comes and leaves when they should, and the engine works until nobody is left."""
    backbone, experts, _ = served
    limits = SchedulerLimits(max_running=mix.max_running, max_step_tokens=mix.max_step_tokens)
    recorder = Recorder(backbone, experts, limits, mix.num_pages)

    async def run() -> None:
        sequences = {}
        for step in range(MAX_STEPS):
            for index, asked in enumerate(mix.asked):
                if asked.arrives_at == step:
                    sequences[index] = recorder.submit(asked.request(str(index), asked.num_tokens))
                if asked.leaves_at == step and index in sequences:
                    recorder.engine.cancel(sequences[index])
            await recorder.engine.step()
            if len(sequences) == len(mix.asked) and not recorder.engine.scheduler.has_work:
                return
        raise AssertionError("requests do not come to an end")

    asyncio.run(run())
    return recorder


def check(served: Served, mix: Mix) -> Counter[str]:
    """Play and compare. Returns how often what is to be tested happened."""
    recorder, alone = play(served, mix), served[2]
    num_compared = 0
    for index, asked in enumerate(mix.asked):
        tokens, rows = recorder.tokens(str(index)), recorder.logits(str(index))
        expected_tokens, expected_rows = alone(asked)
        if asked.leaves_at is None:
            assert len(tokens) == asked.num_tokens and tokens[-1].finish_reason == "length"
        assert len(rows) == len(tokens)  # nothing was sampled twice
        for token, expected in zip(tokens, expected_tokens, strict=False):
            assert (token.token_id, token.logprob) == (expected.token_id, expected.logprob)
            assert token.top_logprobs == expected.top_logprobs
        assert all(same_bits(row, expected) for row, expected in zip(rows, expected_rows, strict=False))
        num_compared += len(rows)
    scheduler = recorder.engine.scheduler
    assert scheduler.pages.num_available == mix.num_pages
    return Counter(
        preemptions=scheduler.counters.num_preemptions,
        prefix_tokens=scheduler.counters.num_prefix_tokens,
        reading_steps=recorder.engine.num_reading_steps,
        rows=num_compared,
    )


def test_one_mix_has_all_that_is_to_be_tested(served: Served) -> None:
    asked = [
        Asked(
            head=index % 2,
            num_shared=70,
            tail=index,
            num_tail=2 + index,
            num_tokens=NUM_TOKENS,
            is_greedy=index % 3 > 0,
            user="abc"[index % 3],
            salt="",
            arrives_at=3 * index,
            leaves_at=None,
        )
        for index in range(12)
    ]
    happened = check(served, Mix(asked, num_pages=10, max_running=8, max_step_tokens=24))
    assert happened["preemptions"] > 0
    assert happened["prefix_tokens"] > 0
    assert happened["reading_steps"] > 0
    assert happened["rows"] == 12 * NUM_TOKENS


def check_many(served: Served, num_mixes: int) -> Counter[str]:
    happened = Counter[str]()

    @settings(max_examples=num_mixes, print_blob=False)
    @given(mixes())
    def check_one(mix: Mix) -> None:
        happened.update(check(served, mix))

    check_one()
    return happened


def test_logits_have_the_same_bits_alone_and_in_any_mix(served: Served) -> None:
    happened = check_many(served, 20)
    assert min(happened["preemptions"], happened["prefix_tokens"], happened["reading_steps"]) > 0


@pytest.mark.long
def test_logits_have_the_same_bits_alone_and_in_very_many_mixes(served: Served) -> None:
    happened = check_many(served, 500)
    assert min(happened["preemptions"], happened["prefix_tokens"], happened["reading_steps"]) > 0
