"""The matrix products of Moray: a row's result has the same bits whatever rows stand beside it.

MKL, torch's default float32 product on x86, changes its order of summation with the number of rows and, on AMD,
ignores ``MKL_CBWR`` (measured: 240 of 286 cases differ). oneDNN's product sums each output element as one chain of
fused multiply-adds along the inner dimension, in ascending order, for every number of rows from two up. So:

- rows beside a row, threads and the number of output columns never change its bits;
- zeros appended to or mixed into the inner dimension never change them either (``fma(0, w, acc) == acc``), which
  is what lets attention pad keys and pack heads.

``router.selftest`` proves both on the CPU at hand. Training uses torch's own product, which has a gradient.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

_onednn_linear = torch.ops.mkldnn._linear_pointwise.default
_onednn_pack = torch.ops.mkldnn._reorder_linear_weight

# Inner width of one product in ``linear_each``: MKL keeps the chain unbroken that far (measured: up to 192).
CHAIN_WIDTH = 128


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x [T, in] @ weight[out, in].T + bias[out] -> [T, out]``, batch-invariant for float32 on a CPU.

    Pass a weight that is held as ``[in, out]`` as the view ``.t()``; the form of a weight must not vary between
    calls, since the two forms differ in their last bits. A weight from ``pack`` gives the bits of the plain one.
    """
    needs_gradient = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if needs_gradient or x.dtype != torch.float32 or not x.is_cpu or not torch.backends.mkldnn.is_available():
        return F.linear(x, weight, bias)
    if x.shape[0] == 1:  # one row takes another kernel in oneDNN: give it company
        return linear(torch.cat((x, x)), weight, bias)[:1]
    product: Tensor = _onednn_linear(x, weight, None, "none", [], "")
    return product if bias is None else product + bias


def pack(weight: Tensor) -> Tensor:
    """The weight ``[out, in]`` in oneDNN's own layout, for ``linear`` only: same bits, up to 2.5 times faster for
    few rows, since nothing is rearranged in the call. For weights that stay; costs a second copy while both live."""
    if weight.dtype != torch.float32 or not weight.is_cpu or not torch.backends.mkldnn.is_available():
        return weight
    packed: Tensor = _onednn_pack(weight.detach().contiguous())
    return packed


def linear_each(x: Tensor, weights: Tensor) -> Tensor:
    """``x [B, M, in]``, ``weights [B, out, in]`` -> ``[B, M, out]``: B products with the bits of ``linear``, where
    ``in`` is at most CHAIN_WIDTH. Weights may be a transposed view of ``[B, in, out]``.

    One call of MKL, whose batched product keeps the same chain for such widths; where it does not (fewer than four
    rows, another CPU), which is found out once for every shape, B calls of ``linear``.
    """
    num_threads = torch.get_num_threads()
    batch = min(x.shape[0], 2 * num_threads + 1)  # beyond it the work is split between products, never inside one
    if _is_chain(batch, x.shape[1], x.shape[2], weights.shape[1], weights.stride(-1) != 1, num_threads):
        return torch.bmm(x, weights.transpose(1, 2))
    return _linear_one_by_one(x, weights)


def _linear_one_by_one(x: Tensor, weights: Tensor) -> Tensor:
    is_transposed = weights.stride(-1) != 1
    dense = [w.t().contiguous().t() if is_transposed else w.contiguous() for w in weights]
    return torch.stack([linear(rows.contiguous(), weight) for rows, weight in zip(x, dense, strict=True)])


@cache
def _is_chain(
    batch: int, num_rows: int, in_features: int, out_features: int, is_transposed: bool, num_threads: int
) -> bool:
    """Does torch.bmm give the bits of ``linear`` for this shape? The order of summation does not depend on values,
    so random ones tell; ``num_threads`` is part of the question because MKL splits its work by it."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, num_rows, in_features, generator=generator)
    weights = torch.randn(batch, out_features, in_features, generator=generator)
    if is_transposed:
        weights = weights.transpose(1, 2).contiguous().transpose(1, 2)
    return torch.equal(torch.bmm(x, weights.transpose(1, 2)), _linear_one_by_one(x, weights))


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
        self.blocks = [pack(torch.block_diag(*part)) for part in weight.split(self.heads_per_block)]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        parts = x.reshape(rows, -1).split(self.heads_per_block * self.in_features, dim=1)
        products = [linear(part.contiguous(), block) for part, block in zip(parts, self.blocks, strict=True)]
        joined = products[0] if len(products) == 1 else torch.cat(products, dim=1)
        return joined.view(rows, self.num_heads, self.out_features)
