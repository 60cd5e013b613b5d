"""When pages run out: who gives way, that everybody finishes, and that nothing is said twice or lost."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from fake_engine import VOCAB, FakeEngine, answer, request
from moray.errors import ExpertUnavailable
from moray.router.kv_cache import KV_PAGE_SIZE
from moray.router.scheduler import SchedulerLimits
from moray.types import GenerationRequest

NOBODY_MISSING: frozenset[int] = frozenset()
EXPERT_AWAY = frozenset({0})


@dataclass(frozen=True, slots=True)
class Coming:
    step: int
    asked: GenerationRequest
    cancelled_at: int | None


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    head = draw(st.integers(0, VOCAB - 1))
    num_shared = draw(st.sampled_from([0, KV_PAGE_SIZE, 2 * KV_PAGE_SIZE, 70]))
    tail = draw(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=40))
    user, salt = draw(st.sampled_from("abc")), draw(st.sampled_from(["", "", "", "salt"]))
    return request([head] * num_shared + tail, draw(st.integers(1, 80)), user=user, salt=salt)


COMING = st.lists(
    st.builds(Coming, st.integers(0, 40), requests(), st.none() | st.integers(0, 80)), min_size=1, max_size=24
)


def play(engine: FakeEngine, coming: list[Coming], broken: set[int], unsound: set[int], away: range) -> set[int]:
    """Submit each at its step, spoil and starve the steps that are named. Returns who was cancelled, by place."""
    cancelled = set[int]()
    places = dict[int, int]()
    for step in range(100):
        for place, one in enumerate(coming):
            if one.step == step:
                places[place] = len(engine.asked)
                engine.submit(one.asked)
            if one.cancelled_at == step and place in places:
                engine.asked[places[place]].sequence.is_cancelled = True
                cancelled.add(places[place])
        missing = EXPERT_AWAY if step in away else NOBODY_MISSING
        engine.step(missing, is_broken=step in broken, is_unsound=step in unsound)
    return cancelled


@settings(max_examples=150)
@given(
    coming=COMING,
    spare_pages=st.integers(0, 6),
    max_running=st.integers(1, 8),
    spare_tokens=st.sampled_from([0, 1, 24, 100]),
    broken=st.sets(st.integers(0, 60), max_size=2),
    unsound=st.sets(st.integers(0, 60), max_size=2),
    away=st.tuples(st.integers(0, 60), st.integers(0, 30)),
    prefix_cache=st.booleans(),
)
def test_whatever_happens_all_finish_with_the_answer_they_have_alone_and_no_page_is_lost(
    coming: list[Coming],
    spare_pages: int,
    max_running: int,
    spare_tokens: int,
    broken: set[int],
    unsound: set[int],
    away: tuple[int, int],
    prefix_cache: bool,
) -> None:
    num_pages = max(FakeEngine(99).submit(one.asked).sequence.max_pages for one in coming) + spare_pages
    limits = SchedulerLimits(max_running, 64, max_running + spare_tokens, expert_wait_s=1000, prefix_cache=prefix_cache)
    engine = FakeEngine(num_pages, limits)
    cancelled = play(engine, coming, broken, unsound, range(away[0], sum(away)))
    num_tokens = sum(len(one.asked.prompt) + one.asked.sampling.max_tokens for one in coming)
    engine.finish(max_steps=len(coming) * num_tokens + 1)
    for place, asked in enumerate(engine.asked):
        expected = answer(asked.sequence.request)
        if asked.has_failed:
            assert broken or unsound
        elif place not in cancelled:
            assert len(asked.said) == len(expected)
        assert asked.said == expected[: len(asked.said)]
    assert engine.scheduler.pages.num_available == num_pages


def test_the_request_that_arrived_last_gives_way_and_goes_on_where_it_was() -> None:
    engine = FakeEngine(num_pages=5)
    asked = [engine.submit(request([place] * (KV_PAGE_SIZE - 2), 2 * KV_PAGE_SIZE)) for place in range(2)]
    while engine.scheduler.counters.num_preemptions == 0:
        assert engine.step() is not None
    first, last = (one.sequence for one in asked)
    assert engine.scheduler.running == [first] and list(engine.scheduler.waiting) == [last]
    said = list(asked[1].said)
    assert len(said) > KV_PAGE_SIZE and last.num_cached == 0
    engine.finish(max_steps=500)
    assert asked[1].said[: len(said)] == said
    assert [one.said for one in asked] == [answer(one.sequence.request) for one in asked]


def test_a_request_in_need_gives_way_itself_when_all_others_arrived_before_it() -> None:
    engine = FakeEngine(num_pages=5)
    first = engine.submit(request([0] * 90, 36))  # soon takes its fourth page
    second = engine.submit(request([1] * 2, 40))  # needs its second when the first one has four
    while engine.scheduler.counters.num_preemptions == 0:
        batch = engine.step()
    assert batch is not None and batch.sequences == (first.sequence,)
    assert len(first.sequence.pages) == 4 and list(engine.scheduler.waiting) == [second.sequence]
    engine.finish(max_steps=500)
    assert first.said == answer(first.sequence.request) and second.said == answer(second.sequence.request)


def test_who_was_preempted_is_let_in_before_who_has_not_run() -> None:
    engine = FakeEngine(num_pages=5)
    asked = [engine.submit(request([place] * (KV_PAGE_SIZE - 2), 2 * KV_PAGE_SIZE)) for place in range(2)]
    while engine.scheduler.counters.num_preemptions == 0:
        engine.step()
    late = engine.submit(request([2], 2))
    while not asked[0].is_finished:
        assert late.sequence not in engine.scheduler.running
        engine.step()
    while not asked[1].is_finished and late.sequence not in engine.scheduler.running:
        engine.step()
    assert asked[1].sequence in engine.scheduler.running
    engine.finish(max_steps=500)


def test_a_held_request_that_was_preempted_ends_when_its_clock_runs_out() -> None:
    engine = FakeEngine(num_pages=4, limits=SchedulerLimits(expert_wait_s=90))
    oldest = engine.submit(request([0], 3 * KV_PAGE_SIZE))
    oldest.sequence.arrival = 0  # even: it needs nobody
    held = engine.submit(request([1] * (KV_PAGE_SIZE + 1), KV_PAGE_SIZE))
    held.sequence.arrival = 1
    while not held.is_finished:
        engine.step(EXPERT_AWAY)
    assert engine.scheduler.counters.num_preemptions == 1
    assert isinstance(held.heard[-1], ExpertUnavailable)
    engine.finish(max_steps=500)
    assert oldest.said == answer(oldest.sequence.request)
