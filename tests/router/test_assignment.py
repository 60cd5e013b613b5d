"""What a joining node takes: against every other choice on small networks, and rule by rule on any."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import BadSetting, JoinRefused
from moray.router.assignment import Rules, experts_to_take
from moray.router.heat import Heat
from moray.router.holdings import Node
from placement_kit import NOW_S, RULES, held, load_of, networks, node, num_replicas, objective, operators_of

OPERATORS, SLOTS = st.sampled_from("abcde"), st.integers(0, 4)
Network = tuple[list[Node], Heat]


def taken(nodes: list[Node], heat: Heat, joining: Node, rules: Rules = RULES) -> tuple[int, ...]:
    return experts_to_take(held(nodes, heat), heat, joining, rules)


def with_joined(nodes: list[Node], joining: Node, experts: tuple[int, ...]) -> list[Node]:
    everything = joining.experts | set(experts)
    return [*nodes, replace(joining, experts=everything, fetching=frozenset(experts), changed_at_s=NOW_S)]


@given(networks(), OPERATORS, SLOTS, st.integers(1, 4))
def test_no_other_choice_would_serve_the_objective_better(
    network: Network, operator: str, num_slots: int, wanted: int
) -> None:
    nodes, heat = network
    joining = node("new", operator, [], num_slots)
    chosen = taken(nodes, heat, joining, replace(RULES, wanted_operators=wanted))
    best = max(
        objective(with_joined(nodes, joining, others), heat, wanted)
        for count in range(num_slots + 1)
        for others in combinations(range(len(heat)), count)
    )
    assert objective(with_joined(nodes, joining, chosen), heat, wanted) == best


@given(networks(), OPERATORS, SLOTS, st.frozensets(st.integers(0, 5), max_size=2))
def test_free_slots_are_filled_and_never_with_what_the_node_has(
    network: Network, operator: str, num_slots: int, kept: frozenset[int]
) -> None:
    nodes, heat = network
    kept = frozenset(expert for expert in kept if expert < len(heat))
    chosen = taken(nodes, heat, node("new", operator, kept, len(kept) + num_slots))
    assert len(chosen) == len(set(chosen)) == min(num_slots, len(heat) - len(kept))
    assert not kept & set(chosen)


@given(networks(), OPERATORS, st.integers(1, 4))
def test_the_first_choice_is_the_rarest_that_the_operator_can_help_and_of_these_the_hottest_per_replica(
    network: Network, operator: str, num_slots: int
) -> None:
    nodes, heat = network
    first = taken(nodes, heat, node("new", operator, [], num_slots))[0]
    helped = {
        expert: len(holders)
        for expert in range(len(heat))
        if operator not in (holders := operators_of(nodes, expert)) and len(holders) < RULES.wanted_operators
    }
    rivals = [expert for expert, rank in helped.items() if rank == min(helped.values())] or range(len(heat))
    assert first in rivals
    assert load_of(nodes, heat, first) == max(load_of(nodes, heat, expert) for expert in rivals)


@given(networks(), st.data(), OPERATORS, SLOTS)
def test_the_order_of_the_nodes_decides_nothing(network: Network, data: st.DataObject, operator: str, n: int) -> None:
    nodes, heat = network
    joining = node("new", operator, [], n)
    assert taken(data.draw(st.permutations(nodes)), heat, joining) == taken(nodes, heat, joining)


@given(networks(), OPERATORS, SLOTS)
def test_a_new_node_makes_no_expert_scarcer_and_no_load_higher(network: Network, operator: str, n: int) -> None:
    nodes, heat = network
    joining = node("new", operator, [], n)
    after = with_joined(nodes, joining, taken(nodes, heat, joining))
    for expert in range(len(heat)):
        assert operators_of(nodes, expert) <= operators_of(after, expert)
        assert num_replicas(nodes, expert) <= num_replicas(after, expert)
        assert load_of(after, heat, expert) <= load_of(nodes, heat, expert)


@given(networks(), OPERATORS, SLOTS)
def test_nodes_that_drain_count_as_gone(network: Network, operator: str, n: int) -> None:
    nodes, heat = network
    joining = node("new", operator, [], n)
    staying = [one for one in nodes if not one.is_draining]
    assert taken(nodes, heat, joining) == taken(staying, heat, joining)


def test_two_replicas_of_one_operator_are_as_rare_as_one() -> None:
    nodes = [node("1", "a", [0]), node("2", "a", [0]), node("3", "a", [1]), node("4", "b", [1])]
    assert taken(nodes, np.array([1.0, 9.0]), node("new", "c", [], 1)) == (0,)


def test_an_operator_is_not_sent_to_a_rare_expert_that_it_holds_already() -> None:
    nodes = [node("1", "a", [0]), node("2", "b", [1]), node("3", "c", [1])]
    assert taken(nodes, np.array([9.0, 1.0]), node("new", "a", [], 1)) == (1,)


def test_with_enough_operators_everywhere_measured_rows_decide_not_numbers_of_replicas() -> None:
    nodes = [node(f"{name}{e}", name, [e]) for name in "abc" for e in (0, 1)] + [node("d", "d", [1])]
    assert taken(nodes, np.array([300.0, 401.0]), node("new", "e", [], 1)) == (1,)  # 100 against 100.25 each
    assert taken(nodes, np.array([300.0, 399.0]), node("new", "e", [], 1)) == (0,)


def test_nodes_that_join_an_empty_idle_network_share_it_out_evenly() -> None:
    nodes, heat = list[Node](), np.zeros(5)
    for index in range(20):
        joining = node(f"node-{index}", f"operator-{index % 4}", [], 2)
        nodes = with_joined(nodes, joining, taken(nodes, heat, joining))
    assert [num_replicas(nodes, expert) for expert in range(5)] == [8] * 5


def test_experts_that_were_asked_for_are_given_as_asked() -> None:
    holdings, heat = held([node("1", "a", [0, 1, 2])], np.zeros(4)), np.zeros(4)
    assert experts_to_take(holdings, heat, node("new", "a", [], 3), RULES, asked=(2, 0)) == (2, 0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((1, 1), "name each once"),
        ((0, 4), "no expert 4; name some of 0 to 3"),
        ((-1,), "no expert -1"),
        ((0, 1, 2), "3 experts for 2 slots"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_remedy(asked: tuple[int, ...], told: str) -> None:
    with pytest.raises(JoinRefused, match=told) as caught:
        experts_to_take(held([], np.zeros(4)), np.zeros(4), node("new", "a", [], 2), RULES, asked)
    assert caught.value.reason_code == "wrong_experts" and "\n" not in str(caught.value)


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_a_margin_that_would_let_moves_go_on_for_ever_is_refused(margin: float) -> None:
    with pytest.raises(BadSetting, match="above 0 and below 1"):
        Rules(margin=margin)


def test_rules_that_want_nobody_are_refused() -> None:
    with pytest.raises(BadSetting, match="at least 1"):
        Rules(wanted_operators=0)
