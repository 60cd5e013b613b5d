"""Block-scaled FP8 weights, as DeepSeek-V3 stores them.

``W[r, c] = fp8_e4m3[r, c] * scale[r // block_rows, c // block_columns]``. The tensor is called
``weight_scale_inv`` and is multiplied all the same (source: README_WEIGHTS.md of deepseek-ai/DeepSeek-V3).
The last blocks of a row or column may be cut: 576 rows in blocks of 128 have 5 scale rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

E4M3_MAX = 448.0  # largest finite value of float8_e4m3fn


def dequantize_blocks(weight: Tensor, scale: Tensor, block: tuple[int, int]) -> Tensor:
    """``weight`` [out, in] float8_e4m3fn, ``scale`` [ceil(out/rows), ceil(in/columns)] -> [out, in] float32.

    Each value is one float32 product, so the result has the same bits everywhere. Raises ValueError when the
    shapes do not fit together.
    """
    _require_blocks(weight, scale.shape, block)
    rows, columns = block
    scale = scale.to(torch.float32)
    values = weight.to(torch.float32)
    for index in range(scale.shape[0]):  # row by row of blocks: an expanded scale would double the memory
        spread = scale[index].repeat_interleave(columns)[: weight.shape[1]]
        values[index * rows : (index + 1) * rows] *= spread
    return values


def quantize_blocks(weight: Tensor, block: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """``weight`` [out, in] -> ([out, in] float8_e4m3fn, scales [ceil(out/rows), ceil(in/columns)] float32).

    Each block's largest magnitude becomes 448. Raises ValueError for values that are not finite.
    """
    if not bool(torch.isfinite(weight).all()):
        raise ValueError("a weight with infinities or NaN cannot be quantised")
    num_rows, num_columns = weight.shape
    rows, columns = block
    scale = torch.ones(-(-num_rows // rows), -(-num_columns // columns))
    quantised = torch.empty(num_rows, num_columns, dtype=torch.float8_e4m3fn)
    smallest = torch.finfo(torch.float32).tiny  # a subnormal scale could round to zero and divide by it
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            here = (slice(i * rows, (i + 1) * rows), slice(j * columns, (j + 1) * columns))
            values = weight[here].to(torch.float32)
            largest = float(values.abs().max())
            if largest > 0.0:
                scale[i, j] = max(largest / E4M3_MAX, smallest)
            # At most a rounding above 448, which converts to 448; only from 464 on would it be NaN.
            quantised[here] = (values / scale[i, j]).to(torch.float8_e4m3fn)
    return quantised, scale


def _require_blocks(weight: Tensor, scale_shape: torch.Size, block: tuple[int, int]) -> None:
    expected = (-(-weight.shape[0] // block[0]), -(-weight.shape[1] // block[1]))
    if tuple(scale_shape) != expected:
        raise ValueError(f"scales of shape {tuple(scale_shape)} do not fit {tuple(weight.shape)} in blocks {block}")
