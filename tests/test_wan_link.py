"""When bytes come out of a link: pure, so every rule is checked on any traffic."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wan_link import READ_BYTES, Link, Schedule

MS = st.floats(0, 500)
LINKS = st.builds(Link, round_trip_ms=MS, jitter_ms=MS, bytes_per_s=st.floats(1e3, 1e9) | st.just(math.inf))
# Gap before it, size, its part of the jitter.
TRAFFIC = st.lists(st.tuples(st.floats(0, 1), st.integers(0, READ_BYTES), st.floats(0, 1)), min_size=1, max_size=20)
SLACK_S = 1e-9  # of sums in another order


def sent(link: Link, traffic: list[tuple[float, int, float]]) -> list[tuple[float, int, float]]:
    """(when it went in, size, when it comes out) of each."""
    schedule, now, passed = Schedule(), 0.0, []
    for gap_s, num_bytes, luck in traffic:
        now += gap_s
        passed.append((now, num_bytes, schedule.due(link, now, num_bytes, luck)))
    return passed


@given(LINKS, TRAFFIC)
def test_nothing_overtakes_and_nothing_comes_out_before_half_a_round_trip(
    link: Link, traffic: list[tuple[float, int, float]]
) -> None:
    passed = sent(link, traffic)
    assert all(after >= before for (_, _, before), (_, _, after) in pairwise(passed))
    assert all(due >= now + link.round_trip_ms / 2000 - SLACK_S for now, _, due in passed)


@given(LINKS, TRAFFIC)
def test_no_more_bytes_come_through_in_a_time_than_the_link_is_wide(
    link: Link, traffic: list[tuple[float, int, float]]
) -> None:
    passed = sent(link, traffic)
    latest_s = (link.round_trip_ms / 2 + link.jitter_ms) / 1000
    for first, (start, _, _) in enumerate(passed):
        num_bytes = 0
        for _, size, due in passed[first:]:
            num_bytes += size
            assert due >= start + num_bytes / link.bytes_per_s + link.round_trip_ms / 2000 - SLACK_S
    busy_s = sum(size / link.bytes_per_s for _, size, _ in passed)
    assert passed[-1][2] <= passed[-1][0] + busy_s + latest_s + SLACK_S


@given(MS, TRAFFIC)
def test_a_long_link_is_as_wide_as_a_short_one(round_trip_ms: float, traffic: list[tuple[float, int, float]]) -> None:
    short, long = (sent(Link(round_trip_ms=ms, bytes_per_s=1e6), traffic) for ms in (0.0, round_trip_ms))
    later_s = [after - before for (_, _, before), (_, _, after) in zip(short, long, strict=True)]
    assert all(math.isclose(one, round_trip_ms / 2000, abs_tol=1e-9) for one in later_s)


@given(st.floats(1, 100), st.lists(st.floats(0, 0.1), min_size=1, max_size=10))
def test_a_replica_that_is_slowed_down_takes_so_many_times_as_long_for_all_of_its_work(
    slow_down: float, works_s: list[float]
) -> None:
    schedule, now, due = Schedule(), 0.0, 0.0
    for work_s in works_s:
        now += work_s
        due = schedule.due(Link(slow_down=slow_down), now, 100, work_s=work_s)
    assert math.isclose(due, slow_down * sum(works_s), abs_tol=1e-6)
