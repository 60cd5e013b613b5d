"""Weights as the kernels want them, and the product with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from moray.experts.compiled import Rows
from moray.experts.product_kernel import PANEL, linear_kernel, rms_norm_kernel
from moray.experts.simd import whole_lanes
from moray.experts.threads import row_threads


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """``x [T, in] -> x @ weight.T + bias [T, out]``, float32; a row's bits never depend on the rows beside it."""

    panels: NDArray[np.float32]
    num_inputs: int
    num_outputs: int
    bias: NDArray[np.float32] | None = None

    def __call__(self, x: Rows) -> Rows:
        if x.shape[1] != self.num_inputs:  # the kernel would read beyond its arrays
            raise ValueError(f"rows of {x.shape[1]} values where {self.num_inputs} are due")
        out = np.empty((x.shape[0], self.num_outputs), np.float32)
        row_threads.share(len(x), lambda rows: linear_kernel(x[rows], self.panels, out[rows]))
        if self.bias is not None:
            out += self.bias
        return out


def load_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """From a weight ``[out, in]`` as checkpoints store it."""
    num_outputs, num_inputs = weight.shape
    return Linear(pack(weight), num_inputs, num_outputs, None if bias is None else to_array(bias))


def pack(weight: Tensor) -> NDArray[np.float32]:
    """``[out, in]`` in panels, one after the other: PANEL output columns for each inner index, the last panel as many
    as are left, in whole lanes, the missing ones zero."""
    rows = to_array(weight)
    num_outputs, depth = rows.shape
    stored = whole_lanes(num_outputs)
    packed = np.zeros(stored * depth, np.float32)
    for start in range(0, num_outputs, PANEL):
        end = min(start + PANEL, stored)
        panel = packed[start * depth : end * depth].reshape(depth, end - start)
        panel[:, : num_outputs - start] = rows[start:end].T
    return packed


def to_array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().contiguous().numpy()
    return array


def rms_norm(x: Rows, weight: NDArray[np.float32], eps: float) -> Rows:
    """``weight * x / sqrt(mean(x^2) + eps)`` of each row (arXiv 1910.07467); x may be columns of a wider array."""
    out = np.empty(x.shape, np.float32)
    rms_norm_kernel(x, weight, eps, out)
    return out
