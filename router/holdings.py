"""Who holds which experts, over all operators, and counts of it that are kept up to date.

A node's experts are what it was assigned. Those that it still fetches count where it is asked what the network lacks,
so that nobody else is sent after them, and do not count where it is asked what it can spare: they answer nobody yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moray.types import NodeId

Counts = NDArray[np.int32]  # [E]


@dataclass(frozen=True, slots=True)
class Node:
    node_id: NodeId
    operator: str  # who stakes for it
    num_slots: int  # experts it has room for
    experts: frozenset[int]  # assigned, at most ``num_slots``
    changed_at_s: float  # when it joined or was last moved, whichever is later
    fetching: frozenset[int] = frozenset()  # those of ``experts`` that it does not serve yet
    is_draining: bool = False  # counts as gone
    is_pinned: bool = False  # its operator named the experts; it is never moved


class Replicas:
    """Replicas by expert and operator. A change takes O(1) per replica."""

    def __init__(self, num_experts: int) -> None:
        self.total: Counts = np.zeros(num_experts, np.int32)  # of each expert
        self.operators: Counts = np.zeros(num_experts, np.int32)  # different ones that hold each expert
        self.by_operator: dict[str, Counts] = {}  # only of operators that hold any

    def of(self, operator: str) -> Counts:
        """An operator's replicas of each expert [E]; not to be written to."""
        theirs = self.by_operator.get(operator)
        return np.zeros_like(self.total) if theirs is None else theirs

    def add(self, operator: str, experts: Iterable[int]) -> None:
        theirs = self.by_operator.setdefault(operator, np.zeros_like(self.total))
        for expert in experts:
            self.total[expert] += 1
            self.operators[expert] += theirs[expert] == 0
            theirs[expert] += 1
        self._forget_if_empty(operator)

    def remove(self, operator: str, experts: Iterable[int]) -> None:
        theirs = self.by_operator.get(operator)
        if theirs is None:  # it holds nothing, so ``experts`` is empty
            return
        for expert in experts:
            self.total[expert] -= 1
            theirs[expert] -= 1
            self.operators[expert] -= theirs[expert] == 0
        self._forget_if_empty(operator)

    def copy(self) -> Replicas:
        twin = Replicas(0)
        twin.total, twin.operators = self.total.copy(), self.operators.copy()
        twin.by_operator = {operator: theirs.copy() for operator, theirs in self.by_operator.items()}
        return twin

    def _forget_if_empty(self, operator: str) -> None:
        if not self.by_operator[operator].any():
            del self.by_operator[operator]


class Holdings:
    """A snapshot of all nodes, kept by whoever sees them come and go. Decisions read it and change nothing."""

    def __init__(self, num_experts: int, nodes: Iterable[Node] = ()) -> None:
        self.num_experts = num_experts
        self.nodes: dict[NodeId, Node] = {}
        self.holders: list[dict[NodeId, Node]] = [{} for _ in range(num_experts)]  # without draining ones
        self.planned = Replicas(num_experts)  # all that were assigned
        self.ready = Replicas(num_experts)  # of these, the ones that answer
        for node in nodes:
            self.put(node)

    def put(self, node: Node) -> None:
        """A node that is new or has changed."""
        self.remove(node.node_id)
        self.nodes[node.node_id] = node
        if not node.is_draining:
            for expert in node.experts:
                self.holders[expert][node.node_id] = node
            self.planned.add(node.operator, node.experts)
            self.ready.add(node.operator, node.experts - node.fetching)

    def remove(self, node_id: NodeId) -> None:
        """A node that has gone, politely or not; unknown ones are nobody's concern."""
        node = self.nodes.pop(node_id, None)
        if node is not None and not node.is_draining:
            for expert in node.experts:
                del self.holders[expert][node_id]
            self.planned.remove(node.operator, node.experts)
            self.ready.remove(node.operator, node.experts - node.fetching)
