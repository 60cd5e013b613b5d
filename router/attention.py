"""Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434 section 2.1) in its absorbed form, for every token.

Absorbed: the key half of ``kv_b_proj`` is applied to the query, its value half to the output, so that attention runs
over the compressed latent itself and the cache holds nothing else. Prefill and decode use this one form, since the
expanded form differs in its last bits.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.compiled import Rows
from moray.experts.linear import load_linear, pack, rms_norm, to_array
from moray.experts.source import ModelSource
from moray.experts.threads import row_threads
from moray.router.attention_kernel import attend_kernel, write_entries_kernel
from moray.router.kv_cache import KV_PAGE_SIZE, CacheSpec, LayerCache
from moray.router.rope import RotaryTable
from moray.router.step import StepInputs


class Attention(Protocol):
    """The seam for other families: declares what it caches, then maps hidden states [T, D] to [T, D]."""

    def cache_spec(self) -> CacheSpec: ...

    def __call__(self, hidden_states: Rows, step: StepInputs, cache: LayerCache) -> Rows: ...


def latent_cache_spec(architecture: Architecture) -> CacheSpec:
    return CacheSpec((("latent", architecture.kv_lora_rank), ("rope_key", architecture.qk_rope_head_dim)))


class LatentAttention:
    def __init__(self, source: ModelSource, prefix: str, rotary: RotaryTable) -> None:
        """Weights ``{prefix}.*`` of one layer. Raises what ``source.tensor`` raises."""
        arch = source.architecture
        self.arch, self.rotary = arch, rotary

        def bias(name: str) -> Tensor | None:
            return source.tensor(f"{prefix}.{name}.bias") if arch.attention_bias else None

        down, down_bias = source.tensor(f"{prefix}.kv_a_proj_with_mqa.weight"), bias("kv_a_proj_with_mqa")
        if arch.q_lora_rank is None:
            self.q_norm = None
            q_up = source.tensor(f"{prefix}.q_proj.weight")
        else:  # both down-projections read the same input: one product
            down = torch.cat((down, source.tensor(f"{prefix}.q_a_proj.weight")))
            q_bias = bias("q_a_proj")
            if down_bias is not None and q_bias is not None:
                down_bias = torch.cat((down_bias, q_bias))
            self.q_norm = to_array(source.tensor(f"{prefix}.q_a_layernorm.weight"))
            q_up = source.tensor(f"{prefix}.q_b_proj.weight")
        self.down = load_linear(down, down_bias)
        self.q_up = load_linear((q_up.double() * arch.softmax_scale).float())
        self.kv_norm = to_array(source.tensor(f"{prefix}.kv_a_layernorm.weight"))
        kv_up = source.tensor(f"{prefix}.kv_b_proj.weight")
        kv_up = kv_up.view(arch.num_heads, arch.qk_nope_head_dim + arch.v_head_dim, arch.kv_lora_rank)
        key_up, value_up = kv_up.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=1)
        self.key_up = np.stack([pack(head.t()) for head in key_up])
        self.value_up = np.stack([pack(head) for head in value_up])
        self.out = load_linear(source.tensor(f"{prefix}.o_proj.weight"), bias("o_proj"))

    def cache_spec(self) -> CacheSpec:
        return latent_cache_spec(self.arch)

    def __call__(self, hidden_states: Rows, step: StepInputs, cache: LayerCache) -> Rows:
        arch = self.arch
        lowered = self.down(hidden_states)
        q_latent = hidden_states
        if self.q_norm is not None:
            q_latent = rms_norm(lowered[:, arch.kv_lora_rank + arch.qk_rope_head_dim :], self.q_norm, arch.rms_norm_eps)
        raised = self.q_up(q_latent)
        rotary = (self.rotary.cos, self.rotary.sin, self.rotary.is_interleaved)
        eps = arch.rms_norm_eps
        write_entries_kernel(lowered, step.positions, step.slots, *rotary, self.kv_norm, eps, cache.slots)
        values = np.empty((len(raised), arch.num_heads * arch.v_head_dim), np.float32)

        def attend(rows: slice) -> None:
            attend_kernel(
                raised[rows],
                step.positions[rows],
                step.owners[rows],
                step.tables,
                *rotary,
                self.key_up,
                self.value_up,
                cache.slots,
                KV_PAGE_SIZE,
                arch.kv_lora_rank,
                values[rows],
            )

        row_threads.share(len(raised), attend)
        return self.out(values)
