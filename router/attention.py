"""Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434 section 2.1) in its absorbed form, for every token.

Absorbed: the key half of ``kv_b_proj`` is folded into the query, its value half into the output, so that attention
runs over the compressed latent itself and the cache holds nothing else. Prefill and decode use this one form, since
the expanded form differs in its last bits. Shapes: T tokens, H heads, C latent, R rope, N keys.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.linear import PerHeadLinear, linear
from moray.experts.source import ModelSource
from moray.router.kv_cache import CacheSpec, LayerCache
from moray.router.norm import rms_norm
from moray.router.rope import RotaryTable
from moray.router.step import SEGMENT_KEYS, StepInputs

MAX_SCORES = 1 << 23  # scores of one product (32 MiB of float32); more rows are done in turns


class Attention(Protocol):
    """The seam for other families: declares what it caches, then maps hidden states [T, D] to [T, D]."""

    def cache_spec(self) -> CacheSpec: ...

    def __call__(self, hidden_states: Tensor, step: StepInputs, cache: LayerCache) -> Tensor: ...


class LatentAttention:
    def __init__(self, source: ModelSource, prefix: str, rotary: RotaryTable) -> None:
        """Weights ``{prefix}.*`` of one layer. Raises what ``source.tensor`` raises."""
        arch = source.architecture
        self.arch, self.rotary = arch, rotary
        bias = (
            (lambda name: source.tensor(f"{prefix}.{name}.bias"))
            if arch.attention_bias
            else (lambda name: None)
        )
        down = source.tensor(f"{prefix}.kv_a_proj_with_mqa.weight")
        down_bias = bias("kv_a_proj_with_mqa")
        self.q_norm: Tensor | None = None
        if arch.q_lora_rank is not None:  # both down-projections read the same input: one product
            down = torch.cat((down, source.tensor(f"{prefix}.q_a_proj.weight")))
            if down_bias is not None:
                down_bias = torch.cat((down_bias, bias("q_a_proj")))
            self.q_norm = source.tensor(f"{prefix}.q_a_layernorm.weight")
            self.q_up = source.tensor(f"{prefix}.q_b_proj.weight")
        else:
            self.q_up = source.tensor(f"{prefix}.q_proj.weight")
        self.down, self.down_bias = down, down_bias
        self.kv_norm = source.tensor(f"{prefix}.kv_a_layernorm.weight")
        kv_up = source.tensor(f"{prefix}.kv_b_proj.weight")
        kv_up = kv_up.view(arch.num_heads, arch.qk_nope_head_dim + arch.v_head_dim, arch.kv_lora_rank)
        key_up, value_up = kv_up.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=1)
        self.absorb_key = PerHeadLinear(key_up.transpose(1, 2))  # [H, C, nope]
        self.absorb_value = PerHeadLinear(value_up)  # [H, v, C]
        self.out, self.out_bias = source.tensor(f"{prefix}.o_proj.weight"), bias("o_proj")

    def cache_spec(self) -> CacheSpec:
        # "one" is the constant 1: with it the softmax's denominator is one more column of the value product, summed
        # in the same order as the numerators.
        return CacheSpec(
            (("rope_key", self.arch.qk_rope_head_dim), ("latent", self.arch.kv_lora_rank), ("one", 1))
        )

    def __call__(self, hidden_states: Tensor, step: StepInputs, cache: LayerCache) -> Tensor:
        queries, entries = self.project(hidden_states, step.positions)
        cache.write(step.slots, entries)
        latents = [
            attend(
                queries[group.rows],
                cache.read(group.pages),
                group.is_hidden,
                self.arch.softmax_scale,
                cache.spec,
            )
            for group in step.groups
        ]
        values = self.absorb_value(latents[0] if len(latents) == 1 else torch.cat(latents))  # [T, H, v]
        return linear(values.reshape(values.shape[0], -1), self.out, self.out_bias)

    def project(self, hidden_states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Queries [T, H, R + C + 1] and cache entries [T, R + C + 1], both in the cache's column order."""
        arch, num_tokens = self.arch, hidden_states.shape[0]
        lowered = linear(hidden_states, self.down, self.down_bias)
        latent, rope_key, q_latent = lowered.split(
            (
                arch.kv_lora_rank,
                arch.qk_rope_head_dim,
                lowered.shape[1] - arch.kv_lora_rank - arch.qk_rope_head_dim,
            ),
            dim=1,
        )
        if self.q_norm is None:
            raised = linear(hidden_states, self.q_up)
        else:
            raised = linear(rms_norm(q_latent, self.q_norm, arch.rms_norm_eps), self.q_up)
        q_nope, q_rope = raised.view(num_tokens, arch.num_heads, -1).split(
            (arch.qk_nope_head_dim, arch.qk_rope_head_dim), dim=-1
        )
        rotated = self.rotary.rotate(
            torch.cat((q_rope, rope_key[:, None]), dim=1), positions
        )  # keys ride along
        q_rope, rope_key = rotated[:, :-1], rotated[:, -1]
        absorbed = self.absorb_key(q_nope)
        queries = torch.cat((q_rope, absorbed, absorbed.new_zeros(num_tokens, arch.num_heads, 1)), dim=-1)
        latent = rms_norm(latent, self.kv_norm, arch.rms_norm_eps)
        return queries, torch.cat((rope_key, latent, latent.new_ones(num_tokens, 1)), dim=-1)


def attend(queries: Tensor, keys: Tensor, is_hidden: Tensor, scale: float, spec: CacheSpec) -> Tensor:
    """Softmax attention over cached entries.

    queries [T, H, W], keys [N, W], is_hidden [T, 1, N] -> [T, H, C]. Hidden keys weigh exactly zero, so the result
    does not depend on how many of them there are. Every row must see at least one key.
    """
    num_rows, num_heads, width = queries.shape
    rows_per_turn = max(1, MAX_SCORES // (num_heads * keys.shape[0]))
    if num_rows > rows_per_turn:
        turns = range(0, num_rows, rows_per_turn)
        return torch.cat(
            [
                attend(queries[i : i + rows_per_turn], keys, is_hidden[i : i + rows_per_turn], scale, spec)
                for i in turns
            ]
        )
    scores = linear(queries.reshape(-1, width), keys).mul_(scale)  # [T * H, N]
    scores.view(num_rows, num_heads, -1).masked_fill_(is_hidden, float("-inf"))
    weights = scores.sub_(scores.amax(dim=-1, keepdim=True)).exp_()
    # Whole entries serve as values, rope key included: a narrower view of them takes oneDNN's slow path.
    summed = _weigh(weights, keys)[:, spec.columns("latent", "one")]
    return (summed[:, :-1] / summed[:, -1:]).view(num_rows, num_heads, -1)


def _weigh(weights: Tensor, keys: Tensor) -> Tensor:
    """weights [M, N] times keys [N, W], key segment by key segment in ascending order: oneDNN's chain of additions
    is unbroken, and so the same whatever zeros follow or precede, for inner widths up to a segment's only."""
    parts = zip(weights.split(SEGMENT_KEYS, dim=1), keys.split(SEGMENT_KEYS), strict=True)
    products = [linear(part.contiguous(), segment.t()) for part, segment in parts]
    total = products[0]
    for product in products[1:]:
        total = total + product
    return total
