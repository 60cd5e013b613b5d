"""The periodic look at the whole network: a short list of moves. Pure: the clock is passed in, and there is no chance.

A move lets one node drop one expert and take another. It is made only when it improves the objective of
``router.assignment``, one move after the other:

- **For the scarcest.** An expert with fewer operators than wanted gets a node of a new operator. What that node drops
  must not become scarcer than what it takes becomes: the taken one has r operators before, the dropped one keeps at
  least r + 1, or all that it had up to what is wanted. So where an expert has two operators, the last replica of the
  second is given up only for an expert that has none.
- **For the hottest.** The load of the dropped expert, with one replica less, is below the load of the taken one before
  by at least ``margin``, and the dropped one's operators, up to what is wanted, stay as many. Taking such a move back
  would need the ratio of the two heats to change by 1 / (1 - margin)**2 or more.

Every move raises the sorted ranks, or leaves none of them lower and lowers the sorted loads. So with heat that stays
the same, looks come to an end; with equal input after that, nothing moves.

A replica is dropped only where others that answer already remain. A node moves once in a look and then rests for
``rest_s``, as after joining, unless an expert has no replica at all. Nodes that drain, still fetch or were pinned to
experts by their operator stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from moray.router.assignment import Rules, loads
from moray.router.heat import Heat
from moray.router.holdings import Counts, Holdings, Node
from moray.types import NodeId

Flags = NDArray[np.bool_]  # [E]


@dataclass(frozen=True, slots=True)
class Move:
    node_id: NodeId
    drop: int
    take: int

    def start(self, node: Node, now_s: float) -> Node:
        """The node once it has been told: it has dropped the one expert and fetches the other."""
        experts = node.experts - {self.drop} | {self.take}
        return replace(node, experts=experts, fetching=node.fetching | {self.take}, changed_at_s=now_s)


def choose_moves(holdings: Holdings, heat: Heat, now_s: float, rules: Rules) -> list[Move]:
    """At most ``max_moves``, of different nodes, in the order in which they are to be made; ``heat`` [E]."""
    look, moves = _Look(holdings, heat, now_s, rules), list[Move]()
    while len(moves) < rules.max_moves and (move := look.for_the_scarcest() or look.for_the_hottest()):
        look.make(move)
        moves.append(move)
    return moves


class _Look:
    def __init__(self, holdings: Holdings, heat: Heat, now_s: float, rules: Rules) -> None:
        self._holdings, self._heat, self._now_s, self._rules = holdings, heat, now_s, rules
        self._planned, self._ready = holdings.planned.copy(), holdings.ready.copy()
        self._wanted = min(rules.wanted_operators, len(self._planned.by_operator))
        self._moved = set[NodeId]()
        self._rested: dict[int, list[Node]] = {}  # by expert; looked up once
        self._may_have_rested = np.ones(holdings.num_experts, bool)  # as far as looked up

    def make(self, move: Move) -> None:
        node = self._holdings.nodes[move.node_id]
        self._planned.add(node.operator, [move.take])
        for replicas in (self._planned, self._ready):
            replicas.remove(node.operator, [move.drop])
        self._moved.add(move.node_id)

    def for_the_scarcest(self) -> Move | None:
        ranks, total = self._ranks(self._planned.operators), self._planned.total
        if ranks.min() == self._wanted:
            return None
        for take in np.lexsort((total, -loads(self._heat, total), ranks)).tolist():
            if ranks[take] == self._wanted:
                break
            floor = np.minimum(ranks, ranks[take] + 1)
            move = self._find(take, self._can_spare(floor), floor, raises_rank=True)
            if move is not None:
                return move
        return None

    def for_the_hottest(self) -> Move | None:
        ranks, total = self._ranks(self._planned.operators), self._planned.total
        load, left, can_spare = loads(self._heat, total), loads(self._heat, total - 1), self._can_spare(ranks)
        for take in np.argsort(-load, kind="stable").tolist():
            is_better = (left <= (1 - self._rules.margin) * load[take]) & (left < load[take])
            may_drop = is_better & can_spare & self._may_have_rested
            if not may_drop.any():
                break  # nor for a cooler one
            move = self._find(take, may_drop, ranks, raises_rank=False)
            if move is not None:
                return move
        return None

    def _find(self, take: int, may_drop: Flags, floor: Counts, raises_rank: bool) -> Move | None:
        """Of the experts that may be dropped, one that keeps most operators, then the one that is left with the least
        load, then the lowest id. Of its nodes the best by ``_preference``, then the longest rested, then the lowest id.
        ``floor`` [E]: the rank each must keep."""
        kept, left = self._ranks(self._planned.operators - 1), loads(self._heat, self._planned.total - 1)
        for drop in np.lexsort((left, -kept)).tolist():
            if not may_drop[drop]:
                continue
            first_of: dict[str, Node] = {}  # by operator, the longest rested first
            for node in self._movable(drop, take):
                if take not in node.experts and node.node_id not in self._moved:
                    first_of.setdefault(node.operator, node)
            nodes = [
                node
                for operator, node in first_of.items()
                if self._rank_without(drop, operator) >= floor[drop]
                and not (raises_rank and self._planned.of(operator)[take])
            ]
            if nodes:
                chosen = min(nodes, key=lambda node: self._preference(node.operator, drop, take))
                return Move(chosen.node_id, drop, take)
        return None

    def _movable(self, drop: int, take: int) -> list[Node]:
        """Holders of ``drop``, the longest rested first; those that have not rested only if nobody holds ``take``."""
        if self._planned.total[take] == 0:
            return self._free_since(drop, inf)
        if drop not in self._rested:
            self._rested[drop] = self._free_since(drop, self._now_s - self._rules.rest_s)
            self._may_have_rested[drop] = bool(self._rested[drop])
        return self._rested[drop]

    def _free_since(self, expert: int, until_s: float) -> list[Node]:
        holders = self._holdings.holders[expert].values()
        free = [one for one in holders if one.changed_at_s <= until_s and not one.is_pinned and not one.fetching]
        return sorted(free, key=lambda node: (node.changed_at_s, node.node_id))

    def _preference(self, operator: str, drop: int, take: int) -> tuple[bool, bool]:
        """Smallest first: operators that do not hold what is taken, then those that keep one of what is dropped."""
        theirs = self._planned.of(operator)
        return bool(theirs[take]), bool(theirs[drop] == 1)

    def _ranks(self, operators: Counts) -> Counts:
        return np.minimum(operators, self._wanted)

    def _can_spare(self, floor: Counts) -> Flags:
        """Whether dropping some replica leaves an expert's rank at ``floor`` [E], by those that answer."""
        has_pair = self._ready.total > self._ready.operators  # some operator has two
        return self._ranks(self._ready.operators - 1 + has_pair) >= floor

    def _rank_without(self, expert: int, operator: str) -> int:
        """By those that answer, once this operator has dropped one of its own."""
        is_last = self._ready.of(operator)[expert] == 1
        return min(int(self._ready.operators[expert]) - bool(is_last), self._wanted)
