"""Which tensors a checkpoint of an architecture holds: names and shapes.

Names are DeepSeek-V3's (README_WEIGHTS.md and inference/convert.py of deepseek-ai/DeepSeek-V3), the multi-
token prediction layers' as vLLM's deepseek_mtp.py reads them. Shapes are ``[out, in]`` for projections. D
hidden, F intermediate, E experts, H heads, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from moray.architecture import Architecture
from moray.errors import BadCheckpoint, UnsupportedArchitecture

Shape = tuple[int, ...]

SCALE_SUFFIX = "_scale_inv"  # "x.weight" -> "x.weight_scale_inv"
MAX_EXPERT_COPIES = 1 << 20  # layers x experts; DeepSeek-V3 has 15,616. A config beyond it is a mistake or an attack
_EXPERT_NAME = re.compile(r"model\.layers\.(\d+)\.mlp\.experts\.(\d+)\.")
_LAYER_NAME = re.compile(r"model\.layers\.(\d+)\.")


def expert_prefix(layer: int, expert_id: int) -> str:
    return f"model.layers.{layer}.mlp.experts.{expert_id}"


def expert_of(name: str) -> int | None:
    """The routed expert that a tensor belongs to, None for the backbone's."""
    match = _EXPERT_NAME.match(name)
    return int(match[2]) if match else None


def layer_of(name: str) -> int | None:
    match = _LAYER_NAME.match(name)
    return int(match[1]) if match else None


def expected_tensors(architecture: Architecture) -> dict[str, Shape]:
    """Every tensor of the model except FP8 scales, in model order: embedding, layers, norm, head, MTP layers.

    Raises UnsupportedArchitecture when there are more layers and experts than any real model has.
    """
    a = architecture
    if (a.num_layers + a.num_mtp_layers) * a.num_experts > MAX_EXPERT_COPIES:
        raise UnsupportedArchitecture(
            f"{a.num_layers} layers of {a.num_experts} experts are too many "
            f"(at most {MAX_EXPERT_COPIES} in all); check config.json"
        )
    tensors: dict[str, Shape] = {"model.embed_tokens.weight": (a.vocab_size, a.hidden_size)}
    for layer in range(a.num_layers):
        tensors.update(_decoder_layer(a, layer))
    tensors["model.norm.weight"] = (a.hidden_size,)
    if not a.tie_word_embeddings:
        tensors["lm_head.weight"] = (a.vocab_size, a.hidden_size)
    for layer in range(a.num_layers, a.num_layers + a.num_mtp_layers):
        tensors.update(_mtp_extras(a, layer))
        tensors.update(_decoder_layer(a, layer))
    return tensors


def expert_tensors(architecture: Architecture, expert_id: int) -> dict[str, Shape]:
    """The tensors of one routed expert, in layer order."""
    tensors: dict[str, Shape] = {}
    for layer in architecture.moe_layers:
        prefix = expert_prefix(layer, expert_id)
        tensors.update(_gated_mlp(prefix, architecture.hidden_size, architecture.moe_intermediate_size))
    return tensors


