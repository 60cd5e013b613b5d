"""One expert's weights, as its mathematics wants them.

D hidden, F intermediate (``moe_intermediate_size``), L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.ffn import FeedForward, load_feed_forward
from moray.experts.integer import IntegerExpert, IntegerWeights
from moray.experts.integer_torch import TorchIntegerExpert
from moray.experts.tensors import expert_prefix
from moray.types import Device


@dataclass(frozen=True, slots=True, eq=False)
class ExpertWeights:
    """One expert of one layer: ``down @ (silu(gate @ x) * (up @ x))``."""

    gate_up: Tensor  # [2F, D] float32: the F gate rows, then the F up rows
    down: Tensor  # [D, F] float32

    @property
    def num_parameters(self) -> int:
        return self.gate_up.numel() + self.down.numel()


AnyWeights = ExpertWeights | IntegerWeights


ExpertFunction = FeedForward | IntegerExpert | TorchIntegerExpert  # called with rows as they travel, gives as many


def pack_expert(weights: Mapping[int, AnyWeights], device: Device = "cpu") -> dict[int, ExpertFunction]:
    """The same weights as they are served, by layer: by kernels, integers on a GPU by torch."""
    return {layer: _pack(one, device) for layer, one in weights.items()}


def _pack(weights: AnyWeights, device: Device) -> ExpertFunction:
    if isinstance(weights, ExpertWeights):
        return load_feed_forward(weights.gate_up, weights.down)
    return IntegerExpert(weights) if device == "cpu" else TorchIntegerExpert(weights, device)


def assemble_expert(
    read_tensor: Callable[[str], Tensor], architecture: Architecture, expert_id: int
) -> dict[int, ExpertWeights]:
    """Expert ``expert_id`` of every MoE layer, the MTP layers' included, by layer index.

    ``read_tensor`` gives a float32 tensor by its checkpoint name. Raises IndexError when the architecture
    has no such expert.
    """
    if not 0 <= expert_id < architecture.num_experts:
        raise IndexError(f"expert {expert_id} is not one of the model's {architecture.num_experts}")
    width = architecture.moe_intermediate_size
    weights: dict[int, ExpertWeights] = {}
    for layer in architecture.moe_layers:
        prefix = expert_prefix(layer, expert_id)
        # Filled half by half: a torch.cat would hold the two halves a second time.
        gate_up = torch.empty(2 * width, architecture.hidden_size)
        gate_up[:width] = read_tensor(f"{prefix}.gate_proj.weight")
        gate_up[width:] = read_tensor(f"{prefix}.up_proj.weight")
        weights[layer] = ExpertWeights(gate_up, read_tensor(f"{prefix}.down_proj.weight"))
    return weights
