"""The dense part of the model, which the router keeps: embedding, attention, norms, gates, shared experts, head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from moray.architecture import Architecture
from moray.experts.compiled import Ids, Rows
from moray.experts.ffn import FeedForward, load_feed_forward
from moray.experts.linear import Linear, load_linear, rms_norm, to_array
from moray.experts.source import ModelSource
from moray.router.attention import Attention, LatentAttention
from moray.router.gate import Gate, load_gate
from moray.router.rope import RotaryTable


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. ``gate`` None: dense, and ``local`` is its feed-forward. Otherwise a mixture, and ``local``
    holds its shared experts, all as one (None: it has none); the routed ones are elsewhere."""

    index: int
    input_norm: NDArray[np.float32]  # [D]
    attention: Attention
    post_norm: NDArray[np.float32]  # [D]
    gate: Gate | None
    local: FeedForward | None


@dataclass(frozen=True, slots=True)
class Backbone:
    architecture: Architecture
    embedding: Rows  # [V, D]
    layers: tuple[Layer, ...]
    norm: NDArray[np.float32]  # [D]
    head: Linear

    def embed(self, token_ids: Ids) -> Rows:
        rows: Rows = self.embedding[token_ids]
        return rows

    def logits(self, hidden_states: Rows) -> Rows:
        """[B, D] -> [B, V]"""
        return self.head(rms_norm(hidden_states, self.norm, self.architecture.rms_norm_eps))


def load_backbone(source: ModelSource, context_length: int) -> Backbone:
    """Read every weight but the routed experts'. Raises BadCheckpoint as ``source.tensor`` does."""
    arch = source.architecture
    rotary = RotaryTable(arch, context_length)
    embedding = source.tensor("model.embed_tokens.weight")
    return Backbone(
        architecture=arch,
        embedding=to_array(embedding),
        layers=tuple(_load_layer(source, index, rotary) for index in range(arch.num_layers)),
        norm=to_array(source.tensor("model.norm.weight")),
        head=load_linear(embedding if arch.tie_word_embeddings else source.tensor("lm_head.weight")),
    )


def _load_layer(source: ModelSource, index: int, rotary: RotaryTable) -> Layer:
    arch, prefix = source.architecture, f"model.layers.{index}"
    gate: Gate | None = None
    local: FeedForward | None
    if index in arch.moe_layers:
        bias = source.tensor(f"{prefix}.mlp.gate.e_score_correction_bias")
        gate = load_gate(source.tensor(f"{prefix}.mlp.gate.weight"), bias, arch)
        local = _load_local(source, f"{prefix}.mlp.shared_experts") if arch.num_shared_experts else None
    else:
        local = _load_local(source, f"{prefix}.mlp")
    return Layer(
        index=index,
        input_norm=to_array(source.tensor(f"{prefix}.input_layernorm.weight")),
        attention=LatentAttention(source, f"{prefix}.self_attn", rotary),
        post_norm=to_array(source.tensor(f"{prefix}.post_attention_layernorm.weight")),
        gate=gate,
        local=local,
    )


def _load_local(source: ModelSource, prefix: str) -> FeedForward:
    gate, up = (source.tensor(f"{prefix}.{name}_proj.weight") for name in ("gate", "up"))
    return load_feed_forward(torch.cat((gate, up)), source.tensor(f"{prefix}.down_proj.weight"))
