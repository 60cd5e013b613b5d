"""Networks of any shape for the placement tests, small enough to try everything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from moray.router.assignment import Rules
from moray.router.heat import Heat
from moray.router.holdings import Holdings, Node
from moray.types import NodeId

NOW_S = 100_000.0
RULES = Rules(margin=0.25, rest_s=1000.0)
HEATS = st.integers(0, 12).map(lambda unit: 840.0 * unit)  # a multiple of 1 to 8: no load is rounded


def node(name: str, operator: str, experts: Iterable[int], num_slots: int | None = None, since_s: float = 0.0) -> Node:
    held = frozenset(experts)
    return Node(NodeId(name), operator, len(held) if num_slots is None else num_slots, held, since_s)


@st.composite
def nodes_of(draw: st.DrawFn, num_experts: int, max_nodes: int = 8, all_movable: bool = False) -> list[Node]:
    nodes = []
    for index in range(draw(st.integers(0, max_nodes))):
        experts = draw(st.frozensets(st.integers(0, num_experts - 1), max_size=3))
        whole = all_movable or draw(st.booleans())
        nodes.append(
            Node(
                NodeId(f"node-{index}"),
                draw(st.sampled_from("abcd")),
                len(experts) + draw(st.integers(0, 2)),
                experts,
                changed_at_s=0.0 if whole else draw(st.sampled_from([0.0, NOW_S - 1000, NOW_S - 999, NOW_S])),
                fetching=frozenset() if whole else frozenset(e for e in experts if draw(st.booleans())),
                is_draining=not whole and draw(st.booleans()),
                is_pinned=not whole and draw(st.booleans()),
            )
        )
    return nodes


@st.composite
def networks(
    draw: st.DrawFn, max_experts: int = 6, max_nodes: int = 8, all_movable: bool = False
) -> tuple[list[Node], Heat]:
    """Nodes and heat [E]."""
    num_experts = draw(st.integers(1, max_experts))
    heat = draw(st.lists(HEATS, min_size=num_experts, max_size=num_experts))
    return draw(nodes_of(num_experts, max_nodes, all_movable)), np.array(heat)


def operators_of(nodes: Iterable[Node], expert: int, only_ready: bool = False) -> set[str]:
    """Counted plainly. Draining nodes are gone."""
    return {
        one.operator
        for one in nodes
        if not one.is_draining and expert in (one.experts - one.fetching if only_ready else one.experts)
    }


def num_replicas(nodes: Iterable[Node], expert: int) -> int:
    return sum(expert in one.experts and not one.is_draining for one in nodes)


def load_of(nodes: Iterable[Node], heat: Heat, expert: int) -> float:
    return float(heat[expert]) / max(num_replicas(nodes, expert), 0.5)


def objective(nodes: list[Node], heat: Heat, wanted: int) -> tuple[list[int], list[float], list[int]]:
    """Larger is better: ranks ascending, loads descending and negated, numbers of replicas ascending."""
    experts = range(len(heat))
    ranks = sorted(min(len(operators_of(nodes, expert)), wanted) for expert in experts)
    loads = sorted(-load_of(nodes, heat, expert) for expert in experts)
    return ranks, loads, sorted(num_replicas(nodes, expert) for expert in experts)


def held(nodes: Iterable[Node], heat: Heat) -> Holdings:
    return Holdings(len(heat), nodes)
