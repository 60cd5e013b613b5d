"""The gate: which experts a token goes to, and how much each counts (DeepSeek-V3, arXiv 2412.19437 section 2.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.compiled import Ids, Rows
from moray.experts.linear import pack, to_array
from moray.router.gate_kernel import sigmoid_gate_kernel


class Choice(NamedTuple):
    """``expert_ids [T, K]``, ascending in every row; ``weights [T, K]`` in the same order."""

    expert_ids: Ids
    weights: Rows


class Gate(Protocol):
    """The seam for other families: a gate may look at the hidden states, at the token ids, or at both."""

    def __call__(self, hidden_states: Rows, token_ids: Ids) -> Choice: ...


@dataclass(frozen=True, slots=True)
class SigmoidGate:
    """Sigmoid scores; the bias steers the choice but not the weights; experts come from the best groups only."""

    panels: NDArray[np.float32]  # of the weight [E, D]
    bias: NDArray[np.float32]  # [E] e_score_correction_bias
    architecture: Architecture

    def __call__(self, hidden_states: Rows, token_ids: Ids) -> Choice:
        arch, shape = self.architecture, (len(hidden_states), self.architecture.experts_per_token)
        choice = Choice(np.empty(shape, np.int64), np.empty(shape, np.float32))
        sigmoid_gate_kernel(
            hidden_states,
            self.panels,
            self.bias,
            arch.num_groups,
            arch.num_chosen_groups,
            arch.norm_topk_prob,
            arch.routed_scaling_factor,
            *choice,
        )
        return choice


def load_gate(weight: Tensor, bias: Tensor, architecture: Architecture) -> SigmoidGate:
    return SigmoidGate(pack(weight), to_array(bias), architecture)
