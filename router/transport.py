"""The seam between the router and its experts."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import numpy as np

from moray.errors import ExpertUnavailable
from moray.experts.compiled import Ids, Rows
from moray.experts.row_format import row_format
from moray.experts.source import ModelSource
from moray.experts.weights import pack_expert


class ExpertsMissing(ExpertUnavailable):
    """No replica answered for some experts of one dispatch; ``rows`` are the rows that needed them."""

    def __init__(self, experts: frozenset[int], rows: frozenset[int]) -> None:
        names = ", ".join(str(expert) for expert in sorted(experts))
        super().__init__(experts, f"no replica of expert {names} answered; try again")
        self.rows = rows


class ExpertTransport(Protocol):
    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        """Start sending rows out and return at once; awaiting gives the experts' unweighted rows.

        hidden_states [T, D], expert_ids [T, K] ascending in every row -> [T, K, D]. hidden_states must not be
        changed before the result is there. Awaiting raises ExpertsMissing.
        """
        ...

    def missing(self) -> frozenset[int]:
        """Experts that nobody serves at this moment."""
        ...


class LocalExperts:
    """All experts in this process: the reference for every other transport, and the engine of the benchmarks."""

    def __init__(self, source: ModelSource) -> None:
        self.weights = [pack_expert(source.expert(expert)) for expert in range(source.architecture.num_experts)]
        self.row_format = row_format(source.numeric_class)

    async def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Rows:
        rows, per_row = self.row_format.encode(hidden_states), expert_ids.shape[1]
        outputs = np.empty((expert_ids.size, rows.shape[1]), rows.dtype)
        for expert, places in group_by_expert(expert_ids).items():
            outputs[places] = self.weights[expert][layer](rows[[place // per_row for place in places]])
        return self.row_format.decode(outputs).reshape(-1, per_row, hidden_states.shape[1])

    def missing(self) -> frozenset[int]:
        return frozenset()


def group_by_expert(expert_ids: Ids) -> dict[int, list[int]]:
    """expert_ids [T, K] -> for each expert present, ascending, its flat places (row * K + k), ascending."""
    if len(expert_ids) == 1:  # one row: its experts ascend already
        return {expert: [place] for place, expert in enumerate(expert_ids[0].tolist())}
    places_of: dict[int, list[int]] = {}
    for place, expert in enumerate(expert_ids.ravel().tolist()):
        places_of.setdefault(expert, []).append(place)
    return dict(sorted(places_of.items()))
