"""Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434 section 2.1) in its absorbed form, for every token.

Absorbed: the key half of ``kv_b_proj`` is folded into the query, its value half into the output, so that attention
runs over the compressed latent itself and the cache holds nothing else. Prefill and decode use this one form, since
the expanded form differs in its last bits. Shapes: T tokens, H heads, C latent, R rope, N keys, W = R + C + 1.

Bits: a score is a sum over blocks of columns, a value a sum over segments of keys, both in ascending order, and each
block is one chain of fused multiply-adds (see ``experts/linear.py``), however many rows and sequences run together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.linear import CHAIN_WIDTH, PerHeadLinear, linear, linear_each, pack
from moray.experts.source import ModelSource
from moray.router.kv_cache import CacheSpec, LayerCache
from moray.router.norm import rms_norm
from moray.router.rope import RotaryTable
from moray.router.step import SEGMENT_KEYS, DecodeRows, PromptRows, StepInputs

MAX_SCORES = 1 << 20  # scores of one product (4 MiB of float32, which caches hold); more rows are done in turns
CALL_IN_WEIGHTS = 1 << 15  # a product's call costs about as much as reading this many more weights


class Attention(Protocol):
    """The seam for other families: declares what it caches, then maps hidden states [T, D] to [T, D]."""

    def cache_spec(self) -> CacheSpec: ...

    def __call__(self, hidden_states: Tensor, step: StepInputs, cache: LayerCache) -> Tensor: ...


class LatentAttention:
    def __init__(self, source: ModelSource, prefix: str, rotary: RotaryTable) -> None:
        """Weights ``{prefix}.*`` of one layer. Raises what ``source.tensor`` raises."""
        arch = source.architecture
        self.arch, self.rotary = arch, rotary

        def bias(name: str) -> Tensor | None:
            return source.tensor(f"{prefix}.{name}.bias") if arch.attention_bias else None

        down = source.tensor(f"{prefix}.kv_a_proj_with_mqa.weight")
        down_bias = bias("kv_a_proj_with_mqa")
        self.q_norm: Tensor | None = None
        if arch.q_lora_rank is not None:  # both down-projections read the same input: one product
            down = torch.cat((down, source.tensor(f"{prefix}.q_a_proj.weight")))
            q_bias = bias("q_a_proj")
            if down_bias is not None and q_bias is not None:
                down_bias = torch.cat((down_bias, q_bias))
            self.q_norm = source.tensor(f"{prefix}.q_a_layernorm.weight")
            q_up = source.tensor(f"{prefix}.q_b_proj.weight")
        else:
            q_up = source.tensor(f"{prefix}.q_proj.weight")
        self.down, self.down_bias = pack(down), down_bias
        self.kv_norm = source.tensor(f"{prefix}.kv_a_layernorm.weight")
        kv_up = source.tensor(f"{prefix}.kv_b_proj.weight")
        kv_up = kv_up.view(arch.num_heads, arch.qk_nope_head_dim + arch.v_head_dim, arch.kv_lora_rank)
        key_up, value_up = kv_up.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=1)
        self.make_queries = QueryProjection(arch, q_up, key_up)
        self.make_outputs = OutputProjection(arch, source.tensor(f"{prefix}.o_proj.weight"), value_up, bias("o_proj"))

    def cache_spec(self) -> CacheSpec:
        # "one" is the constant 1: with it the softmax's denominator is one more column of the value product, summed
        # in the same order as the numerators.
        return CacheSpec((("rope_key", self.arch.qk_rope_head_dim), ("latent", self.arch.kv_lora_rank), ("one", 1)))

    def __call__(self, hidden_states: Tensor, step: StepInputs, cache: LayerCache) -> Tensor:
        queries, entries = self.project(hidden_states, step.positions)
        cache.write(step.slots, entries)
        if len(step.decodes) == 1 and not step.prompts and isinstance(step.decodes[0].rows, slice):
            return self.make_outputs(attend_decode(queries, cache, step.decodes[0]))
        latents = queries.new_empty(*queries.shape[:2], self.arch.kv_lora_rank)
        for prompt in step.prompts:
            latents[prompt.rows] = attend_prompt(queries[prompt.rows], cache, prompt)
        for batch in step.decodes:
            latents[batch.rows] = attend_decode(queries[batch.rows], cache, batch)
        return self.make_outputs(latents)

    def project(self, hidden_states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Queries [T, H, W] and cache entries [T, W], both in the cache's column order."""
        arch, rope = self.arch, self.arch.qk_rope_head_dim
        lowered = linear(hidden_states, self.down, self.down_bias)
        latent, rope_key = lowered[:, : arch.kv_lora_rank], lowered[:, arch.kv_lora_rank : arch.kv_lora_rank + rope]
        q_latent = hidden_states
        if self.q_norm is not None:
            q_latent = rms_norm(lowered[:, arch.kv_lora_rank + rope :], self.q_norm, arch.rms_norm_eps)
        queries = self.make_queries(q_latent)
        rotated = self.rotary.rotate(torch.cat((queries[..., :rope], rope_key[:, None]), dim=1), positions)
        queries[..., :rope] = rotated[:, :-1]
        latent = rms_norm(latent, self.kv_norm, arch.rms_norm_eps)
        return queries, torch.cat((rotated[:, -1], latent, latent.new_ones(latent.shape[0], 1)), dim=-1)


