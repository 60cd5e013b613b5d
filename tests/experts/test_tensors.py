"""The tensors of an architecture, against the published size of the real one."""

from __future__ import annotations

import math

from moray.architecture import parse_architecture
from moray.experts.random_checkpoint import TINY_CONFIG
from moray.experts.tensors import expected_tensors, expert_of, expert_tensors, scale_shape


def test_the_tensors_of_deepseek_v3_add_up_to_its_published_size() -> None:
    config = {
        "vocab_size": 129280,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "num_hidden_layers": 61,
        "first_k_dense_replace": 3,
        "num_attention_heads": 128,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "n_group": 8,
        "topk_group": 4,
    }
    architecture = parse_architecture(TINY_CONFIG | config, "test")
    count = {name: math.prod(shape) for name, shape in expected_tensors(architecture).items()}
    assert round(sum(count.values()) / 1e9, 1) == 671.0
    one_expert = sum(math.prod(shape) for shape in expert_tensors(architecture, 255).values())
    assert one_expert == 58 * 3 * 7168 * 2048
    assert sum(count[name] for name in count if expert_of(name) == 255) == one_expert
    # kv_a_proj_with_mqa has 576 rows: five rows of scales
    name = "model.layers.60.self_attn.kv_a_proj_with_mqa.weight"
    assert scale_shape(expected_tensors(architecture)[name], (128, 128)) == (5, 56)
