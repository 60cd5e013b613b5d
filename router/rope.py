"""Rotary positions, plain and YaRN, as tables computed once.

Sources: RoFormer (arXiv 2104.09864); YaRN (arXiv 2309.00071), with the attention factor DeepSeek-V3 configures.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from moray.architecture import Architecture, YarnScaling


class RotaryTable:
    """cos and sin ``[positions, R/2]`` for a rotary width R, float32."""

    def __init__(self, architecture: Architecture, num_positions: int) -> None:
        frequencies = inverse_frequencies(architecture)
        scale = architecture.yarn.cos_sin_factor if architecture.yarn else 1.0
        angles = torch.arange(num_positions, dtype=torch.float32)[:, None] * frequencies
        self.cos = np.ascontiguousarray((torch.cos(angles) * scale).numpy())
        self.sin = np.ascontiguousarray((torch.sin(angles) * scale).numpy())
        self.is_interleaved = architecture.rope_interleave


def inverse_frequencies(architecture: Architecture) -> Tensor:
    """``[R/2]`` radians per position."""
    dim, base = architecture.qk_rope_head_dim, architecture.rope_theta
    wavelengths = base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    if architecture.yarn is None:
        return 1.0 / wavelengths
    return _yarn_frequencies(architecture.yarn, wavelengths, dim, base)


def _yarn_frequencies(yarn: YarnScaling, wavelengths: Tensor, dim: int, base: float) -> Tensor:
    """Fast-turning pairs keep their frequency, slow ones are stretched by ``factor``, a linear ramp between."""

    def pair_that_turns(rotations: float) -> float:
        context = yarn.original_max_position_embeddings
        return dim * math.log(context / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low, high = pair_that_turns(yarn.beta_fast), pair_that_turns(yarn.beta_slow)
    if yarn.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001  # avoids a division by zero, as the reference implementation does
    ramp = torch.clamp((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low), 0, 1)
    kept = 1.0 - ramp
    return (1.0 / (yarn.factor * wavelengths)) * (1.0 - kept) + (1.0 / wavelengths) * kept
