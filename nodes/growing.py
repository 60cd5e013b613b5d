"""Which experts a machine takes that was added to the operator's Ray cluster while its network runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from moray.nodes.state import NodeRecord


def deal_to_newcomers(
    held: Sequence[AbstractSet[str]], newcomers: Sequence[NodeRecord]
) -> Mapping[str, tuple[int, ...]]:
    """``held``: for each set of experts the nodes that it has a replica on. For each newcomer the sets that it takes:
    as many as it has slots, those with the fewest replicas first, then the lowest; none twice."""
    counts, dealt = [len(nodes) for nodes in held], dict[str, tuple[int, ...]]()
    for node in newcomers:
        chosen = sorted(range(len(held)), key=lambda number: (counts[number], number))[: node.slots]
        for number in chosen:
            counts[number] += 1
        dealt[node.node_id] = tuple(sorted(chosen))
    return dealt
