"""Which experts a node starts and which it retires to get from those that it serves to those that it is to serve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moray.nodes.hosting import Change, next_change

EXPERTS = st.lists(st.integers(0, 30), max_size=12)


@given(EXPERTS, EXPERTS)
def test_a_change_ends_with_what_is_wanted_and_leaves_the_rest(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    with_new = set(serving) | set(change.start)  # what is to start does so before anything is retired
    assert with_new >= set(serving) | set(wanted)
    assert with_new - set(change.retire) == set(wanted)
    assert not set(change.start) & set(serving) and not set(change.retire) & set(wanted)
    assert list(change.start) == sorted(set(change.start)) and list(change.retire) == sorted(set(change.retire))


@given(EXPERTS, EXPERTS)
def test_once_carried_out_there_is_nothing_left_to_change(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    then = (set(serving) | set(change.start)) - set(change.retire)
    assert next_change(then, wanted) == Change((), ())


@given(EXPERTS, EXPERTS)
def test_a_change_that_stopped_after_its_start_is_gone_on_with(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    assert next_change([*serving, *change.start], wanted) == Change((), change.retire)
