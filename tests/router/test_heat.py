"""The meter of experts' heat against sums written out."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.router.heat import FOLD_S, HeatMeter

NUM_EXPERTS, HALF_LIFE_S = 5, 60.0
ROUNDS = st.lists(  # seconds since the last, ids [T, 2]
    st.tuples(
        st.floats(0, 200), st.lists(st.lists(st.integers(0, NUM_EXPERTS - 1), min_size=2, max_size=2), max_size=4)
    ),
    max_size=12,
)


def as_ids(rows: list[list[int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(rows, np.int64).reshape(-1, 2)


@given(ROUNDS, st.floats(1, 500))
def test_the_rate_is_that_of_decayed_rows_written_out(rounds: list[tuple[float, list[list[int]]]], rest: float) -> None:
    meter, now_s, events = HeatMeter(NUM_EXPERTS, 0.0, HALF_LIFE_S), 0.0, list[tuple[float, int]]()
    for pause_s, rows in rounds:
        now_s += pause_s
        meter.note(as_ids(rows), now_s)
        events += [(now_s, expert) for row in rows for expert in row]
    end_s = now_s + rest
    mean_life_s = HALF_LIFE_S / math.log(2)
    one_row_per_second = mean_life_s * (1 - 0.5 ** (end_s / HALF_LIFE_S))
    for expert, rate in enumerate(meter.snapshot(end_s).tolist()):
        exact = sum(0.5 ** ((end_s - at_s) / HALF_LIFE_S) for at_s, e in events if e == expert) / one_row_per_second
        assert exact * 0.5 ** (FOLD_S / HALF_LIFE_S) - 1e-9 <= rate <= exact + 1e-9


def test_a_steady_stream_shows_its_rate_after_a_second_and_after_an_hour() -> None:
    meter, rows = HeatMeter(NUM_EXPERTS, 1000.0, HALF_LIFE_S), as_ids([[0, 3], [1, 3]])
    for tick in range(1, 36_001):
        meter.note(rows, 1000.0 + tick / 10)
        if tick in (10, 36_000):
            assert meter.snapshot(1000.0 + tick / 10) == pytest.approx([10, 10, 0, 20, 0], rel=0.01)


def test_after_a_half_life_of_silence_half_is_left_once_the_start_is_forgotten() -> None:
    meter = HeatMeter(NUM_EXPERTS, 0.0, HALF_LIFE_S)
    for second in range(3000):
        meter.note(as_ids([[2, 4]]), float(second))
    before, after = meter.snapshot(3000.0), meter.snapshot(3000.0 + HALF_LIFE_S)
    assert after == pytest.approx(before / 2)


def test_before_any_time_has_passed_nothing_is_hot_and_nothing_is_lost() -> None:
    meter = HeatMeter(NUM_EXPERTS, 5.0, HALF_LIFE_S)
    meter.note(as_ids([[1, 1]]), 5.0)
    assert meter.snapshot(5.0).tolist() == [0] * NUM_EXPERTS
    assert meter.snapshot(6.0)[1] == pytest.approx(2.0, rel=0.01)


def test_a_clock_that_steps_back_neither_heats_nor_fails() -> None:
    meter = HeatMeter(NUM_EXPERTS, 0.0, HALF_LIFE_S)
    meter.note(as_ids([[0, 1]]), 50.0)
    hottest = meter.snapshot(50.0)
    assert meter.snapshot(20.0) == pytest.approx(hottest)


def test_a_snapshot_is_not_changed_by_what_comes_later() -> None:
    meter = HeatMeter(NUM_EXPERTS, 0.0, HALF_LIFE_S)
    meter.note(as_ids([[0, 1]]), 1.0)
    taken = meter.snapshot(2.0)
    kept = taken.tolist()
    meter.note(as_ids([[0, 1]] * 9), 3.0)
    assert meter.snapshot(4.0)[0] > kept[0]
    assert taken.tolist() == kept


def test_rows_noted_in_one_thread_while_another_reads_are_all_counted() -> None:
    meter, is_noting, num_rounds = HeatMeter(NUM_EXPERTS, 0.0, half_life_s=1e12), threading.Event(), 3000

    def note() -> None:
        is_noting.set()
        for round_index in range(num_rounds):
            meter.note(as_ids([[0, 1]]), round_index * FOLD_S / 4)

    noting = threading.Thread(target=note)
    noting.start()
    is_noting.wait()
    while noting.is_alive():
        meter.snapshot(0.0)
    noting.join()
    end_s = num_rounds * FOLD_S
    assert meter.snapshot(end_s)[:2] * end_s == pytest.approx([num_rounds, num_rounds], rel=1e-6)
