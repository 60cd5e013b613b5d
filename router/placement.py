"""Placement while the network runs: what each node was told to hold, what it serves, and who has gone.

A state machine without input or output: nodes report, the directory is looked at, moves are chosen. All clocks are
passed in and are one that does not jump. Owned by one event loop.

- **A restart of the router loses nothing that matters.** A node that is new here keeps what it holds already, as far
  as it exists and fits; nobody is moved before everybody had the time to report.
- **Who only reports reserves nothing for long.** What a node was told counts as planned while it answers for it and
  ``RESERVED_S`` beyond, so that nobody else fetches it meanwhile. An operator none of whose nodes ever answered has
  that time once, however it names its nodes.
- **A short silence is no departure.** A node is forgotten ``FORGOTTEN_AFTER_S`` after it last reported or answered.
  One that says it drains counts as gone at once.

Nodes that do not report, the router operator's own above all, are there with what they serve, and are never moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from moray.errors import JoinRefused
from moray.node_report import Assignment, NodeReport
from moray.router.assignment import Rules, experts_to_take
from moray.router.heat import Heat
from moray.router.holdings import Holdings, Node
from moray.router.rebalancing import Move, choose_moves
from moray.types import NodeId

REPORT_PERIOD_S = 20.0
FORGOTTEN_AFTER_S = 90.0  # without a word: four reports lost
RESERVED_S = 900.0  # for what does not answer: a shard of 2.5 GB takes 22 Mbit/s
LOOK_PERIOD_S = 60.0
URGENT_LOOK_PERIOD_S = 2.0  # while an expert has no replica at all
MAX_NODES, MAX_NODES_PER_OPERATOR = 10_000, 256


@dataclass(slots=True)
class _Member:
    operator: str
    node_id: NodeId  # unique over all operators
    came_s: float  # its reservations count from here until it answers
    changed_at_s: float
    experts: frozenset[int] = frozenset()  # assigned
    answering: frozenset[int] = frozenset()  # assigned or not
    waiting: dict[int, float] = field(default_factory=dict)  # assigned and not answering: since when
    num_slots: int = 0
    reported_s: float = -inf
    answered_s: float = -inf  # for whichever expert
    is_draining: bool = False
    is_asked: bool = False  # its operator named the experts

    @property
    def has_reported(self) -> bool:
        """Others hold what they serve."""
        return self.reported_s > -inf

    def is_reporting(self, now_s: float) -> bool:
        return now_s - self.reported_s <= FORGOTTEN_AFTER_S

    def assign(self, experts: frozenset[int], told_s: float) -> None:
        self.waiting = {expert: self.waiting.get(expert, told_s) for expert in experts - self.answering}
        self.experts = experts

    def answered(self, experts: frozenset[int], now_s: float) -> bool:
        """These answer now. Whether anything has changed by that, or may with time alone."""
        last_s = self.answered_s
        if experts:
            self.answered_s = now_s
        if experts == self.answering and not self.waiting:
            return False
        self.answering = experts
        self.waiting = {expert: self.waiting.get(expert, last_s) for expert in self.experts - experts}
        if not self.has_reported:
            recent = {expert for expert, since_s in self.waiting.items() if now_s - since_s <= FORGOTTEN_AFTER_S}
            self.assign(experts | recent, now_s)
            self.num_slots = len(self.experts)
        return True

    def as_node(self, now_s: float) -> Node:
        """As decisions see it."""
        overdue = {expert for expert, since_s in self.waiting.items() if now_s - since_s > RESERVED_S}
        counted = self.experts - overdue
        can_move = not self.is_asked and self.is_reporting(now_s) and not overdue
        return Node(
            self.node_id,
            self.operator,
            self.num_slots,
            counted,
            self.changed_at_s,
            fetching=counted & self.waiting.keys(),
            is_draining=self.is_draining,
            is_pinned=not can_move,
        )


class Placement:
    """``holdings`` are for others to read: who is there, and what counts as planned and as ready."""

    def __init__(
        self,
        num_experts: int,
        rules: Rules,
        now_s: float,
        max_nodes: int = MAX_NODES,
        max_nodes_per_operator: int = MAX_NODES_PER_OPERATOR,
    ) -> None:
        self._rules, self._max_nodes, self._max_nodes_per_operator = rules, max_nodes, max_nodes_per_operator
        self.holdings, self._heat = Holdings(num_experts), np.zeros(num_experts)
        self._members: dict[NodeId, _Member] = {}  # in the order in which they came
        self._of_operator: dict[str, dict[NodeId, _Member]] = {}
        self._unproven: dict[str, float] = {}  # operators none of whose nodes ever answered: when the first came
        self._first_look_s, self._looked_at_s = now_s + FORGOTTEN_AFTER_S, -inf

    def report(self, report: NodeReport, now_s: float) -> Assignment:
        """What the node is to hold from now on. Its signature has been checked.

        Raises JoinRefused: ``wrong_experts`` for a wish that cannot be granted, ``too_many`` when there is no room for
        one more node.
        """
        node_id = unique_id(report.signer, report.node_id)
        member = self._members.get(node_id)
        if member is not None and member.has_reported:
            held = member.experts
        else:
            held = frozenset(expert for expert in report.experts if expert < self.holdings.num_experts)
        experts = self._fitted(report, node_id, held)
        if member is None:
            member = self._admit(report.signer, node_id, now_s)
        if experts != member.experts:
            member.assign(experts, told_s=max(member.came_s, member.answered_s))
            member.changed_at_s = now_s
        member.num_slots, member.is_draining = report.num_slots, report.is_draining
        member.is_asked, member.reported_s = bool(report.asked), now_s
        self._count(member, now_s)
        return Assignment(tuple(sorted(experts)), REPORT_PERIOD_S)

    def sync(self, live: Mapping[tuple[str, str], frozenset[int]], now_s: float) -> None:
        """What the directory shows: the experts that answer now, by operator ("" is the router's own) and node."""
        answering = {unique_id(*key): experts for key, experts in live.items() if experts}
        for (operator, name), experts in live.items():
            if experts and (node_id := unique_id(operator, name)) not in self._members:
                self._add(_Member(operator, node_id, came_s=now_s, changed_at_s=now_s))
        for member in list(self._members.values()):
            has_changed = member.answered(answering.get(member.node_id, frozenset()), now_s)
            if member.answering:
                self._unproven.pop(member.operator, None)
            if now_s - max(member.reported_s, member.answered_s) > FORGOTTEN_AFTER_S:
                self._forget(member)
            elif has_changed or not member.is_reporting(now_s):
                self._count(member, now_s)

    def look(self, heat: Heat, now_s: float) -> list[Move]:
        """The moves that are made now; the nodes are told with their next reports. To be called after every ``sync``:
        most calls find that it is not yet time. ``heat`` [E]."""
        self._heat = heat
        is_urgent = not self.holdings.planned.total.all()
        period_s = URGENT_LOOK_PERIOD_S if is_urgent else LOOK_PERIOD_S
        if now_s < self._first_look_s or now_s - self._looked_at_s < period_s:
            return []
        self._looked_at_s = now_s
        moves = choose_moves(self.holdings, heat, now_s, self._rules)
        for move in moves:
            member = self._members[move.node_id]
            moved = move.start(self.holdings.nodes[move.node_id], now_s)
            member.assign(moved.experts, now_s)
            member.changed_at_s = moved.changed_at_s
            self._count(member, now_s)
        return moves

    def _fitted(self, report: NodeReport, node_id: NodeId, held: frozenset[int]) -> frozenset[int]:
        """What its operator asks for; else what it holds, without the least wanted where that is too much, and the most
        wanted of the others where there is room and it stays."""
        node = Node(node_id, report.signer, report.num_slots, frozenset(), 0.0)
        if report.asked:
            return frozenset(experts_to_take(self.holdings, self._heat, node, self._rules, report.asked))
        num_experts = self.holdings.num_experts
        room = min(report.num_slots, num_experts)
        if len(held) == room or (report.is_draining and len(held) < room):
            return held
        self.holdings.remove(node_id)  # as if it came anew
        wanted = experts_to_take(self.holdings, self._heat, replace(node, num_slots=num_experts), self._rules)
        return frozenset(sorted(wanted, key=lambda expert: expert not in held)[:room])

    def _admit(self, operator: str, node_id: NodeId, now_s: float) -> _Member:
        theirs = self._of_operator.get(operator, {})
        if len(theirs) >= self._max_nodes_per_operator:
            self._displace(theirs.values(), "this operator has too many nodes; let one leave first")
        elif len(self._members) >= self._max_nodes:
            self._displace(self._members.values(), "this router has as many nodes as it can count; try again later")
        came_s = now_s
        if not any(other.answered_s > -inf for other in theirs.values()):
            came_s = self._unproven.setdefault(operator, now_s)
            if len(self._unproven) > self._max_nodes:
                del self._unproven[next(iter(self._unproven))]
        member = _Member(operator, node_id, came_s, changed_at_s=now_s)
        self._add(member)
        return member

    def _displace(self, members: Iterable[_Member], refusal: str) -> None:
        """Make room: the first that came and never answered goes."""
        idle = next((member for member in members if member.answered_s == -inf), None)
        if idle is None:
            raise JoinRefused("too_many", refusal)
        self._forget(idle)

    def _add(self, member: _Member) -> None:
        self._members[member.node_id] = member
        self._of_operator.setdefault(member.operator, {})[member.node_id] = member

    def _forget(self, member: _Member) -> None:
        self.holdings.remove(member.node_id)
        del self._members[member.node_id], self._of_operator[member.operator][member.node_id]
        if not self._of_operator[member.operator]:
            del self._of_operator[member.operator]

    def _count(self, member: _Member, now_s: float) -> None:
        node = member.as_node(now_s)
        if node != self.holdings.nodes.get(node.node_id):
            self.holdings.put(node)


def unique_id(operator: str, node_id: str) -> NodeId:
    """Two operators may give their nodes the same name. An operator's address has no slash."""
    return NodeId(f"{operator}/{node_id}")
