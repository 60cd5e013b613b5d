"""Scheduling: who runs, who waits, who is turned away, and that no page is ever lost."""

from __future__ import annotations

import pytest

from moray.errors import ContextTooLong, ExpertUnavailable, MorayError, Overloaded
from moray.router.kv_cache import KV_PAGE_SIZE, PagePool
from moray.router.scheduler import Scheduler, SchedulerLimits
from moray.router.sequence import Sequence
from moray.types import GeneratedToken, GenerationRequest, RequestId, SamplingParams

NOBODY_MISSING: frozenset[int] = frozenset()


def sequence(num_prompt: int, max_tokens: int = 4) -> tuple[Sequence, list[GeneratedToken | MorayError]]:
    heard: list[GeneratedToken | MorayError] = []
    request = GenerationRequest(RequestId("r"), tuple(range(num_prompt)), SamplingParams(max_tokens=max_tokens))
    return Sequence(request, heard.append), heard


def test_a_request_that_can_never_fit_is_refused_at_once() -> None:
    scheduler = Scheduler(PagePool(2), SchedulerLimits())
    too_long, _ = sequence(3 * KV_PAGE_SIZE)
    with pytest.raises(ContextTooLong):
        scheduler.add(too_long)
    assert not scheduler.has_work


def test_a_full_queue_refuses_more() -> None:
    scheduler = Scheduler(PagePool(8), SchedulerLimits(max_waiting=2))
    for _ in range(2):
        scheduler.add(sequence(1)[0])
    with pytest.raises(Overloaded):
        scheduler.add(sequence(1)[0])


def test_a_request_waits_until_pages_are_free() -> None:
    scheduler = Scheduler(PagePool(1), SchedulerLimits())
    first, second = sequence(2)[0], sequence(3)[0]
    scheduler.add(first)
    scheduler.add(second)
    assert scheduler.schedule(0.0, NOBODY_MISSING) is not None
    assert scheduler.running == [first]
    scheduler.remove(first)
    scheduler.schedule(0.0, NOBODY_MISSING)
    assert scheduler.running == [second]


def test_a_cancelled_request_gives_its_pages_back() -> None:
    scheduler = Scheduler(PagePool(4), SchedulerLimits())
    cancelled, _ = sequence(2 * KV_PAGE_SIZE)
    scheduler.add(cancelled)
    scheduler.schedule(0.0, NOBODY_MISSING)
    assert scheduler.pages.num_available < 4
    cancelled.is_cancelled = True
    assert scheduler.schedule(0.0, NOBODY_MISSING) is None
    assert scheduler.pages.num_available == 4
    assert not scheduler.has_work


def test_a_held_request_moves_again_when_its_expert_is_back_and_others_move_meanwhile() -> None:
    scheduler = Scheduler(PagePool(8), SchedulerLimits(expert_wait_s=10))
    held, other = sequence(2)[0], sequence(2)[0]
    scheduler.add(held)
    scheduler.add(other)
    scheduler.schedule(0.0, NOBODY_MISSING)
    scheduler.hold([held], frozenset({3}), now=0.0)
    batch = scheduler.schedule(1.0, frozenset({3}))
    assert batch is not None and batch.sequences == (other,)
    batch = scheduler.schedule(2.0, NOBODY_MISSING)
    assert batch is not None and held in batch.sequences


def test_a_held_request_fails_with_a_typed_error_when_its_clock_runs_out() -> None:
    scheduler = Scheduler(PagePool(8), SchedulerLimits(expert_wait_s=10))
    held, heard = sequence(2)
    scheduler.add(held)
    scheduler.schedule(0.0, NOBODY_MISSING)
    scheduler.hold([held], frozenset({3}), now=0.0)
    scheduler.hold([held], frozenset({3}), now=9.0)  # failing again does not restart the clock
    assert scheduler.schedule(9.9, frozenset({3})) is None
    assert heard == []
    assert scheduler.schedule(10.0, frozenset({3})) is None
    assert isinstance(heard[0], ExpertUnavailable) and heard[0].experts == {3}
    assert scheduler.pages.num_available == 8


def test_rows_of_a_batch_are_traced_to_their_requests() -> None:
    scheduler = Scheduler(PagePool(8), SchedulerLimits())
    first, second, third = (sequence(count)[0] for count in (3, 1, 2))
    for one in (first, second, third):
        scheduler.add(one)
    batch = scheduler.schedule(0.0, NOBODY_MISSING)
    assert batch is not None
    assert batch.owners(frozenset({0, 2})) == [first]
    assert batch.owners(frozenset({3, 5})) == [second, third]
