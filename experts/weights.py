"""One expert's weights, as its mathematics wants them.

D hidden, F intermediate (``moe_intermediate_size``), L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.compiled import Array
from moray.experts.ffn import load_feed_forward
from moray.experts.integer import IntegerExpert, IntegerWeights
from moray.experts.tensors import expert_prefix


@dataclass(frozen=True, slots=True, eq=False)
class ExpertWeights:
    """One expert of one layer: ``down @ (silu(gate @ x) * (up @ x))``."""

    gate_up: Tensor  # [2F, D] float32: the F gate rows, then the F up rows
    down: Tensor  # [D, F] float32

    @property
    def num_parameters(self) -> int:
        return self.gate_up.numel() + self.down.numel()


AnyWeights = ExpertWeights | IntegerWeights


class ExpertFunction(Protocol):
    """One expert of one layer, F x D, packed: rows as they travel [T, width] to as many; see experts.row_format."""

    @property
    def arrays(self) -> tuple[Array, ...]: ...

    @property
    def width(self) -> int: ...

    @property
    def hidden_size(self) -> int: ...

    def __call__(self, rows: Array, /) -> Array: ...


def pack_expert(weights: Mapping[int, AnyWeights]) -> dict[int, ExpertFunction]:
    """The same weights as the kernels serve them, by layer."""
    return {
        layer: IntegerExpert(one) if isinstance(one, IntegerWeights) else load_feed_forward(one.gate_up, one.down)
        for layer, one in weights.items()
    }


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
