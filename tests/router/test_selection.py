"""Replica choice: pure, so every rule is checked on any snapshot."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.router.selection import SAME_PACE, TRIAL_SHARE, Candidate, choose, expected

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        rows_in_flight=st.integers(0, 40),
        capacity_rows=st.integers(0, 40),
        slowness=st.floats(1e-3, 100),
        is_trusted=st.booleans(),
        is_due=st.booleans(),
    ),
    max_size=6,
)
ROWS, SEEDS = st.integers(1, 30), st.integers(0, 2**32)


def fits(candidate: Candidate, num_rows: int) -> bool:
    """An idle replica always does: rows beyond its capacity would otherwise wait for ever."""
    return candidate.rows_in_flight == 0 or candidate.rows_in_flight + num_rows <= candidate.capacity_rows


@given(CANDIDATES, ROWS, SEEDS)
def test_the_chosen_one_has_room_and_none_is_chosen_only_when_nobody_has(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    index = choose(candidates, num_rows, random.Random(seed))
    if index is None:
        assert not any(fits(candidate, num_rows) for candidate in candidates)
    else:
        assert fits(candidates[index], num_rows)


@given(CANDIDATES, ROWS, SEEDS)
def test_an_untrusted_one_is_chosen_only_for_its_trial_or_when_nobody_else_has_room(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    index = choose(candidates, num_rows, random.Random(seed))
    if index is not None and not candidates[index].is_trusted and not candidates[index].is_due:
        assert not any(fits(candidate, num_rows) and candidate.is_trusted for candidate in candidates)


def test_an_open_circuit_never_makes_an_expert_missing() -> None:
    suspended = Candidate(0, 10, 100.0, is_trusted=False)
    assert choose([suspended], 1, random.Random(0)) == 0
    full = Candidate(10, 10, 1.0)
    assert choose([full, suspended], 1, random.Random(0)) == 1


@pytest.mark.parametrize("is_trusted", [False, True], ids=["on trial", "slow and not measured lately"])
def test_who_is_due_gets_a_small_share_of_the_choices_and_no_more(is_trusted: bool) -> None:
    candidates = [Candidate(0, 100, 1.0), Candidate(0, 100, 50.0, is_trusted, is_due=True)]
    rng, num_choices = random.Random(3), 20_000
    share = [choose(candidates, 1, rng) for _ in range(num_choices)].count(1) / num_choices
    assert 0.8 * TRIAL_SHARE < share < 1.2 * TRIAL_SHARE


@given(st.integers(1, 100), st.integers(1, 100), ROWS, st.floats(1e-3, 100), SEEDS)
def test_of_two_equally_fast_the_idle_one_is_chosen(
    busy_rows: int, capacity: int, num_rows: int, slowness: float, seed: int
) -> None:
    idle, busy = Candidate(0, capacity, slowness), Candidate(busy_rows, 1000, slowness)
    assert choose([idle, busy], num_rows, random.Random(seed)) == 0
    assert choose([busy, idle], num_rows, random.Random(seed)) == 1


@given(CANDIDATES.filter(bool), ROWS, SEEDS)
def test_the_slowest_of_three_or_more_with_room_is_never_chosen_but_for_a_trial(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    trusted = [c for c in candidates if fits(c, num_rows) and c.is_trusted]
    times = sorted(expected(candidate, num_rows) for candidate in trusted)
    if len(times) > 1 and times[-1] > SAME_PACE * times[-2]:
        index = choose(candidates, num_rows, random.Random(seed))
        assert index is not None
        assert candidates[index].is_due or expected(candidates[index], num_rows) < times[-1]


@given(CANDIDATES, ROWS, SEEDS)
def test_the_same_snapshot_and_chance_give_the_same_choice(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    assert choose(candidates, num_rows, random.Random(seed)) == choose(candidates, num_rows, random.Random(seed))


@given(st.floats(1e-3, 50), st.floats(1.0, 1.2))
@settings(max_examples=20, deadline=None)
def test_two_of_about_the_same_pace_get_about_the_same_work(slowness: float, noise: float) -> None:
    candidates, rng = [Candidate(0, 10, slowness), Candidate(0, 10, slowness * noise)], random.Random(8)
    assert 800 < [choose(candidates, 1, rng) for _ in range(2000)].count(0) < 1200


@given(st.floats(1e-3, 5), st.floats(1.3, 20), SEEDS)
def test_of_two_idle_ones_the_clearly_slower_one_is_not_chosen(slowness: float, factor: float, seed: int) -> None:
    candidates = [Candidate(0, 10, slowness), Candidate(0, 10, slowness * factor)]
    assert choose(candidates, 1, random.Random(seed)) == 0


def test_all_but_the_slowest_get_their_turn() -> None:
    candidates = [Candidate(rows, 100, 1.0) for rows in (0, 1, 2, 3)]
    rng = random.Random(1)
    assert {choose(candidates, 1, rng) for _ in range(200)} == {0, 1, 2}


@given(st.integers(0, 50), ROWS, st.floats(1e-3, 100))
def test_more_rows_in_flight_never_make_a_replica_look_faster(rows: int, num_rows: int, slowness: float) -> None:
    assert expected(Candidate(rows, 100, slowness), num_rows) <= expected(Candidate(rows + 1, 100, slowness), num_rows)


def test_nobody_is_chosen_of_nobody() -> None:
    assert choose([], 1, random.Random(0)) is None
