"""The seam between the router and its experts."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import torch
from torch import Tensor

from moray.errors import ExpertUnavailable
from moray.experts.ffn import feed_forward
from moray.experts.source import ModelSource


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
        self.weights = [source.expert(expert) for expert in range(source.architecture.num_experts)]

    async def dispatch(self, layer: int, hidden_states: Tensor, expert_ids: Tensor) -> Tensor:
        outputs = hidden_states.new_empty(*expert_ids.shape, hidden_states.shape[1])
        for expert in expert_ids.unique().tolist():
            rows, places = (expert_ids == expert).nonzero(as_tuple=True)
            weights = self.weights[expert][layer]
            outputs[rows, places] = feed_forward(hidden_states[rows], weights.gate_up, weights.down)
        return outputs

    def missing(self) -> frozenset[int]:
        return frozenset()


def group_by_expert(expert_ids: Tensor) -> tuple[list[int], list[int], Tensor]:
    """expert_ids [T, K] -> experts present (ascending), assignments of each, and order [T * K].

    ``order`` lists flat places (row * K + k) expert by expert, rows ascending within one.
    """
    flat = expert_ids.reshape(-1)
    order = torch.argsort(flat, stable=True)
    experts, counts = torch.unique_consecutive(flat[order], return_counts=True)
    return experts.tolist(), counts.tolist(), order