def scale_shape(shape: Shape, block: tuple[int, int]) -> Shape:
    """Shape of a weight's block scales: ceil(out / block rows), ceil(in / block columns)."""
    return (-(-shape[0] // block[0]), -(-shape[1] // block[1]))


def settle_mtp(architecture: Architecture, names: frozenset[str]) -> Architecture:
    """The architecture with ``num_mtp_layers`` 0 when the checkpoint holds none of the MTP layers' tensors.

    Configs promise ``num_nextn_predict_layers`` 1 and exports leave the layer out: transformers' do.
    """
    mtp = range(architecture.num_layers, architecture.num_layers + architecture.num_mtp_layers)
    if not mtp or any(layer_of(name) in mtp for name in names):
        return architecture
    return architecture.model_copy(update={"num_mtp_layers": 0})


def refuse_unknown(architecture: Architecture, names: Iterator[str], where: str) -> None:
    """Raise BadCheckpoint for the first tensor that the architecture has no place for.

    Let through, and not used: stored rotary frequencies, the head of a tied model, scales (checked with their
    weights) and layers past the last one, which are MTP layers that the config does not count.
    """
    known = expected_tensors(architecture)
    last = architecture.num_layers + architecture.num_mtp_layers
    for name in names:
        if name in known or name.removesuffix(SCALE_SUFFIX) in known or name.endswith("rotary_emb.inv_freq"):
            continue
        if name == "lm_head.weight" or (layer_of(name) or 0) >= last:
            continue
        raise BadCheckpoint(
            f"{where}: tensor {name} has no place in the model of config.json; the two are of different models"
        )


def _decoder_layer(a: Architecture, layer: int) -> dict[str, Shape]:
    prefix = f"model.layers.{layer}"
    tensors: dict[str, Shape] = {f"{prefix}.input_layernorm.weight": (a.hidden_size,)}
    tensors.update(_attention(a, f"{prefix}.self_attn"))
    tensors[f"{prefix}.post_attention_layernorm.weight"] = (a.hidden_size,)
    if layer not in a.moe_layers:
        tensors.update(_gated_mlp(f"{prefix}.mlp", a.hidden_size, a.intermediate_size))
        return tensors
    tensors[f"{prefix}.mlp.gate.weight"] = (a.num_experts, a.hidden_size)
    tensors[f"{prefix}.mlp.gate.e_score_correction_bias"] = (a.num_experts,)
    if a.num_shared_experts:
        width = a.moe_intermediate_size * a.num_shared_experts  # shared experts are stored as one wide one
        tensors.update(_gated_mlp(f"{prefix}.mlp.shared_experts", a.hidden_size, width))
    for expert_id in range(a.num_experts):
        tensors.update(_gated_mlp(expert_prefix(layer, expert_id), a.hidden_size, a.moe_intermediate_size))
    return tensors


def _attention(a: Architecture, prefix: str) -> dict[str, Shape]:
    query_width = a.num_heads * (a.qk_nope_head_dim + a.qk_rope_head_dim)
    latent_width = a.kv_lora_rank + a.qk_rope_head_dim
    tensors: dict[str, Shape] = {}
    if a.q_lora_rank is None:
        tensors[f"{prefix}.q_proj.weight"] = (query_width, a.hidden_size)
    else:
        tensors[f"{prefix}.q_a_proj.weight"] = (a.q_lora_rank, a.hidden_size)
        if a.attention_bias:
            tensors[f"{prefix}.q_a_proj.bias"] = (a.q_lora_rank,)
        tensors[f"{prefix}.q_a_layernorm.weight"] = (a.q_lora_rank,)
        tensors[f"{prefix}.q_b_proj.weight"] = (query_width, a.q_lora_rank)
    tensors[f"{prefix}.kv_a_proj_with_mqa.weight"] = (latent_width, a.hidden_size)
    if a.attention_bias:
        tensors[f"{prefix}.kv_a_proj_with_mqa.bias"] = (latent_width,)
    tensors[f"{prefix}.kv_a_layernorm.weight"] = (a.kv_lora_rank,)
    tensors[f"{prefix}.kv_b_proj.weight"] = (
        a.num_heads * (a.qk_nope_head_dim + a.v_head_dim),
        a.kv_lora_rank,
    )
    tensors[f"{prefix}.o_proj.weight"] = (a.hidden_size, a.num_heads * a.v_head_dim)
    if a.attention_bias:
        tensors[f"{prefix}.o_proj.bias"] = (a.hidden_size,)
    return tensors


def _gated_mlp(prefix: str, hidden: int, width: int) -> dict[str, Shape]:
    return {
        f"{prefix}.gate_proj.weight": (width, hidden),
        f"{prefix}.up_proj.weight": (width, hidden),
        f"{prefix}.down_proj.weight": (hidden, width),
    }


def _mtp_extras(a: Architecture, layer: int) -> dict[str, Shape]:
    """What an MTP layer has besides a decoder layer; ``eh_proj`` takes the embedding first, then the state."""
    prefix = f"model.layers.{layer}"
    return {
        f"{prefix}.embed_tokens.weight": (a.vocab_size, a.hidden_size),
        f"{prefix}.enorm.weight": (a.hidden_size,),
        f"{prefix}.hnorm.weight": (a.hidden_size,),
        f"{prefix}.eh_proj.weight": (a.hidden_size, 2 * a.hidden_size),
        f"{prefix}.shared_head.norm.weight": (a.hidden_size,),
        f"{prefix}.shared_head.head.weight": (a.vocab_size, a.hidden_size),
    }
