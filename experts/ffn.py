"""The gated feed-forward of an expert (and of dense layers and shared experts): pure, differentiable, float32."""

from __future__ import annotations

import torch
from torch import Tensor

from moray.experts.linear import linear


def silu(x: Tensor) -> Tensor:
    """``x / (1 + exp(-x))``. torch's own ``silu`` and ``sigmoid`` change bits with an element's place in a vector."""
    return x / (1.0 + torch.exp(-x))


def feed_forward(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """``down(silu(gate(x)) * up(x))``: x [T, D], gate_up [2F, D] (gate rows first), down [D, F] -> [T, D]."""
    if x.shape[0] == 1:  # doubled here once rather than by both products
        return feed_forward(torch.cat((x, x)), gate_up, down)[:1]
    gate, up = linear(x, gate_up).chunk(2, dim=-1)
    return linear(silu(gate) * up, down)
