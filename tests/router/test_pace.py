"""How fast a replica is, beside all others and whatever it was asked: streaming estimates against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.router.pace import MAX_SLOWNESS, QUANTILE, STALE_AFTER_S, UNKNOWN_S, Pace, UsualLatency, quantile_step

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("share", [0.5, 0.9, QUANTILE])
@given(SEEDS, st.floats(1e-5, 1.0), st.floats(0.05, 1.5))
@settings(max_examples=20, deadline=None)
def test_a_streaming_quantile_has_its_share_of_later_samples_below_it(
    share: float, seed: int, scale: float, spread: float
) -> None:
    samples = scale * np.random.default_rng(seed).lognormal(0.0, spread, 9000)
    (up, down), estimate = quantile_step(share), scale
    below = list[bool]()
    for index, sample in enumerate(samples.tolist()):
        if index >= 3000:
            below.append(sample < estimate)
        estimate *= up if sample > estimate else down
    assert abs(sum(below) / len(below) - share) < 0.03


@given(st.integers(1, 5000), st.floats(1e-6, 10))
def test_what_nobody_has_answered_yet_is_unknown_and_the_first_answer_is_usual(num_rows: int, latency_s: float) -> None:
    usual = UsualLatency()
    assert usual.of(num_rows) == UNKNOWN_S
    assert usual.note(num_rows, latency_s) == latency_s
    assert usual.of(num_rows) == latency_s


def feed(paces: list[Pace], seconds_per_row: list[float], sizes: list[int], now: float = 0.0) -> None:
    """Each answers each size once, a hundredth of a second apart."""
    for num_rows in sizes:
        now += 0.01
        for pace, each_s in zip(paces, seconds_per_row, strict=True):
            pace.note(num_rows, 1e-4 + each_s * num_rows, now)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_one_that_was_asked_for_more_rows_is_not_slower(seed: int) -> None:
    """A latency per dispatch would make it look tens of times slower."""
    usual, rng = UsualLatency(), random.Random(seed)
    short, long = Pace(usual, 0.0), Pace(usual, 0.0)
    for turn in range(400):
        short.note(1, 2e-4 * rng.uniform(0.9, 1.1), turn / 100)
        long.note(rng.choice([64, 100]), 1e-2 * rng.uniform(0.9, 1.1), turn / 100)
    assert max(short.slowness, long.slowness) < 1.5 * min(short.slowness, long.slowness)


@given(SEEDS, st.floats(2.0, 20.0))
@settings(max_examples=20, deadline=None)
def test_of_two_the_slower_one_is_slower_by_about_as_much(seed: int, factor: float) -> None:
    usual, rng = UsualLatency(), random.Random(seed)
    quick, slow = Pace(usual, 0.0), Pace(usual, 0.0)
    sizes = [rng.choice([1, 2, 60]) for _ in range(600)]
    for turn, num_rows in enumerate(sizes):
        each_s = 1e-4 * num_rows
        quick.note(num_rows, each_s, turn / 100)
        slow.note(num_rows, each_s * factor, turn / 100)
    assert slow.slowness / quick.slowness == pytest.approx(factor, rel=0.25)
    assert slow.late > quick.late


def test_one_that_was_not_measured_for_a_while_is_believed_sooner() -> None:
    usual = UsualLatency()
    busy, idle = Pace(usual, 0.0), Pace(usual, 0.0)
    for pace in (busy, idle):
        feed([pace], [1e-4], [1] * 50)
    slow_s = 10 * usual.of(1)
    busy.note(1, slow_s, 0.51)
    idle.note(1, slow_s, 0.51 + 2 * STALE_AFTER_S)
    assert 1.1 < busy.slowness < 2 < idle.slowness


def test_one_stall_does_not_make_it_slow_for_ever() -> None:
    usual = UsualLatency()
    pace = Pace(usual, 0.0)
    feed([pace], [1e-4], [1] * 50)
    pace.note(1, 3600.0, 0.6)
    assert pace.slowness <= MAX_SLOWNESS**0.5
    for trial in range(10):
        pace.note(1, usual.of(1), 1.0 + trial)
    assert pace.slowness < 1.5
