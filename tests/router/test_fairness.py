"""No user starves another: shares of a step, places, the queue, and when to come again."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_engine import FakeEngine, request
from moray.errors import Overloaded, UserQueueFull
from moray.router.fairness import fill_evenly, mean_service_s, next_in_line, retry_after_s, share_tokens
from moray.router.scheduler import SchedulerLimits
from moray.router.users import user_of

READING = st.lists(st.tuples(st.integers(1, 300), st.sampled_from("abcd")), max_size=64)


@given(wants=st.lists(st.integers(0, 300), max_size=20), budget=st.integers(0, 2000))
def test_nobody_gets_more_while_another_wants_more_and_has_less(wants: list[int], budget: int) -> None:
    shares = fill_evenly(wants, budget)
    assert all(0 <= share <= want for share, want in zip(shares, wants, strict=True))
    assert sum(shares) == min(budget, sum(wants))
    hungry = [index for index, want in enumerate(wants) if shares[index] < want]
    for index in hungry:
        assert all(share <= shares[index] + 1 for share in shares)
        assert all(shares[index] >= shares[later] for later in hungry if later > index)


@given(reading=READING, extra=st.integers(0, 400))
def test_every_decoding_request_moves_and_users_share_evenly_what_is_left(
    reading: list[tuple[int, str]], extra: int
) -> None:
    remaining, users = [count for count, _ in reading], [user for _, user in reading]
    budget = len(reading) + extra
    shares = share_tokens(remaining, users, budget)
    assert sum(shares) == min(budget, sum(remaining))
    assert all(0 <= share <= count for share, count in zip(shares, remaining, strict=True))
    assert all(share == 1 for share, count in zip(shares, remaining, strict=True) if count == 1)
    is_prompt = [count > 1 for count in remaining]
    prompts = {user: [i for i, one in enumerate(users) if one == user and is_prompt[i]] for user in users}
    read = {user: sum(shares[i] for i in places) for user, places in prompts.items()}
    for user, places in prompts.items():
        unfinished = [i for i in places if shares[i] < remaining[i]]
        assert all(shares[i] == 0 for i in unfinished[1:])  # a user's earlier prompts come first
        if unfinished:
            assert max(read.values()) <= read[user] + 1


@dataclass(frozen=True, slots=True)
class Waiting:
    user: str
    arrival: int


@given(
    users=st.lists(st.sampled_from("abcd"), min_size=1),
    running=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9)),
)
def test_the_user_with_the_fewest_running_requests_is_next(users: list[str], running: dict[str, int]) -> None:
    waiting = [Waiting(user, arrival) for arrival, user in enumerate(users)]
    first = next_in_line(waiting, running)
    assert first is not None
    for other in waiting:
        assert running.get(first.user, 0) <= running.get(other.user, 0)
        if running.get(first.user, 0) == running.get(other.user, 0):
            assert first.arrival <= other.arrival


def test_nobody_is_next_in_an_empty_line() -> None:
    assert next_in_line([], {"a": 1}) is None


@given(mean=st.none() | st.integers(0, 10_000), num_waiting=st.integers(0, 5000), max_running=st.integers(1, 200))
def test_come_again_when_those_ahead_have_had_their_turn(mean: int | None, num_waiting: int, max_running: int) -> None:
    wait = retry_after_s(mean, num_waiting, max_running)
    expected = Fraction((mean or 0) * (num_waiting + 1), max_running)
    assert isinstance(wait, int) and 1 <= wait <= 60
    assert wait >= min(expected, Fraction(60)) and (wait == 1 or wait - 1 < expected)


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_the_mean_service_time_stays_between_shortest_and_longest(times: list[float]) -> None:
    mean = None
    for latest in times:
        mean = mean_service_s(mean, latest)
    assert mean is not None and min(times) - 1e-9 <= mean <= max(times) + 1e-9


def test_a_long_prompt_does_not_starve_another_users_short_one() -> None:
    engine = FakeEngine(400, SchedulerLimits(max_running=4, max_step_tokens=64))
    engine.submit(request([0] * 5000, user="long"))
    engine.step()
    short = engine.submit(request([1] * 90, 1, user="short"))
    for _ in range(3):  # half of each step is its own
        assert not short.is_finished
        engine.step()
    assert short.is_finished


def test_a_user_with_many_requests_lets_another_one_in_between() -> None:
    engine = FakeEngine(100, SchedulerLimits(max_running=2))
    many = [engine.submit(request([0, place], 3, user="many")) for place in range(6)]
    engine.step()
    other = engine.submit(request([1], 3, user="other"))
    while not other.is_finished:
        engine.step()
    assert sum(one.is_finished for one in many) < 5
    assert [one.is_finished for one in many] == sorted((one.is_finished for one in many), reverse=True)


def test_one_user_fills_only_a_part_of_the_queue() -> None:
    engine = FakeEngine(8, SchedulerLimits(max_waiting=3, max_waiting_per_user=2))
    for _ in range(2):
        engine.submit(request([1], user="a"))
    with pytest.raises(UserQueueFull) as refused:
        engine.submit(request([1], user="a"))
    assert refused.value.is_retryable and refused.value.code == "user_queue_full"
    engine.submit(request([1], user="b"))
    with pytest.raises(Overloaded) as refused_all:
        engine.submit(request([1], user="b"))
    assert refused_all.value.code == "overloaded"


def test_who_is_refused_hears_how_long_requests_take_here() -> None:
    """The fake engine's clock goes one second a step."""
    engine = FakeEngine(8, SchedulerLimits(max_running=1, max_waiting=3))
    engine.submit(request([1], 12))
    engine.finish(max_steps=100)
    assert engine.scheduler.mean_service_s == 11  # from the start of the first step to that of the last
    for _ in range(3):
        engine.submit(request([1]))
    with pytest.raises(Overloaded) as refused:
        engine.submit(request([1]))
    assert refused.value.retry_after_s == 44


def test_who_leaves_counts_for_the_time_it_had_a_place() -> None:
    engine = FakeEngine(8)
    leaving = engine.submit(request([1], 100))
    for _ in range(5):
        engine.step()
    leaving.sequence.is_cancelled = True
    engine.step()
    assert engine.scheduler.mean_service_s == 5


@given(
    one=st.tuples(st.none() | st.text(), st.none() | st.text(), st.none() | st.text()),
    other=st.tuples(st.none() | st.text(), st.none() | st.text(), st.none() | st.text()),
)
def test_users_are_told_apart_by_token_or_address_and_field(
    one: tuple[str | None, str | None, str | None], other: tuple[str | None, str | None, str | None]
) -> None:
    def client(token: str | None, address: str | None, user: str | None) -> tuple[object, ...]:
        return ("token", token.strip(), user) if token and token.strip() else ("address", address, user)

    names = [user_of(None if who[0] is None else f"Bearer {who[0]}", who[1], who[2]) for who in (one, other)]
    assert (names[0] == names[1]) == (client(*one) == client(*other))


def test_a_users_name_does_not_tell_the_token() -> None:
    name = user_of("bearer s3cret", "10.0.0.1", "alice")
    assert name == user_of("Bearer s3cret", "10.0.0.2", "alice")
    assert not any(part in name for part in ("s3cret", "alice", "10.0"))
    assert user_of("Basic s3cret", "10.0.0.1", None) == user_of(None, "10.0.0.1", None)
