"""Which experts a joining node takes. Pure: no clock, no chance, no order of input.

The objective, of which the later parts decide only between equals of the earlier ones:

1. **Redundancy.** An expert's rank is the number of different operators that hold it, up to ``wanted_operators``: one
   operator's replicas stand and fall together and count once. The ranks of all experts, sorted ascending, are to be as
   high as they can, the lowest first.
2. **Load.** An expert's load is its heat over its replicas; one without a replica counts as having half of one. The
   loads of all experts, sorted descending, are to be as low as they can, the highest first. So what is hot gets more
   replicas because of measured rows, and what is cold keeps ``wanted_operators``.
3. **Replicas.** Their numbers, sorted ascending, are to be as high as they can, the lowest first.

Then experts that the node's operator does not hold yet come first, then the lowest ids.

Covered: nodes of many operators, slots, heat, nodes that drain (they count as gone). Not covered: that some nodes are
faster or nearer than others (the choice among replicas sees to that), and operators that pretend to be several: who an
operator is has to be settled, and paid for by a stake, before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from moray.errors import BadSetting, JoinRefused
from moray.router.heat import Heat
from moray.router.holdings import Counts, Holdings, Node


@dataclass(frozen=True, slots=True)
class Rules:
    """Raises BadSetting for what the decisions cannot work with."""

    wanted_operators: int = 3  # of each expert, before heat counts: one may die and another leave
    margin: float = 0.2  # share by which a move's new load must stay below the load that it relieves
    rest_s: float = 1800.0  # before a node is moved, after it joined or was moved: a shard of 2.5 GB is to be fetched
    max_moves: int = 16  # in one look

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1:
            raise BadSetting(f"margin is {self.margin}: give a share above 0 and below 1, or moves never end")
        if self.wanted_operators < 1:
            raise BadSetting(f"wanted_operators is {self.wanted_operators}: give a number of at least 1")


def experts_to_take(
    holdings: Holdings, heat: Heat, node: Node, rules: Rules, asked: Sequence[int] = ()
) -> tuple[int, ...]:
    """The experts that ``node`` takes into its free slots, the most wanted first; those it has it keeps.

    ``heat`` [E]. With ``asked`` it gets exactly these, and its operator's wish counts more than the objective.

    Filling one slot after the other is optimal here: taking an expert changes its own rank and load only.

    Raises JoinRefused with ``wrong_experts`` when ``asked`` cannot be honoured.
    """
    if asked:
        _check(asked, node.num_slots, holdings.num_experts)
        return tuple(asked)
    planned = holdings.planned
    theirs = planned.of(node.operator)
    ranks = np.minimum(planned.operators, rules.wanted_operators)
    ranks[theirs > 0] = rules.wanted_operators  # one more of the same operator's would not raise it
    order = np.lexsort((theirs > 0, planned.total, -loads(heat, planned.total), ranks))  # the last key counts most
    wanted = (expert for expert in order.tolist() if expert not in node.experts)
    return tuple(islice(wanted, max(0, node.num_slots - len(node.experts))))


def loads(heat: Heat, num_replicas: Counts) -> NDArray[np.float64]:
    """Rows per second that a replica of each expert gets [E]."""
    return heat / np.maximum(num_replicas, 0.5)


def _check(asked: Sequence[int], num_slots: int, num_experts: int) -> None:
    if len(set(asked)) < len(asked):
        raise JoinRefused("wrong_experts", "an expert is named twice; name each once")
    if unknown := [expert for expert in asked if not 0 <= expert < num_experts]:
        raise JoinRefused("wrong_experts", f"there is no expert {unknown[0]}; name some of 0 to {num_experts - 1}")
    if len(asked) > num_slots:
        raise JoinRefused("wrong_experts", f"{len(asked)} experts for {num_slots} slots; name fewer or give more slots")
