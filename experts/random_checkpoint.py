"""Small runnable checkpoints of the DeepSeek-V3 architecture with random weights, in Hugging Face format.

They say nothing sensible. They exist so that the demo and the tests have a model of every shape without a
download.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moray.architecture import Architecture, parse_architecture
from moray.errors import BadSetting
from moray.experts.checkpoint import INDEX_FILE, SINGLE_FILE
from moray.experts.demo_tokenizer import BOS_ID, EOS_ID, SMALLEST_VOCAB, write_demo_tokenizer
from moray.experts.fp8 import quantize_blocks
from moray.experts.safetensors_file import encode_header
from moray.experts.stored_weights import FP8_DTYPE
from moray.experts.tensors import SCALE_SUFFIX, Shape, expected_tensors, scale_shape

DEMO_CONFIG: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "dtype": "bfloat16",
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 768,
    "moe_intermediate_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": 96,
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 4,
    "topk_group": 2,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "num_nextn_predict_layers": 0,
    "hidden_act": "silu",
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "rope_interleave": True,
    "rope_scaling": {
        "type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 1024,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
    "max_position_embeddings": 4096,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "bos_token_id": BOS_ID,
    "eos_token_id": EOS_ID,
}

# Every part of the architecture in 0.1 M parameters: for tests that open many models.
TINY_CONFIG: dict[str, Any] = DEMO_CONFIG | {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 40,
    "moe_intermediate_size": 24,
    "num_hidden_layers": 3,
    "q_lora_rank": 20,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
}

FP8_CONFIG: dict[str, Any] = {
    "quant_method": "fp8",
    "fmt": "e4m3",
    "activation_scheme": "dynamic",
    "weight_block_size": [128, 128],
}

_STORED = {
    "float32": ("F32", torch.float32),
    "bfloat16": ("BF16", torch.bfloat16),
    "float16": ("F16", torch.float16),
}


def write_random_checkpoint(folder: Path | str, config: dict[str, Any], seed: int, num_parts: int = 1) -> None:
    """Write config.json, the weights and a tokenizer into ``folder``, made if need be.

    ``config`` is a DeepSeek-V3 config.json as a dict, for example ``DEMO_CONFIG | {"n_routed_experts":
    16}``. Its ``dtype`` is that of the weights; with ``quantization_config`` (``FP8_CONFIG``) projections
    are block-scaled FP8; with ``num_nextn_predict_layers`` the MTP layers are written too. A tensor's values
    depend on the seed, its name and its shape only, so an FP8 twin and one with MTP hold the same weights.
    Tensors go to ``num_parts`` files in turn, so with two or more an FP8 weight and its scales are apart. No
    tokenizer is written below 261 vocabulary entries. Raises BadCheckpoint or UnsupportedArchitecture for a
    config that this engine does not compute.
    """
    folder = Path(folder)
    architecture = parse_architecture(config, "the config of the random checkpoint")
    dtype = config.get("dtype", config.get("torch_dtype", "bfloat16"))
    if dtype not in _STORED or num_parts < 1:
        raise BadSetting(f"a random checkpoint needs a dtype among {', '.join(_STORED)} and at least one part")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _write_weights(folder, architecture, dtype, seed, num_parts)
    if architecture.vocab_size >= SMALLEST_VOCAB:
        write_demo_tokenizer(folder, architecture.vocab_size, architecture.max_position)


def _write_weights(folder: Path, architecture: Architecture, dtype: str, seed: int, num_parts: int) -> None:
    layout = _layout(architecture, dtype)
    if num_parts == 1:
        _write_part(folder / SINGLE_FILE, layout, architecture, seed)
        return
    weight_map: dict[str, str] = {}
    for index in range(num_parts):
        part = f"model-{index + 1:05d}-of-{num_parts:05d}.safetensors"
        mine = layout[index::num_parts]
        _write_part(folder / part, mine, architecture, seed)
        weight_map.update((name, part) for name, _, _ in mine)
    index_text = json.dumps({"metadata": {}, "weight_map": weight_map}, indent=2) + "\n"
    (folder / INDEX_FILE).write_text(index_text, encoding="utf-8")


def _layout(architecture: Architecture, dtype: str) -> list[tuple[str, str, Shape]]:
    """(name, stored dtype, shape) of every tensor, each FP8 weight followed by its scales."""
    layout: list[tuple[str, str, Shape]] = []
    for name, shape in expected_tensors(architecture).items():
        if architecture.fp8_block and _is_quantised(name):
            layout.append((name, FP8_DTYPE, shape))
            layout.append((name + SCALE_SUFFIX, "F32", scale_shape(shape, architecture.fp8_block)))
        elif name.endswith("e_score_correction_bias"):
            layout.append((name, "F32", shape))
        else:
            layout.append((name, _STORED[dtype][0], shape))
    return layout


def _is_quantised(name: str) -> bool:
    """Projections are, as in DeepSeek-V3; embeddings, norms, gates, heads and the MTP's eh_proj are not."""
    if name.endswith("eh_proj.weight"):
        return False
    return name.endswith(("_proj.weight", "_proj_with_mqa.weight"))


def _write_part(path: Path, layout: list[tuple[str, str, Shape]], architecture: Architecture, seed: int) -> None:
    with path.open("wb") as file:
        file.write(encode_header(layout))
        for content in _tensors(layout, architecture, seed):
            file.write(content.contiguous().view(-1).view(torch.uint8).numpy().data)


def _tensors(layout: list[tuple[str, str, Shape]], architecture: Architecture, seed: int) -> Iterator[Tensor]:
    block = architecture.fp8_block
    shapes = expected_tensors(architecture)
    plain = {word: kind for word, kind in _STORED.values()}
    for name, dtype, shape in layout:
        if name.endswith(SCALE_SUFFIX) and block:
            weight = name.removesuffix(SCALE_SUFFIX)
            yield quantize_blocks(_draw(weight, shapes[weight], seed), block)[1]
        elif dtype == FP8_DTYPE and block:
            yield quantize_blocks(_draw(name, shape, seed), block)[0]
        else:
            yield _draw(name, shape, seed).to(plain[dtype])


def _draw(name: str, shape: Shape, seed: int) -> Tensor:
    """Normal float32 values; numpy's generator, because torch's differs between CPUs."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    if name.endswith("norm.weight"):  # input_layernorm, q_a_layernorm, enorm, shared_head.norm, ...
        return 1.0 + 0.02 * values
    if name.endswith("e_score_correction_bias"):
        return 0.05 * values  # about the spread of the scores, so that it changes which experts are chosen
    return 0.02 * values
