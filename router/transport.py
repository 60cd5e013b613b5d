"""The seam between the router and its experts."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import torch
from torch import Tensor

from moray.errors import ExpertUnavailable
from moray.experts.ffn import feed_forward
from moray.experts.source import ModelSource
from moray.experts.weights import pack_expert


class ExpertsMissing(ExpertUnavailable):
    """No replica answered for some experts of one dispatch; ``rows`` are the rows that needed them."""

    def __init__(self, experts: frozenset[int], rows: frozenset[int]) -> None:
        names = ", ".join(str(expert) for expert in sorted(experts))
        super().__init__(experts, f"no replica of expert {names} answered; try again")
        self.rows = rows


class ExpertTransport(Protocol):
    def dispatch(self, layer: int, hidden_states: Tensor, expert_ids: Tensor) -> Awaitable[Tensor]:
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

    async def dispatch(self, layer: int, hidden_states: Tensor, expert_ids: Tensor) -> Tensor:
        width = hidden_states.shape[1]
        outputs = hidden_states.new_empty(expert_ids.numel(), width)
        for expert, places in group_by_expert(expert_ids).items():
            weights = self.weights[expert][layer]
            rows = torch.tensor(places) // expert_ids.shape[1]
            outputs[places] = feed_forward(hidden_states[rows], weights.gate_up, weights.down)
        return outputs.view(*expert_ids.shape, width)

    def missing(self) -> frozenset[int]:
        return frozenset()


def group_by_expert(expert_ids: Tensor) -> dict[int, list[int]]:
    """expert_ids [T, K] -> for each expert present, ascending, its flat places (row * K + k), ascending.

    Plain Python: for the few rows of a decode step the tensor calls of a sort cost three times as much.
    """
    places_of: dict[int, list[int]] = {}
    for place, expert in enumerate(expert_ids.flatten().tolist()):
        places_of.setdefault(expert, []).append(place)
    return dict(sorted(places_of.items()))
