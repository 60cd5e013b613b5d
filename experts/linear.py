"""The one matrix product of Moray: a row's result has the same bits whatever rows stand beside it.

MKL, torch's default float32 product on x86, changes its order of summation with the number of rows and, on AMD,
ignores ``MKL_CBWR`` (measured: 240 of 286 cases differ). oneDNN's product sums each output element as one chain of
fused multiply-adds along the inner dimension, in ascending order, for every number of rows from two up. So:

- rows beside a row, threads and the number of output columns never change its bits;
- zeros appended to or mixed into the inner dimension never change them either (``fma(0, w, acc) == acc``), which
  is what lets attention pad keys and pack heads.

``router.selftest`` proves both on the CPU at hand. Training uses torch's own product, which has a gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_onednn_linear = torch.ops.mkldnn._linear_pointwise


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x [T, in] @ weight[out, in].T + bias[out] -> [T, out]``, batch-invariant for float32 on a CPU.

    Pass a weight that is held as ``[in, out]`` as the view ``.t()``; the form of a weight must not vary between
    calls, since the two forms differ in their last bits.
    """
    needs_gradient = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if needs_gradient or x.dtype != torch.float32 or not x.is_cpu or not torch.backends.mkldnn.is_available():
        return F.linear(x, weight, bias)
    if x.shape[0] == 1:  # one row takes another kernel in oneDNN: give it company
        return linear(x.expand(2, -1).contiguous(), weight, bias)[:1]
    product: Tensor = _onednn_linear(x, weight, None, "none", [], "")
    return product if bias is None else product + bias


class PerHeadLinear:
    """H independent products ``[T, H, in] -> [T, H, out]`` in as few calls as pay.

    Heads are packed as a block diagonal: the zeros outside the blocks leave every bit as it is and cost less than
    another call while the packed width is small.
    """

    MAX_PACKED_WIDTH = 512  # inner columns of one packed product; beyond it the wasted products cost more

    def __init__(self, weight: Tensor) -> None:
        """``weight [H, out, in]``."""
        self.num_heads, self.out_features, self.in_features = weight.shape
        self.heads_per_block = max(1, self.MAX_PACKED_WIDTH // self.in_features)
        self.blocks = [torch.block_diag(*part).contiguous() for part in weight.split(self.heads_per_block)]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        parts = x.reshape(rows, -1).split(self.heads_per_block * self.in_features, dim=1)
        products = [linear(part.contiguous(), block) for part, block in zip(parts, self.blocks, strict=True)]
        joined = products[0] if len(products) == 1 else torch.cat(products, dim=1)
        return joined.view(rows, self.num_heads, self.out_features)
