"""The periodic look: every move against the rules counted plainly, and every allowed move tried by brute force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moray.router.assignment import Rules
from moray.router.heat import Heat
from moray.router.holdings import Node
from moray.router.rebalancing import Move, choose_moves
from placement_kit import NOW_S, RULES, held, load_of, networks, node, num_replicas, objective, operators_of

Network = tuple[list[Node], Heat]
NO_REST = replace(RULES, rest_s=0.0)
ONE_BY_ONE = replace(NO_REST, max_moves=1)


def moves_of(nodes: list[Node], heat: Heat, rules: Rules = RULES) -> list[Move]:
    return choose_moves(held(nodes, heat), heat, NOW_S, rules)


def after(nodes: list[Node], move: Move) -> list[Node]:
    return [move.start(one, NOW_S) if one.node_id == move.node_id else one for one in nodes]


def arrived(nodes: list[Node]) -> list[Node]:
    return [replace(one, fetching=frozenset()) for one in nodes]


def is_allowed(nodes: list[Node], heat: Heat, move: Move, rules: Rules) -> bool:
    """The rules of the docstring, counted plainly."""
    mover = next(one for one in nodes if one.node_id == move.node_id)
    if mover.is_draining or mover.is_pinned or mover.fetching:
        return False
    if NOW_S - mover.changed_at_s < rules.rest_s and num_replicas(nodes, move.take) > 0:
        return False
    if move.drop not in mover.experts or move.take in mover.experts:
        return False
    others = [one for one in nodes if one is not mover]
    kept = min(len(operators_of(others, move.drop, only_ready=True)), rules.wanted_operators)
    takers = operators_of(nodes, move.take)
    dropped_rank, taken_rank = len(operators_of(nodes, move.drop)), len(takers)
    dropped_rank = min(dropped_rank, rules.wanted_operators)
    is_new = taken_rank < rules.wanted_operators and mover.operator not in takers
    if is_new and kept >= min(taken_rank + 1, dropped_rank):
        return kept > 0
    before, left = load_of(nodes, heat, move.take), load_of(others, heat, move.drop)
    return kept > 0 and kept >= dropped_rank and left <= (1 - rules.margin) * before and left < before


def allowed_moves(nodes: list[Node], heat: Heat, rules: Rules) -> Iterator[Move]:
    for one in nodes:
        for drop in one.experts:
            for take in range(len(heat)):
                move = Move(one.node_id, drop, take)
                if is_allowed(nodes, heat, move, rules):
                    yield move


@given(networks(), st.integers(1, 3))
def test_every_move_is_allowed_when_its_turn_comes_and_serves_the_objective(network: Network, wanted: int) -> None:
    (nodes, heat), rules = network, replace(RULES, wanted_operators=wanted)
    for move in moves_of(nodes, heat, rules):
        assert is_allowed(nodes, heat, move, rules)
        then = after(nodes, move)
        assert objective(then, heat, wanted)[:2] > objective(nodes, heat, wanted)[:2]
        nodes = then


@given(networks(), st.integers(1, 3))
def test_nothing_moves_only_when_no_move_is_allowed(network: Network, wanted: int) -> None:
    (nodes, heat), rules = network, replace(RULES, wanted_operators=wanted)
    assert bool(moves_of(nodes, heat, rules)) == any(allowed_moves(nodes, heat, rules))


@given(networks())
def test_no_expert_that_answers_falls_silent_and_none_loses_a_second_operator_but_to_one_that_has_none(
    network: Network,
) -> None:
    nodes, heat = network
    for move in moves_of(nodes, heat):
        then = after(nodes, move)
        had, has = (operators_of(some, move.drop, only_ready=True) for some in (nodes, then))
        assert has or not had
        if len(had) >= 2:
            assert len(has) >= 2 or num_replicas(nodes, move.take) == 0
        nodes = then


@given(networks())
def test_a_look_moves_a_node_once_no_more_nodes_than_agreed_and_leaves_alone_whom_it_must(network: Network) -> None:
    nodes, heat = network
    rules = replace(RULES, max_moves=2)
    moves = moves_of(nodes, heat, rules)
    assert len({move.node_id for move in moves}) == len(moves) <= 2
    assert moves == moves_of(nodes, heat)[:2]
    movers = [one for one in nodes if one.node_id in {move.node_id for move in moves}]
    assert not any(one.is_draining or one.is_pinned or one.fetching for one in movers)


@given(networks(all_movable=True))
def test_with_heat_that_stays_the_same_looks_come_to_an_end(network: Network) -> None:
    nodes, heat = network
    seen = [objective(nodes, heat, RULES.wanted_operators)[:2]]
    while moves := moves_of(nodes, heat, NO_REST):
        for move in moves:
            nodes = after(nodes, move)
        nodes = arrived(nodes)
        seen.append(objective(nodes, heat, RULES.wanted_operators)[:2])
        assert seen[-1] > seen[-2]  # so no state comes back, and there are only so many


@given(networks(), st.data())
def test_the_order_of_the_nodes_decides_nothing(network: Network, data: st.DataObject) -> None:
    nodes, heat = network
    assert moves_of(data.draw(st.permutations(nodes)), heat) == moves_of(nodes, heat)


@given(networks())
def test_nodes_that_drain_count_as_gone(network: Network) -> None:
    nodes, heat = network
    assert moves_of(nodes, heat) == moves_of([one for one in nodes if not one.is_draining], heat)


# each of a pair of heats may change by less than this and a move is not worth taking back
WOBBLE = st.floats(1 - RULES.margin + 1e-6, 1 / (1 - RULES.margin) - 1e-6)


@given(networks(all_movable=True), st.data())
def test_heat_that_wobbles_within_the_margin_takes_no_move_back(network: Network, data: st.DataObject) -> None:
    nodes, heat = network
    for move in moves_of(nodes, heat, ONE_BY_ONE):
        nodes = arrived(after(nodes, move))
        wobbled = heat * np.array([data.draw(WOBBLE) for _ in heat])
        assert Move(move.node_id, drop=move.take, take=move.drop) not in moves_of(nodes, wobbled, ONE_BY_ONE)


def spread(counts: list[int]) -> list[Node]:
    """So many nodes of one slot for each expert, each of an operator of its own."""
    return [
        node(f"node-{expert}-{turn}", f"operator-{expert}-{turn}", [expert])
        for expert, count in enumerate(counts)
        for turn in range(count)
    ]


def settled(nodes: list[Node], heat: Heat, rules: Rules) -> list[Node]:
    while moves := moves_of(nodes, heat, rules):
        for move in moves:
            nodes = after(nodes, move)
        nodes = arrived(nodes)
    return nodes


@given(st.lists(st.integers(3, 15), min_size=2, max_size=4), st.data())
def test_replicas_follow_measured_load_until_no_load_is_above_another_by_more_than_the_margin(
    counts: list[int], data: st.DataObject
) -> None:
    heat = np.array([data.draw(st.floats(0.1, 1000)) for _ in counts])
    nodes = settled(spread(counts), heat, NO_REST)
    hottest = max(load_of(nodes, heat, expert) for expert in range(len(heat)))
    for expert in range(len(heat)):
        replicas = num_replicas(nodes, expert)
        assert replicas >= NO_REST.wanted_operators
        if replicas > NO_REST.wanted_operators:
            assert heat[expert] / (replicas - 1) > (1 - NO_REST.margin) * hottest


def test_a_hot_expert_gets_the_nodes_of_a_cold_one_and_leaves_it_the_operators_that_are_wanted() -> None:
    nodes = settled(spread([10, 10]), np.array([1000.0, 1.0]), NO_REST)
    assert [num_replicas(nodes, expert) for expert in (0, 1)] == [17, 3]


def test_a_gain_below_the_margin_moves_nobody() -> None:
    nodes = spread([5, 5])
    assert moves_of(nodes, np.array([100.0, 60.1]), NO_REST) == []  # 60.1 / 4 is above 0.75 * 100 / 5
    assert len(moves_of(nodes, np.array([100.0, 60.0]), NO_REST)) == 1


def test_a_node_that_was_moved_rests_and_then_may_move_again() -> None:
    nodes, heat = spread([5, 5]), np.array([100.0, 1.0])
    resting = [replace(one, changed_at_s=NOW_S - 999) for one in nodes]
    assert moves_of(resting, heat) == []
    rested = replace(resting[7], changed_at_s=NOW_S - 1000)
    assert moves_of([*resting[:7], rested, *resting[8:]], heat) == [Move(rested.node_id, drop=1, take=0)]


def test_an_expert_that_nobody_holds_waits_for_nobody_to_rest() -> None:
    nodes = [replace(one, changed_at_s=NOW_S) for one in spread([3, 0])]
    assert [(move.drop, move.take) for move in moves_of(nodes, np.array([1.0, 0.0]))] == [(0, 1)]


def test_a_second_replica_of_one_operator_is_given_up_for_an_expert_with_one_operator() -> None:
    nodes = [node("1", "a", [0]), node("2", "a", [0]), node("3", "b", [0]), node("4", "c", [1])]
    assert moves_of(nodes, np.array([9.0, 1.0])) == [Move(node("1", "a", []).node_id, drop=0, take=1)]


def test_an_operator_that_holds_the_scarce_expert_is_not_sent_to_it_again() -> None:
    nodes = [node("1", "a", [0]), node("2", "a", [0]), node("3", "a", [1])]
    assert moves_of(nodes, np.array([1.0, 1.0])) == []


def test_a_replica_that_is_still_fetched_does_not_stand_in_for_one_that_answers() -> None:
    nodes = spread([4, 2])
    fetched = replace(nodes[0], fetching=nodes[0].experts)
    assert moves_of([fetched, *nodes[1:]], np.array([1.0, 1.0])) == []  # three answer, and three must remain
    assert [(move.drop, move.take) for move in moves_of(nodes, np.array([1.0, 1.0]))] == [(0, 1)]
