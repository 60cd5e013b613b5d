"""The circuit of an uplink: who gets no work, for how long, and how it comes back. The clock is a number."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.router.health import FIRST_OPEN_S, JITTER, MAX_FAILURES, MAX_OPEN_S, STEADY_S, Circuit, Health
from moray.router.listener import CLOSE_AFTER_S, PING_PERIOD_S, SILENT_AFTER_S, is_silent

NEW = Health(since=0.0)
SEEDS = st.integers(0, 2**32)


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


def opened(at: float = 0.0) -> Health:
    return NEW.timed_out("no answer", at, rng())


# -- opening


def test_failures_in_a_row_open_it_and_the_reason_says_so() -> None:
    health = NEW
    for _ in range(MAX_FAILURES - 1):
        health = health.failed("broken", 1.0, rng())
        assert health.circuit is Circuit.CLOSED
    health = health.failed("broken", 2.0, rng())
    assert health.circuit is Circuit.OPEN and health.since == 2.0
    assert health.reason == f"{MAX_FAILURES} failures in a row, the last: broken"


def test_failures_with_answers_in_between_do_not_open_it() -> None:
    health = NEW
    for _ in range(10 * MAX_FAILURES):
        health = health.failed("broken", 1.0, rng()).answered(1.0)
    assert health == NEW


def test_one_timeout_and_one_silence_open_it_at_once() -> None:
    assert opened().circuit is Circuit.OPEN and opened().reason == "no answer"
    silent = NEW.silent("no pong", 3.0, rng())
    assert (silent.circuit, silent.reason, silent.since) == (Circuit.OPEN, "no pong", 3.0)


def test_an_answer_to_a_healthy_one_changes_nothing() -> None:
    assert NEW.answered(9.0) is NEW and NEW.answered_late(9.0) is NEW


# -- coming back


def test_it_becomes_half_open_when_its_time_is_over_and_not_before() -> None:
    health = opened()
    assert health.at(health.retry_at - 1e-6).circuit is Circuit.OPEN
    assert health.at(health.retry_at).circuit is Circuit.HALF_OPEN
    assert health.at(health.retry_at + 5).since == health.retry_at
    assert health.at(health.retry_at).reason == "no answer"


def test_an_answer_in_time_closes_it_from_anywhere() -> None:
    for health in (opened(), opened().at(1e9)):
        closed = health.answered(7.0)
        assert (closed.circuit, closed.since, closed.reason) == (Circuit.CLOSED, 7.0, "")
        assert closed.failed("again", 8.0, rng()).circuit is Circuit.CLOSED  # it counts anew


def test_an_answer_that_comes_too_late_only_earns_a_trial() -> None:
    trial = opened().answered_late(0.5)
    assert trial.circuit is Circuit.HALF_OPEN and trial.since == 0.5
    assert trial.answered(0.6).circuit is Circuit.CLOSED


@pytest.mark.parametrize("how", ["failed", "timed_out", "silent"])
def test_a_failed_trial_opens_it_for_longer(how: str) -> None:
    trial = opened().at(1e9)
    again = getattr(trial, how)("again", 1e9, rng())
    assert again.circuit is Circuit.OPEN and again.since == 1e9
    assert again.num_openings == 2 and again.retry_at - 1e9 >= 2 * FIRST_OPEN_S * (1 - JITTER)


def test_what_an_open_one_owed_before_does_not_prolong_its_time() -> None:
    health = opened()
    assert health.timed_out("another", 0.1, rng(1)) is health
    assert health.failed("another", 0.1, rng(1)) is health


def test_a_silent_one_is_not_tried_while_it_is_silent() -> None:
    health = opened()
    for tenth in range(300):
        health = health.silent("no pong", tenth / 10, rng())
        assert health.at(tenth / 10 + 0.1).circuit is Circuit.OPEN
    assert health.since == 0.0 and health.num_openings == 1
    assert health.at(30.0 + MAX_OPEN_S).circuit is Circuit.HALF_OPEN


@given(SEEDS)
def test_open_times_double_up_to_a_limit_with_jitter_on_either_side(seed: int) -> None:
    now, chance, health = 0.0, rng(seed), NEW
    for opening in range(12):
        health = health.timed_out("no answer", now, chance)
        wanted = min(FIRST_OPEN_S * 2**opening, MAX_OPEN_S)
        assert wanted * (1 - JITTER) <= health.retry_at - now <= wanted * (1 + JITTER)
        now = health.retry_at


def test_two_routers_do_not_try_at_the_same_moment() -> None:
    assert len({NEW.timed_out("no answer", 0.0, rng(seed)).retry_at for seed in range(20)}) == 20


def test_one_that_flaps_keeps_its_back_off_and_one_that_was_steady_begins_anew() -> None:
    flapping = opened().answered(1.0).timed_out("again", 2.0, rng())
    assert flapping.num_openings == 2
    steady = opened().answered(1.0).timed_out("again", 1.0 + STEADY_S, rng())
    assert steady.num_openings == 1


EVENTS = st.lists(
    st.tuples(st.floats(0, 40), st.sampled_from(["answered", "answered_late", "failed", "timed_out", "silent"])),
    max_size=40,
)


@given(EVENTS, SEEDS)
def test_whatever_happens_it_is_told_why_and_is_tried_again_in_bounded_time(
    events: list[tuple[float, str]], seed: int
) -> None:
    now, chance, health = 0.0, rng(seed), NEW
    for wait_s, event in events:
        now += wait_s
        before = health.at(now)
        health = getattr(health, event)(now) if "answered" in event else getattr(health, event)("why", now, chance)
        assert (health.circuit is Circuit.CLOSED) == (health.reason == "")
        assert health.circuit is Circuit.CLOSED or health.num_failures > 0
        assert health.at(now + MAX_OPEN_S * (1 + JITTER)).circuit is not Circuit.OPEN
        if before.circuit is Circuit.CLOSED and event.startswith("answered"):
            assert health.circuit is Circuit.CLOSED
        if event == "answered":
            assert health.circuit is Circuit.CLOSED


# -- detection


@given(st.floats(0, PING_PERIOD_S), st.lists(st.floats(0, 0.1), min_size=20, max_size=20), SEEDS)
def test_a_frozen_peer_gets_no_work_within_three_seconds(froze_at: float, late_s: list[float], seed: int) -> None:
    """The watch of the listener with a clock of its own, each of whose turns comes late."""
    now, health, heard_at = 0.0, NEW, 0.0
    for late in late_s:
        asked_at = now
        if asked_at <= froze_at:
            heard_at = asked_at  # it answers at once, as long as it does
        now += PING_PERIOD_S + late
        if is_silent(heard_at, asked_at):
            health = health.silent("no pong", now, rng(seed))
            break
    assert health.circuit is Circuit.OPEN and health.since - froze_at < 3.0


@given(st.lists(st.floats(0, 0.4), min_size=40, max_size=40))
def test_a_peer_that_answers_its_pings_within_a_period_is_never_silent(late_s: list[float]) -> None:
    now = heard_at = 0.0
    for late in late_s:
        asked_at, now = now, now + PING_PERIOD_S
        heard_at = asked_at + late
        assert not is_silent(heard_at, asked_at)


def test_a_silent_peer_is_suspended_long_before_it_is_closed() -> None:
    assert 2 * PING_PERIOD_S < SILENT_AFTER_S < CLOSE_AFTER_S / 4