class QueryProjection:
    """``[T, Q]`` to queries ``[T, H, W]`` before rotation: rope part, absorbed part, a zero for the column "one"; all
    scaled for the softmax. Up-projection and absorption are one product where that is cheaper."""

    def __init__(self, arch: Architecture, q_up: Tensor, key_up: Tensor) -> None:
        """q_up [H * (nope + R), Q], key_up [H, nope, C]."""
        self.arch, scale = arch, arch.softmax_scale
        heads, nope, latent = key_up.shape
        self.absorb: PerHeadLinear | None = None
        per_head = q_up.view(heads, -1, q_up.shape[1]).double() * scale
        if heads * (latent * q_up.shape[1] - nope * (q_up.shape[1] + latent)) > CALL_IN_WEIGHTS:
            self.absorb = PerHeadLinear(key_up.transpose(1, 2))
            self.up = pack(per_head.float().flatten(0, 1))
            return
        absorbed = key_up.double().transpose(1, 2) @ per_head[:, :nope]  # [H, C, Q]
        zero = absorbed.new_zeros(heads, 1, q_up.shape[1])
        self.up = pack(torch.cat((per_head[:, nope:], absorbed, zero), dim=1).float().flatten(0, 1))

    def __call__(self, x: Tensor) -> Tensor:
        raised = linear(x, self.up).view(x.shape[0], self.arch.num_heads, -1)
        if self.absorb is None:
            return raised
        nope = self.arch.qk_nope_head_dim
        absorbed = self.absorb(raised[..., :nope])
        return torch.cat((raised[..., nope:], absorbed, absorbed.new_zeros(*absorbed.shape[:2], 1)), dim=-1)


class OutputProjection:
    """Latents ``[T, H, C]`` to ``[T, D]``: through values and ``o_proj``, or at once where that is cheaper."""

    def __init__(self, arch: Architecture, out: Tensor, value_up: Tensor, bias: Tensor | None) -> None:
        """out [D, H * v], value_up [H, v, C]."""
        heads, width, latent = value_up.shape
        self.values: PerHeadLinear | None = None
        self.bias = bias
        if heads * (latent * out.shape[0] - width * (out.shape[0] + latent)) > CALL_IN_WEIGHTS:
            self.values = PerHeadLinear(value_up)
            self.out = pack(out)
            return
        per_head = out.view(out.shape[0], heads, width).transpose(0, 1).double()  # [H, D, v]
        self.out = pack((per_head @ value_up.double()).transpose(0, 1).flatten(1).float())  # [D, H * C]

    def __call__(self, latents: Tensor) -> Tensor:
        values: Tensor = latents if self.values is None else self.values(latents)
        return linear(values.reshape(values.shape[0], -1), self.out, self.bias)


