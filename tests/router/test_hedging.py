"""How late is late, and how many may be sent twice: pure, on every history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moray.router.hedging import MAX_DELAY_S, MAX_TOKENS, MIN_DELAY_S, SHARE, HedgeBudget, hedge_delay_s


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_delay_grows_with_what_is_usual_and_has_bounds(late_s: float, more_s: float) -> None:
    assert MIN_DELAY_S <= hedge_delay_s(late_s) <= hedge_delay_s(late_s + more_s) <= MAX_DELAY_S
    if 2 * MIN_DELAY_S < late_s < MAX_DELAY_S / 4:
        assert hedge_delay_s(late_s) > late_s


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20)), max_size=60))
def test_never_more_than_a_share_of_all_dispatches_and_a_first_few_are_hedged(turns: list[tuple[int, int]]) -> None:
    budget, num_dispatches, num_hedges = HedgeBudget(), 0, 0
    for sent, wished in turns:
        num_dispatches += sent
        budget = budget.filled(num_dispatches)
        for _ in range(wished):
            if budget.can_spend:
                budget, num_hedges = budget.spent(), num_hedges + 1
        assert num_hedges <= MAX_TOKENS + SHARE * num_dispatches + 1e-6
        assert 0 <= budget.tokens <= MAX_TOKENS


@given(st.integers(0, 10**6))
def test_a_quiet_time_earns_no_more_than_the_bucket_holds(num_dispatches: int) -> None:
    assert HedgeBudget(0.0).filled(num_dispatches).tokens <= MAX_TOKENS
    assert HedgeBudget(0.0).filled(0).tokens == 0.0


def test_an_empty_bucket_is_filled_by_dispatches_only() -> None:
    empty = HedgeBudget(0.0)
    assert not empty.can_spend and not empty.filled(0).can_spend
    assert empty.filled(int(1 / SHARE)).can_spend
    assert not empty.filled(int(1 / SHARE) - 1).can_spend
