"""Replica choice: pure, so every rule is checked on any snapshot."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from moray.router.selection import Candidate, choose, expected_s

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        rows_in_flight=st.integers(0, 40),
        capacity_rows=st.integers(0, 40),
        latency_s=st.floats(1e-6, 10),
        is_suspect=st.booleans(),
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
def test_a_suspect_is_chosen_only_when_nobody_else_has_room(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    index = choose(candidates, num_rows, random.Random(seed))
    if index is not None and candidates[index].is_suspect:
        assert not any(fits(candidate, num_rows) and not candidate.is_suspect for candidate in candidates)


@given(st.integers(1, 100), st.integers(1, 100), ROWS, st.floats(1e-6, 10), SEEDS)
def test_of_two_equally_fast_the_idle_one_is_chosen(
    busy_rows: int, capacity: int, num_rows: int, latency_s: float, seed: int
) -> None:
    idle = Candidate(0, capacity, latency_s, False)
    busy = Candidate(busy_rows, 1000, latency_s, False)
    assert choose([idle, busy], num_rows, random.Random(seed)) == 0
    assert choose([busy, idle], num_rows, random.Random(seed)) == 1


@given(CANDIDATES.filter(bool), ROWS, SEEDS)
def test_the_slowest_of_three_or_more_with_room_is_never_chosen(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    trusted = [c for c in candidates if fits(c, num_rows) and not c.is_suspect]
    times = sorted(expected_s(candidate, num_rows) for candidate in trusted)
    if len(times) > 1 and times[-1] > times[-2]:
        index = choose(candidates, num_rows, random.Random(seed))
        assert index is not None and expected_s(candidates[index], num_rows) < times[-1]


@given(CANDIDATES, ROWS, SEEDS)
def test_the_same_snapshot_and_chance_give_the_same_choice(
    candidates: list[Candidate], num_rows: int, seed: int
) -> None:
    assert choose(candidates, num_rows, random.Random(seed)) == choose(candidates, num_rows, random.Random(seed))


def test_all_but_the_slowest_get_their_turn() -> None:
    candidates = [Candidate(rows, 100, 0.001, False) for rows in (0, 1, 2, 3)]
    rng = random.Random(1)
    assert {choose(candidates, 1, rng) for _ in range(200)} == {0, 1, 2}


@given(st.integers(0, 50), ROWS, st.floats(1e-6, 10))
def test_more_rows_in_flight_never_make_a_replica_look_faster(rows: int, num_rows: int, latency_s: float) -> None:
    fewer, more = Candidate(rows, 100, latency_s, False), Candidate(rows + 1, 100, latency_s, False)
    assert expected_s(fewer, num_rows) <= expected_s(more, num_rows)


def test_nobody_is_chosen_of_nobody() -> None:
    assert choose([], 1, random.Random(0)) is None
