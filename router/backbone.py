"""The dense part of the model, which the router keeps: embedding, attention, norms, gates, shared experts, head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.experts.ffn import feed_forward
from moray.experts.linear import linear, pack
from moray.experts.source import ModelSource
from moray.router.attention import Attention, LatentAttention
from moray.router.gate import Gate, SigmoidGate
from moray.router.norm import rms_norm
from moray.router.rope import RotaryTable


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A dense layer's feed-forward, or all shared experts of a mixture as one."""

    gate_up: Tensor  # [2F, D], gate rows first
    down: Tensor  # [D, F]

    def __call__(self, x: Tensor) -> Tensor:
        return feed_forward(x, self.gate_up, self.down)


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. ``gate`` None: dense, and ``local`` is its feed-forward. Otherwise a mixture, and ``local``
    holds its shared experts (None: it has none); the routed ones are elsewhere."""

    index: int
    input_norm: Tensor  # [D]
    attention: Attention
    post_norm: Tensor  # [D]
    gate: Gate | None
    local: FeedForward | None


@dataclass(frozen=True, slots=True)
class Backbone:
    architecture: Architecture
    embedding: Tensor  # [V, D]
    layers: tuple[Layer, ...]
    norm: Tensor  # [D]
    head: Tensor  # [V, D]

    def embed(self, token_ids: Tensor) -> Tensor:
        return self.embedding[token_ids]

    def logits(self, hidden_states: Tensor) -> Tensor:
        """[B, D] -> [B, V]"""
        return linear(rms_norm(hidden_states, self.norm, self.architecture.rms_norm_eps), self.head)


def load_backbone(source: ModelSource, context_length: int) -> Backbone:
    """Read every weight but the routed experts'. Raises BadCheckpoint as ``source.tensor`` does."""
    arch = source.architecture
    rotary = RotaryTable(arch, context_length)
    embedding = source.tensor("model.embed_tokens.weight")
    return Backbone(
        architecture=arch,
        embedding=embedding,
        layers=tuple(_load_layer(source, index, rotary) for index in range(arch.num_layers)),
        norm=source.tensor("model.norm.weight"),
        head=pack(embedding if arch.tie_word_embeddings else source.tensor("lm_head.weight")),
    )


def _load_layer(source: ModelSource, index: int, rotary: RotaryTable) -> Layer:
    arch, prefix = source.architecture, f"model.layers.{index}"
    gate: Gate | None = None
    local: FeedForward | None
    if index in arch.moe_layers:
        bias = source.tensor(f"{prefix}.mlp.gate.e_score_correction_bias")
        gate = SigmoidGate(pack(source.tensor(f"{prefix}.mlp.gate.weight")), bias, arch)
        local = _load_feed_forward(source, f"{prefix}.mlp.shared_experts") if arch.num_shared_experts else None
    else:
        local = _load_feed_forward(source, f"{prefix}.mlp")
    return Layer(
        index=index,
        input_norm=source.tensor(f"{prefix}.input_layernorm.weight"),
        attention=LatentAttention(source, f"{prefix}.self_attn", rotary),
        post_norm=source.tensor(f"{prefix}.post_attention_layernorm.weight"),
        gate=gate,
        local=local,
    )


def _load_feed_forward(source: ModelSource, prefix: str) -> FeedForward:
    gate, up = (source.tensor(f"{prefix}.{name}_proj.weight") for name in ("gate", "up"))
    return FeedForward(pack(torch.cat((gate, up))), pack(source.tensor(f"{prefix}.down_proj.weight")))
