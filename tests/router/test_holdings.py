"""Counts that are kept up to date against counts made anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moray.router.holdings import Holdings, Node
from placement_kit import node, nodes_of, num_replicas, operators_of

NUM_EXPERTS = 4


@given(nodes_of(NUM_EXPERTS), nodes_of(NUM_EXPERTS), st.sets(st.integers(0, 9)))
def test_counts_after_any_coming_changing_and_going_are_those_of_the_nodes_that_are_left(
    first: list[Node], second: list[Node], leaving: set[int]
) -> None:
    holdings = Holdings(NUM_EXPERTS, first)
    for one in second:  # same ids: they replace the first ones
        holdings.put(one)
    for index in leaving:
        holdings.remove(node(f"node-{index}", "a", []).node_id)
    left = {one.node_id: one for one in [*first, *second] if int(one.node_id.removeprefix("node-")) not in leaving}
    assert holdings.nodes == left
    for expert in range(NUM_EXPERTS):
        for counts, only_ready in ((holdings.planned, False), (holdings.ready, True)):
            operators = operators_of(left.values(), expert, only_ready)
            assert counts.operators[expert] == len(operators)
            assert {name for name, theirs in counts.by_operator.items() if theirs[expert]} == operators
            assert counts.total[expert] == sum(theirs[expert] for theirs in counts.by_operator.values())
        assert holdings.planned.total[expert] == num_replicas(left.values(), expert)
        assert set(holdings.holders[expert]) == {
            name for name, one in left.items() if expert in one.experts and not one.is_draining
        }


def test_a_fetched_expert_counts_as_ready_only_once_it_answers() -> None:
    coming = replace(node("n", "a", [1, 2]), fetching=frozenset([2]))
    holdings = Holdings(NUM_EXPERTS, [coming])
    assert holdings.planned.total.tolist() == [0, 1, 1, 0]
    assert holdings.ready.total.tolist() == [0, 1, 0, 0]
    holdings.put(replace(coming, fetching=frozenset()))
    assert holdings.ready.total.tolist() == [0, 1, 1, 0]


def test_an_operator_that_holds_nothing_is_forgotten() -> None:
    holdings = Holdings(NUM_EXPERTS, [node("n", "a", [0]), node("m", "b", [])])
    holdings.remove(node("n", "a", []).node_id)
    assert holdings.planned.by_operator == {} and holdings.ready.by_operator == {}


@given(nodes_of(NUM_EXPERTS))
def test_changing_a_copy_leaves_the_counts_alone(nodes: list[Node]) -> None:
    counts = Holdings(NUM_EXPERTS, nodes).planned
    before = (
        counts.total.copy(),
        counts.operators.copy(),
        {name: own.copy() for name, own in counts.by_operator.items()},
    )
    twin = counts.copy()
    twin.add("a", range(NUM_EXPERTS))
    assert (twin.total == before[0] + 1).all()
    assert (counts.total == before[0]).all() and (counts.operators == before[1]).all()
    assert counts.by_operator.keys() == before[2].keys()
    assert all(np.array_equal(own, before[2][name]) for name, own in counts.by_operator.items())
