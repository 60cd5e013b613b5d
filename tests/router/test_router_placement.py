"""Placement while nodes report, serve, drain, die and move, and while the router restarts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import moray.router.placement as placement_module
from moray.errors import JoinRefused
from moray.node_report import NodeReport
from moray.router.assignment import Rules
from moray.router.heat import Heat
from moray.router.holdings import Holdings, Node, Replicas
from moray.router.placement import (
    FORGOTTEN_AFTER_S,
    LOOK_PERIOD_S,
    REPORT_PERIOD_S,
    RESERVED_S,
    URGENT_LOOK_PERIOD_S,
    Placement,
    unique_id,
)
from moray.router.rebalancing import Move
from report_kit import a_report

NUM_EXPERTS = 5
RULES = Rules(wanted_operators=2, rest_s=100.0)
COLD = np.zeros(NUM_EXPERTS)
Key = tuple[str, str]  # operator, node


def report_of(
    key: Key, num_slots: int = 1, experts: Iterable[int] = (), asked: Iterable[int] = (), is_draining: bool = False
) -> NodeReport:
    return a_report(
        signer=key[0],
        node_id=key[1],
        num_slots=num_slots,
        experts=tuple(experts),
        asked=tuple(asked),
        is_draining=is_draining,
    )


class PlacementMachine(RuleBasedStateMachine):
    """What was told and who answers is kept apart from the placement, plainly, and compared with it."""

    keys = st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"]))
    experts = st.lists(st.integers(0, NUM_EXPERTS - 1), max_size=3, unique=True)

    @initialize(
        held=st.dictionaries(keys, st.frozensets(st.integers(0, 1), min_size=1), max_size=6), wanted=st.integers(1, 2)
    )
    def begin(self, held: dict[Key, frozenset[int]], wanted: int) -> None:
        """Nodes that hold the same few experts, so that there is something to move."""
        self.now_s = 1000.0
        self.placement = Placement(NUM_EXPERTS, Rules(wanted, rest_s=0.0), self.now_s - FORGOTTEN_AFTER_S)
        self.reports: dict[Key, NodeReport] = {}  # the last of each node that the router knows
        self.told: dict[Key, frozenset[int]] = {}  # and what it is to hold by now
        self.live: dict[Key, frozenset[int]] = {}
        self.heard_s: dict[Key, float] = {}
        self.heat = COLD
        for key, experts in held.items():
            self.live[key] = self.report(report_of(key, len(experts), experts))

    def report(self, report: NodeReport) -> frozenset[int]:
        key = report.signer, report.node_id
        answer = self.placement.report(report, self.now_s)
        told = frozenset(answer.experts)
        assert list(answer.experts) == sorted(told) and answer.next_report_s == REPORT_PERIOD_S
        assert len(told) <= report.num_slots and all(0 <= expert < NUM_EXPERTS for expert in told)
        self.reports[key], self.told[key], self.heard_s[key] = report, told, self.now_s
        return told

    @rule(key=keys, num_slots=st.integers(1, 6), experts=experts, is_draining=st.booleans())
    def report_without_a_wish(self, key: Key, num_slots: int, experts: list[int], is_draining: bool) -> None:
        held = self.told[key] if key in self.told else frozenset(experts)
        told = self.report(report_of(key, num_slots, experts, is_draining=is_draining))
        assert told <= held if len(told) < len(held) else told >= held
        if not is_draining:
            assert len(told) == min(num_slots, NUM_EXPERTS)

    @rule(key=keys, asked=experts.filter(bool), spare=st.integers(0, 1))
    def report_with_a_wish(self, key: Key, asked: list[int], spare: int) -> None:
        assert self.report(report_of(key, len(asked) + spare, asked=asked)) == set(asked)

    @rule()
    def everybody_reports_again(self) -> None:
        for key, report in list(self.reports.items()):
            before = self.told[key]
            assert self.report(report) == before

    @rule(operators=st.sampled_from(["abc", "a", "bc"]))
    def serve_what_was_told(self, operators: str) -> None:
        self.live |= {key: experts for key, experts in self.told.items() if key[0] in operators}

    @rule(key=st.tuples(st.sampled_from(["", "a"]), st.sampled_from(["1", "own"])), experts=experts)
    def serve_something(self, key: Key, experts: list[int]) -> None:
        self.live[key] = frozenset(experts)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        del self.live[data.draw(st.sampled_from(sorted(self.live)))]

    @rule(heat=st.lists(st.integers(0, 9).map(float), min_size=NUM_EXPERTS, max_size=NUM_EXPERTS))
    def change_heat(self, heat: list[float]) -> None:
        self.heat = np.array(heat)

    @rule(later_s=st.sampled_from([0.0, 2.0, 20.0, 60.0, 91.0, 901.0]), is_reported=st.booleans())
    def time_passes(self, later_s: float, is_reported: bool) -> None:
        self.now_s += later_s
        if is_reported:
            self.everybody_reports_again()
        self.sync()
        for move in self.placement.look(self.heat, self.now_s):
            key = next(key for key in self.told if unique_id(*key) == move.node_id)
            report, before = self.reports[key], self.told[key]
            assert move.drop in before and move.take not in before
            assert not report.asked and not report.is_draining and self.now_s - self.heard_s[key] <= FORGOTTEN_AFTER_S
            self.told[key] = before - {move.drop} | {move.take}
            assert self.answers(move.drop), "an expert lost its last replica by a move"
            self.sync()
            assert self.placement.holdings.nodes[move.node_id].experts == self.told[key]

    @rule()
    def the_router_restarts(self) -> None:
        """Nodes do not notice: they report what they hold, their replicas dial again, and nothing changes."""
        self.sync()
        self.placement = Placement(NUM_EXPERTS, RULES, self.now_s)
        self.placement.sync(self.live, self.now_s)
        reports, told = self.reports, self.told
        self.reports, self.told, self.heard_s = {}, {}, {key: self.now_s for key, some in self.live.items() if some}
        for key, report in reports.items():
            held = told[key]
            again = report_of(key, report.num_slots, held, report.asked, report.is_draining)
            assert self.report(again) == held

    def sync(self) -> None:
        self.placement.sync(self.live, self.now_s)
        self.heard_s |= {key: self.now_s for key, experts in self.live.items() if experts}
        for key, heard_s in list(self.heard_s.items()):
            if self.now_s - heard_s > FORGOTTEN_AFTER_S:
                del self.heard_s[key]
                self.reports.pop(key, None)
                self.told.pop(key, None)

    def answers(self, expert: int) -> bool:
        """Whether a node that stays, and is to keep the expert, answers for it."""
        return any(
            expert in experts
            and expert in self.told.get(key, experts)
            and not (key in self.reports and self.reports[key].is_draining)
            for key, experts in self.live.items()
        )

    @invariant()
    def who_is_there_is_who_was_heard_of(self) -> None:
        nodes = self.placement.holdings.nodes
        assert nodes.keys() <= {unique_id(*key) for key in self.heard_s}
        assert nodes.keys() >= {unique_id(*key) for key in self.told}

    @invariant()
    def what_counts_is_what_was_told_and_what_is_ready_answers(self) -> None:
        holdings = self.placement.holdings
        planned, ready = Replicas(NUM_EXPERTS), Replicas(NUM_EXPERTS)
        for key in self.heard_s:
            node = holdings.nodes.get(unique_id(*key))
            if node is None or node.is_draining:
                continue
            assert node.experts <= self.told.get(key, node.experts) and len(node.experts) <= node.num_slots
            planned.add(node.operator, node.experts)
            ready.add(node.operator, node.experts - node.fetching)
        assert holdings.planned.total.tolist() == planned.total.tolist()
        assert holdings.ready.total.tolist() == ready.total.tolist()


TestPlacementMachine = PlacementMachine.TestCase


# -- rule by rule

A1, A2, B1, OWN = ("a", "1"), ("a", "2"), ("b", "1"), ("", "own")
EVERYTHING = frozenset(range(NUM_EXPERTS))


class Clocked:
    """A placement past its first look, with a clock; ``live`` stays until it is changed."""

    def __init__(self, **limits: int) -> None:
        self.placement = Placement(NUM_EXPERTS, RULES, -FORGOTTEN_AFTER_S, **limits)
        self.now_s, self.live, self.reporting = 0.0, dict[Key, frozenset[int]](), dict[Key, NodeReport]()
        self.moves, self.heat = 0, COLD

    def report(self, key: Key, *args: object, **kwargs: object) -> set[int]:
        report = report_of(key, *args, **kwargs)  # type: ignore[arg-type]
        told = set(self.placement.report(report, self.now_s).experts)
        self.reporting[key] = report
        return told

    def told(self, key: Key) -> set[int]:
        """What it is told with its next report, which is as the last."""
        return set(self.placement.report(self.reporting[key], self.now_s).experts)

    def pass_time(self, for_s: float, steps: int = 1) -> None:
        """Those in ``reporting`` report at every step."""
        for _ in range(steps):
            self.now_s += for_s / steps
            for report in self.reporting.values():
                self.placement.report(report, self.now_s)
            self.placement.sync(self.live, self.now_s)
            self.moves += len(self.placement.look(self.heat, self.now_s))

    def node(self, key: Key) -> Node | None:
        return self.placement.holdings.nodes.get(unique_id(*key))

    def planned(self) -> set[int]:
        return set(np.flatnonzero(self.placement.holdings.planned.total).tolist())


def test_a_node_that_is_new_here_keeps_what_it_holds_as_far_as_it_exists_and_fits() -> None:
    network = Clocked()
    network.live = {OWN: EVERYTHING - {4}}
    network.pass_time(1)
    assert network.report(A1, num_slots=3, experts=[1, 2, NUM_EXPERTS, 99]) == {1, 2, 4}
    assert len(network.report(B1, num_slots=2, experts=[0, 1, 2])) == 2


def test_with_fewer_slots_the_least_wanted_go_and_with_more_the_most_wanted_come() -> None:
    network = Clocked()
    network.live = {OWN: frozenset({0, 1}), ("b", "x"): frozenset({0})}
    network.pass_time(1)
    assert network.report(A1, num_slots=5) == EVERYTHING
    assert network.report(A1, num_slots=4) == {1, 2, 3, 4}
    assert network.report(A1, num_slots=3) == {2, 3, 4}
    assert network.report(A1, num_slots=4) == {1, 2, 3, 4}


def test_what_a_node_itself_holds_makes_no_expert_less_wanted_when_it_has_to_choose() -> None:
    network = Clocked()
    network.live = {OWN: frozenset({0})}
    network.heat = np.array([100.0, 0, 0, 0, 0])
    network.pass_time(1)
    assert network.report(A1, num_slots=2, experts=[0, 1]) == {0, 1}
    assert network.report(A1, num_slots=1) == {1}  # cold, and nobody else's


def test_experts_that_an_operator_names_are_given_as_named_and_never_moved() -> None:
    network = Clocked()
    for key in (A1, B1):
        assert network.report(key, asked=[3]) == {3}
        network.live[key] = frozenset({3})
    network.pass_time(1000, steps=50)
    assert network.moves == 0 and network.told(A1) == network.told(B1) == {3}
    assert network.report(A1) == {3}  # without the wish it may be moved, since four experts are missing
    network.pass_time(URGENT_LOOK_PERIOD_S)
    assert network.moves == 1 and network.told(A1) != {3} and network.told(B1) == {3}


@pytest.mark.parametrize("asked", [[NUM_EXPERTS], [1, 1], [1, 2]])
def test_a_wish_that_cannot_be_granted_is_refused_and_changes_nothing(asked: list[int]) -> None:
    network = Clocked()
    told = network.report(A1)
    for key in (A1, B1):
        with pytest.raises(JoinRefused) as refused:
            network.report(key, asked=asked)
        assert refused.value.reason_code == "wrong_experts"
    assert network.told(A1) == told and network.node(B1) is None


def test_what_drains_counts_as_gone_at_once_and_its_expert_is_taken_over() -> None:
    network = Clocked()
    network.live = {OWN: frozenset({0, 1, 2, 3})}
    for key, held in ((A1, 4), (B1, 3)):
        network.report(key, experts=[held])
        network.live[key] = frozenset({held})
    network.pass_time(1)
    assert network.report(A1, is_draining=True) == {4} and network.planned() == {0, 1, 2, 3}
    assert network.told(B1) == {3}
    network.pass_time(URGENT_LOOK_PERIOD_S)
    node = network.node(B1)
    assert node is not None and node.experts == node.fetching == {4} and network.planned() == EVERYTHING
    assert network.told(B1) == {4}


def test_a_node_that_drains_and_is_new_here_is_sent_after_nothing() -> None:
    network = Clocked()
    assert network.report(A1, num_slots=3, experts=[2], is_draining=True) == {2}
    assert network.report(B1, num_slots=2, is_draining=True) == set()
    assert network.planned() == set()
    assert len(network.report(A1, num_slots=3)) == 3  # it has changed its mind


def test_a_node_that_goes_silent_is_forgotten_and_frees_its_experts() -> None:
    network = Clocked()
    network.report(A1, num_slots=2)
    network.live[A1] = frozenset(network.told(A1))
    network.pass_time(1, steps=2)
    node = network.node(A1)
    assert node is not None and not node.is_pinned
    del network.reporting[A1]
    network.pass_time(1000, steps=10)
    node = network.node(A1)
    assert node is not None and node.is_pinned  # it answers, but nobody could tell it anything
    del network.live[A1]
    network.pass_time(FORGOTTEN_AFTER_S)
    assert len(network.planned()) == 2
    network.pass_time(1)
    assert network.node(A1) is None and network.planned() == set()


def test_a_node_that_no_longer_reports_is_not_moved_since_nobody_would_tell_it() -> None:
    network = Clocked()
    for key in (A1, B1, ("c", "1")):
        network.live[key] = frozenset({0})
        network.report(key, asked=[0])
    network.report(B1)  # free to be moved to what is missing, as the others are from here on
    del network.reporting[A1]
    network.placement.report(report_of(A1), network.now_s)
    network.report(("c", "1"), asked=[0])
    network.now_s = FORGOTTEN_AFTER_S + 1
    network.pass_time(200, steps=10)
    assert network.moves == 1 and network.told(B1) != {0}
    assert network.planned() == {0} | network.told(B1)
    network.report(A1)
    network.pass_time(LOOK_PERIOD_S)
    assert network.moves == 2 and network.told(A1) != {0}


def test_replicas_of_the_routers_own_operator_count_and_stay() -> None:
    network = Clocked()
    network.live = {OWN: frozenset({0, 1, 2}), ("", "own-2"): frozenset({0, 1, 2})}
    network.pass_time(1)
    assert network.report(A1, num_slots=2) == {3, 4}
    del network.reporting[A1]
    network.pass_time(1000, steps=20)
    assert network.moves == 0 and network.planned() == {0, 1, 2}


def test_an_own_replica_that_restarts_is_missed_only_after_a_while() -> None:
    network = Clocked()
    network.live = {OWN: frozenset({0, 1})}
    network.pass_time(1)
    network.live = {OWN: frozenset({0})}
    network.pass_time(FORGOTTEN_AFTER_S)
    node = network.node(OWN)
    assert node is not None and node.experts == {0, 1} and node.fetching == {1}
    network.pass_time(1)
    assert network.planned() == {0}


def test_what_was_told_is_reserved_for_a_while_and_counts_again_once_it_answers() -> None:
    network = Clocked()
    told = network.report(A1, num_slots=2)
    network.pass_time(RESERVED_S, steps=20)
    assert network.planned() == told
    network.pass_time(1)
    assert network.planned() == set() and network.told(A1) == told  # still its to fetch
    network.live[A1] = frozenset({min(told)})
    network.pass_time(1)
    assert network.planned() == {min(told)}


def test_who_only_reports_gets_no_more_time_by_other_wishes_slots_or_names() -> None:
    network = Clocked()
    for _ in range(3):
        network.report(A1, num_slots=2, asked=[0, 1])
        network.pass_time(RESERVED_S / 6)
        network.report(A1, num_slots=3)
        network.pass_time(RESERVED_S / 6)
    network.reporting.clear()
    network.pass_time(FORGOTTEN_AFTER_S + 1)
    assert network.node(A1) is None
    for name in ("3", "4"):
        network.report(("a", name), num_slots=5)
    network.report(A1, num_slots=5)
    assert network.planned() == set()
    assert network.report(B1, num_slots=2) == {0, 1} == network.planned()  # another operator's time begins
    network.live[A2] = frozenset({4})
    network.pass_time(1)
    assert network.report(("a", "5"), num_slots=2, asked=[2, 3]) == {2, 3}  # the operator has shown that it serves
    assert network.planned() == {0, 1, 2, 3, 4}


def test_an_operator_that_has_served_and_left_is_trusted_when_it_comes_back() -> None:
    network = Clocked()
    told = network.report(A1)
    network.live[A1] = frozenset(told)
    network.pass_time(1)
    network.live.clear()
    network.reporting.clear()
    network.pass_time(2 * RESERVED_S, steps=2)
    assert network.node(A1) is None
    assert network.report(A2) == network.planned() != set()


def test_a_node_that_cannot_fetch_what_it_was_told_is_not_sent_after_something_else_instead() -> None:
    network = Clocked()
    for key in (A1, B1):
        network.live[key] = frozenset({0})
        network.report(key, num_slots=2, experts=[0, 1], asked=[0] if key == B1 else [])
    network.pass_time(2 * RESERVED_S, steps=100)
    assert network.planned() == {0} and network.moves == 0 and network.told(A1) == {0, 1}


def test_nodes_of_two_operators_may_have_the_same_name() -> None:
    network = Clocked()
    assert network.report(A1, asked=[1]) == {1} and network.report(B1, asked=[2]) == {2}
    assert network.told(A1) == {1} and network.told(B1) == {2}
    assert len(network.placement.holdings.nodes) == 2


@pytest.mark.parametrize(
    ("limits", "others"),
    [({"max_nodes": 2}, [B1, ("c", "1"), ("d", "1")]), ({"max_nodes_per_operator": 2}, [("a", "3"), A2, ("a", "4")])],
)
def test_where_there_are_too_many_the_first_that_never_answered_goes_and_none_that_answers(
    limits: dict[str, int], others: list[Key]
) -> None:
    network = Clocked(**limits)
    first, second, third = others
    network.report(A1)
    network.live[A1] = frozenset(network.told(A1))
    network.pass_time(1)
    network.report(first)
    network.report(second)
    assert network.node(first) is None and network.node(A1) is not None and network.node(second) is not None
    del network.reporting[first]
    network.live[second] = frozenset(network.told(second))
    network.pass_time(1)
    with pytest.raises(JoinRefused) as refused:
        network.report(third)
    assert refused.value.reason_code == "too_many"
    assert network.told(A1) and network.told(second)
    assert len(network.placement.holdings.nodes) == 2


@pytest.mark.parametrize(
    ("served", "period_s"), [(EVERYTHING, LOOK_PERIOD_S), (EVERYTHING - {2}, URGENT_LOOK_PERIOD_S)]
)
def test_looks_begin_once_everybody_could_report_and_are_frequent_while_an_expert_is_missing(
    served: frozenset[int], period_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[float]()

    def choose_none(_holdings: Holdings, _heat: Heat, now_s: float, _rules: Rules) -> list[Move]:
        looked.append(now_s)
        return []

    monkeypatch.setattr(placement_module, "choose_moves", choose_none)
    placement = Placement(NUM_EXPERTS, RULES, 0.0)
    for second in range(300):
        placement.sync({OWN: served}, float(second))
        placement.look(COLD, float(second))
    assert looked == list(np.arange(FORGOTTEN_AFTER_S, 300, period_s))
