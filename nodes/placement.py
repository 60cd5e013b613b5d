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

    With ``replicas <= num_nodes`` dealing the replicas out round-robin, set by set, fills no node above this
    and puts no two replicas of a set on one node, so an assignment always exists.

    That an assignment exists does not mean that a greedy scheduler finds it: see `slots_for_any_order`.

    Raises BadSetting when a count is below 1 or there are more replicas than nodes.
    """
    _check(num_sets, replicas, num_nodes)
    return -(-num_sets * replicas // num_nodes)


def slots_for_any_order(num_sets: int, replicas: int, num_nodes: int) -> int:
    """Slots with which no order of placement gets stuck, for a scheduler that never moves a replica.

    The last replica of a set has ``num_nodes - replicas + 1`` nodes without a sibling. They can all be full
    only if the replicas of the other sets fill them, so one slot more than that share is enough.

    Raises BadSetting as `slots_per_node` does.
    """
    _check(num_sets, replicas, num_nodes)
    open_nodes = num_nodes - replicas + 1
    # A node never holds two replicas of one set, so num_sets slots are always enough as well.
    return min(num_sets, (num_sets - 1) * replicas // open_nodes + 1)


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
