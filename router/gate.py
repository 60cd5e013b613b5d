"""The gate: which experts a token goes to, and how much each counts (DeepSeek-V3, arXiv 2412.19437 section 2.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.linear import linear


class Choice(NamedTuple):
    """``expert_ids [T, K]`` int64, ascending in every row; ``weights [T, K]`` float32 in the same order."""

    expert_ids: Tensor
    weights: Tensor


class Gate(Protocol):
    """The seam for other families: a gate may look at the hidden states, at the token ids, or at both."""

    def __call__(self, hidden_states: Tensor, token_ids: Tensor) -> Choice: ...


@dataclass(frozen=True, slots=True)
class SigmoidGate:
    """Sigmoid scores; the bias steers the choice but not the weights; experts come from the best groups only."""

    weight: Tensor  # [E, D] float32
    bias: Tensor  # [E] float32, e_score_correction_bias
    architecture: Architecture

    def __call__(self, hidden_states: Tensor, token_ids: Tensor) -> Choice:
        scores = 1.0 / (1.0 + torch.exp(-linear(hidden_states, self.weight)))  # [T, E]
        candidates = self._best_groups(scores + self.bias)
        chosen = candidates.topk(self.architecture.experts_per_token, dim=-1).indices
        expert_ids = chosen.sort(dim=-1).values  # ascending: the order in which outputs are summed
        weights = scores.gather(1, expert_ids)
        if self.architecture.norm_topk_prob:
            weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
        return Choice(expert_ids, weights * self.architecture.routed_scaling_factor)

    def _best_groups(self, biased: Tensor) -> Tensor:
        """Mask with -inf (zero would let a masked expert beat a negative one) all but the best groups."""
        groups, kept = self.architecture.num_groups, self.architecture.num_chosen_groups
        if kept == groups:
            return biased
        grouped = biased.view(biased.shape[0], groups, -1)
        group_scores = grouped.topk(2, dim=-1).values.sum(dim=-1)  # [T, G]
        best = group_scores.topk(kept, dim=-1).indices
        is_masked = torch.ones_like(group_scores, dtype=torch.bool).scatter_(1, best, False)
        return grouped.masked_fill(is_masked[..., None], float("-inf")).view_as(biased)
