"""Which experts go together, and how many expert slots each local node gets. Pure."""

from moray.errors import BadSetting


def expert_sets(num_experts: int, experts_per_replica: int) -> list[tuple[int, ...]]:
    """Cut ``range(num_experts)`` into contiguous ascending sets; the last one may be shorter.

    Raises BadSetting when a count is below 1.
    """
    _at_least_one("num_experts", num_experts)
    _at_least_one("experts_per_replica", experts_per_replica)
    return [
        tuple(range(first, min(first + experts_per_replica, num_experts)))
        for first in range(0, num_experts, experts_per_replica)
    ]


def slots_per_node(num_sets: int, replicas: int, num_nodes: int) -> int:
    """How many replicas every node must be able to hold: ``ceil(num_sets * replicas / num_nodes)``.

    Raises BadSetting when a count is below 1 or there are more replicas than nodes.
    """
    _check(num_sets, replicas, num_nodes)
    return -(-num_sets * replicas // num_nodes)


def deal_replicas(num_sets: int, replicas: int, num_nodes: int) -> list[tuple[int, ...]]:
    """The nodes (by number) of each set's replicas, dealt round-robin: no two replicas of a set share a node, and no
    node gets more than `slots_per_node`.

    Dealt here rather than left to Serve: it places greedily and never moves a replica, and with so few slots that
    can end with a replica for which every node with room holds its sibling (three sets, two replicas, three nodes).

    Raises BadSetting as `slots_per_node` does.
    """
    _check(num_sets, replicas, num_nodes)
    return [
        tuple(sorted((first + turn) % num_nodes for turn in range(replicas)))
        for first in range(0, num_sets * replicas, replicas)
    ]


def _check(num_sets: int, replicas: int, num_nodes: int) -> None:
    _at_least_one("num_sets", num_sets)
    _at_least_one("replicas", replicas)
    _at_least_one("num_nodes", num_nodes)
    if replicas > num_nodes:
        raise BadSetting(
            f"{replicas} replicas of an expert need as many nodes and there are {num_nodes}: "
            f"give --nodes {replicas} or --replicas {num_nodes}"
        )


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise BadSetting(f"{name} is {value}: give a number of at least 1")