def attend_decode(queries: Tensor, cache: LayerCache, batch: DecodeRows) -> Tensor:
    """Softmax attention of one row per sequence over its cached entries: queries [B, H, W] -> [B, H, C].

    Hidden keys weigh exactly zero, so the result does not depend on how many of them there are.
    """
    num_segments, _, num_keys = batch.is_hidden.shape
    keys = cache.read(batch.pages).view(num_segments, num_keys, -1)
    if batch.owners is not None:
        queries = queries.index_select(0, batch.owners)
    scores = None
    for columns in _column_blocks(queries.shape[-1]):
        part = linear_each(queries[..., columns], keys[..., columns])
        scores = part if scores is None else scores.add_(part)
    assert scores is not None  # [S, H, N]
    scores.masked_fill_(batch.is_hidden, float("-inf"))
    peaks = scores.amax(dim=-1, keepdim=True)
    if batch.owners is not None:
        peaks = _peaks_of_rows(peaks, batch.depths).index_select(0, batch.owners)
    weights = scores.sub_(peaks).exp_()
    return _normalised(_sum_in_order(linear_each(weights, keys.transpose(1, 2)), batch.depths), cache.spec)


def attend_prompt(queries: Tensor, cache: LayerCache, prompt: PromptRows) -> Tensor:
    """Softmax attention of several rows of one sequence: queries [T, H, W] -> [T, H, C]."""
    keys = cache.read(prompt.pages)
    rows_per_turn = max(1, MAX_SCORES // (queries.shape[1] * keys.shape[0]))
    turns = zip(queries.split(rows_per_turn), prompt.is_hidden.split(rows_per_turn), strict=True)
    outputs = [_attend_rows(rows, keys, is_hidden, cache.spec) for rows, is_hidden in turns]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _attend_rows(queries: Tensor, keys: Tensor, is_hidden: Tensor, spec: CacheSpec) -> Tensor:
    """queries [T, H, W], keys [N, W], is_hidden [T, 1, N] -> [T, H, C]"""
    num_rows, num_heads, width = queries.shape
    flat, scores = queries.reshape(-1, width), None
    for columns in _column_blocks(width):
        # A narrower view as a weight would take oneDNN's slow path.
        part = linear(flat[:, columns].contiguous(), keys[:, columns].contiguous())
        scores = part if scores is None else scores.add_(part)
    assert scores is not None  # [T * H, N]
    scores.view(num_rows, num_heads, -1).masked_fill_(is_hidden, float("-inf"))
    weights = scores.sub_(scores.amax(dim=-1, keepdim=True)).exp_()
    num_segments = -(-keys.shape[0] // SEGMENT_KEYS)
    by_segment = weights.view(weights.shape[0], num_segments, -1).transpose(0, 1)
    parts = linear_each(by_segment, keys.view(num_segments, -1, width).transpose(1, 2))  # [S, T * H, W]
    return _normalised(_sum_in_order(parts, (1,) * num_segments), spec).view(num_rows, num_heads, -1)


def _column_blocks(width: int) -> list[slice]:
    return [slice(start, min(start + CHAIN_WIDTH, width)) for start in range(0, width, CHAIN_WIDTH)]


def _peaks_of_rows(peaks: Tensor, depths: tuple[int, ...]) -> Tensor:
    """The highest of each row's segments: peaks [S, H, 1] -> [B, H, 1]."""
    parts: Sequence[Tensor] = torch.split(peaks, list(depths))
    highest = parts[0].clone()
    for part in parts[1:]:
        torch.maximum(highest[: part.shape[0]], part, out=highest[: part.shape[0]])
    return highest


def _sum_in_order(parts: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Each row's segments summed, the first one first: parts [S, ...] -> [B, ...]; ``parts`` is used up."""
    by_depth: Sequence[Tensor] = torch.split(parts, list(depths))
    total = by_depth[0]
    for part in by_depth[1:]:
        total[: part.shape[0]] += part
    return total


def _normalised(summed: Tensor, spec: CacheSpec) -> Tensor:
    """Weighted entries [..., W] to weighted means of their latents [..., C]: "one" has summed the weights."""
    summed = summed[..., spec.columns("latent", "one")]
    return summed[..., :-1] / summed[..., -1:]
