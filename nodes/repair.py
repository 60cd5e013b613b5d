"""When to start a dead node again: a pure decision over what was seen, with the clock passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LOOKS = 2  # in a row without the node's raylet before it is dead
FIRST_PAUSE_S = 2.0  # between two starts of one node; doubled for each that did not last
MAX_PAUSE_S = 120.0
LASTED_S = 300.0  # after which a node counts as sound again


@dataclass(slots=True)
class _Node:
    missed: int = 0
    pause_s: float = 0.0
    started_at: float = float("-inf")


@dataclass(slots=True)
class Repairs:
    """Of the nodes of one cluster."""

    _nodes: dict[str, _Node] = field(default_factory=dict)

    def due(self, node_ids: Iterable[str], alive: Iterable[str], now: float) -> list[str]:
        """Which nodes to start, after a look that found ``alive``; whoever asks starts them."""
        living, starts = set(alive), []
        for node_id in node_ids:
            node = self._nodes.setdefault(node_id, _Node())
            node.missed = 0 if node_id in living else node.missed + 1
            if not node.missed and now - node.started_at >= LASTED_S:
                node.pause_s = 0.0
            if node.missed >= LOOKS and now - node.started_at >= node.pause_s:
                starts.append(node_id)
                node.missed, node.started_at = 0, now
                node.pause_s = min(max(2 * node.pause_s, FIRST_PAUSE_S), MAX_PAUSE_S)
        return starts
