"""The gated feed-forward of an expert, of dense layers and of shared experts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moray.experts.compiled import Rows
from moray.experts.linear import pack
from moray.experts.product_kernel import feed_forward_kernel
from moray.experts.simd import whole_lanes
from moray.experts.threads import row_threads


@dataclass(frozen=True, slots=True, eq=False)
class FeedForward:
    """``down(silu(gate(x)) * up(x))``: x [T, D] -> [T, D], float32, the same bits for a row in any company."""

    gate_up: NDArray[np.float32]
    down: NDArray[np.float32]
    width: int  # F, intermediate
    hidden_size: int  # D

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """What the kernel reads."""
        return self.gate_up, self.down

    def __call__(self, x: Rows) -> Rows:
        if x.shape[1] != self.hidden_size:  # the kernel would read beyond its arrays
            raise ValueError(f"rows of {x.shape[1]} values where {self.hidden_size} are due")
        out = np.empty(x.shape, np.float32)

        def some(rows: slice) -> None:
            feed_forward_kernel(x[rows], self.gate_up, self.down, self.width, out[rows])

        row_threads.share(len(x), some)
        return out


def load_feed_forward(gate_up: Tensor, down: Tensor) -> FeedForward:
    """gate_up [2F, D], gate rows first; down [D, F]."""
    width = down.shape[1]
    padding = whole_lanes(width) - width
    if padding:  # both halves in whole lanes: silu(0) * 0 is 0, and ``down`` reads F columns only
        gap = gate_up.new_zeros(padding, gate_up.shape[1])
        gate_up = torch.cat((gate_up[:width], gap, gate_up[width:], gap))
    return FeedForward(pack(gate_up), pack(down), width, down.shape[0])
