"""The oracle: transformers' DeepSeek-V3, and random small checkpoints of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from moray.experts.demo_tokenizer import write_demo_tokenizer

VOCAB = 96


def random_config(seed: int) -> dict[str, Any]:
    """A small DeepSeek-V3 configuration; the first 24 seeds cover every switch in turn, later ones mix at random."""
    rng = random.Random(seed)
    groups, chosen_groups = [(1, 1), (2, 1), (2, 2), (4, 2), (4, 3), (8, 4)][seed % 6]
    per_group = 2 if groups == 8 else rng.choice([2, 3, 4])
    num_experts = max(groups * per_group, 4)
    yarn = {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": rng.choice([4.0, 40.0]),
        "original_max_position_embeddings": 64,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": rng.choice([1.0, 0.707]),
        "mscale_all_dim": rng.choice([1.0, 0.707]),
    }
    plain = {"rope_type": "default", "rope_theta": 10000.0}
    dense = seed % 3
    return {
        "vocab_size": VOCAB,
        "hidden_size": rng.choice([48, 64, 72]),
        "intermediate_size": rng.choice([80, 96]),
        "moe_intermediate_size": rng.choice([24, 33, 40]),
        "num_hidden_layers": dense + rng.choice([1, 2]),
        "num_attention_heads": rng.choice([2, 3, 4]),
        "q_lora_rank": None if seed % 2 else rng.choice([24, 32]),
        "kv_lora_rank": rng.choice([16, 20, 32]),
        "qk_nope_head_dim": rng.choice([8, 12, 16]),
        "qk_rope_head_dim": rng.choice([4, 8, 16]),
        "v_head_dim": rng.choice([8, 12, 16]),
        "n_routed_experts": num_experts,
        "n_shared_experts": (seed // 3) % 3 if seed % 5 else 1,
        "num_experts_per_tok": 1 + seed % 4 if chosen_groups * (num_experts // groups) >= 1 + seed % 4 else 1,
        "n_group": groups,
        "topk_group": chosen_groups,
        "first_k_dense_replace": dense,
        "norm_topk_prob": seed % 7 != 3,
        "routed_scaling_factor": rng.choice([1.0, 2.5]),
        "max_position_embeddings": 512,
        "rope_parameters": yarn if (seed // 2) % 2 else plain,
        "rope_interleave": seed % 8 != 5,
        "attention_bias": seed % 9 == 4,
        "tie_word_embeddings": seed % 10 == 6,
        "num_mtp_layers": 0,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }


def make_model(config: dict[str, Any], seed: int) -> Any:
    """Random weights, spread widely enough that greedy output does not settle on one token."""
    torch.manual_seed(seed)
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**config)).eval()
    model.set_experts_implementation("eager")  # the grouped kernel wants widths that are multiples of four
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("inv_freq"):
                continue
            if "layernorm" in name or name.endswith("norm.weight"):
                tensor.copy_(1.0 + 0.1 * torch.randn(tensor.shape, generator=generator))
            elif name.endswith("e_score_correction_bias"):
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
            else:
                scale = 1.0 if "embed" in name else max(tensor.shape[-1], 1) ** -0.5
                tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return model


def save_checkpoint(folder: Path, seed: int, **changes: Any) -> Any:
    model = make_model(random_config(seed) | changes, seed)
    model.save_pretrained(folder)
    return model


SERVED: dict[str, Any] = {  # eight experts, a real tokenizer, the oracle's widely spread weights
    "vocab_size": 512,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 4,
    "topk_group": 2,
    "max_position_embeddings": 4096,
}


def save_served(folder: Path, seed: int, **changes: Any) -> Any:
    """A checkpoint that `moray up` serves, and its oracle."""
    model = save_checkpoint(folder, seed, **SERVED | changes)
    write_demo_tokenizer(folder, SERVED["vocab_size"], SERVED["max_position_embeddings"])
    return model


def greedy(model: Any, prompt: list[int], num_tokens: int) -> tuple[list[int], torch.Tensor]:
    """Greedy continuation and the logits [num_tokens, V] each token was chosen from."""
    with torch.no_grad():
        output = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt)),  # otherwise guessed from token ids that look like padding
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
    return output.sequences[0, len(prompt) :].tolist(), torch.cat(output.logits)
