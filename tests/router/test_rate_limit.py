"""Token buckets against a plain count of what was allowed, and whom an address counts for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.router.rate_limit import RateLimits, source_of

# quarters of a second, so that nothing is rounded
CALLS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40).map(lambda quarter: quarter / 4)), max_size=60)


@given(calls=CALLS, burst=st.integers(1, 5), rate_per_s=st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_in_any_span_nobody_gets_more_than_the_burst_and_the_rate_and_nobody_less_for_the_sake_of_another(
    calls: list[tuple[str, float]], burst: int, rate_per_s: float
) -> None:
    limits, now_s, allowed = RateLimits(rate_per_s, burst, 2), 0.0, dict[str, list[float]]()
    for key, pause_s in calls:
        now_s += pause_s
        times = allowed.setdefault(key, [])
        may = limits.allow(key, now_s)
        spans = [(now_s - since_s, len(times) - index) for index, since_s in enumerate(times)]
        assert may == all(count + 1 <= burst + span_s * rate_per_s for span_s, count in [*spans, (0.0, 0)])
        if may:
            times.append(now_s)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limits = RateLimits(1.0, 1, 2)
    assert limits.allow("a", 100.0)
    assert not limits.allow("a", 50.0)
    assert not limits.allow("a", 100.5)
    assert limits.allow("a", 101.0)


def test_who_was_unused_for_longest_is_forgotten_when_there_are_too_many() -> None:
    limits = RateLimits(0.001, 1, 2)
    assert limits.allow("a", 0.0) and limits.allow("b", 0.0)
    assert not limits.allow("a", 0.0)  # which makes b the one unused for longest
    assert limits.allow("c", 0.0)
    assert not limits.allow("a", 0.0) and limits.allow("b", 0.0)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_for_its_network(address: str, source: str) -> None:
    assert source_of(address) == source
