"""A small model to train, and random ones whose logits are far from flat."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils._pytree import tree_flatten

from moray.architecture import Architecture
from moray.training.config import TrainingConfig, read_config
from moray.training.model import DeepSeekModel
from moray.training.tokenizer import generated_texts, train_tokenizer

CONFIGS = Path(__file__).parent.parent / "training" / "configs"
TINY = CONFIGS / "tiny.yaml"


def tiny(model: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """The configuration of tests, ``model``'s sizes and other fields changed."""
    config = read_config(TINY)
    return config.model_copy(update=changes | {"model": config.model | (model or {})})


@cache
def tiny_tokenizer() -> Tokenizer:
    config = read_config(TINY)
    return train_tokenizer(generated_texts(config.data.seed, config.data.tokenizer_examples), 512)


def random_model(architecture: Architecture, seed: int) -> DeepSeekModel:
    """Weights so widely spread that every part shows in the logits."""
    model = DeepSeekModel(architecture)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator)
            if "norm" in name:
                tensor.copy_(1.0 + 0.1 * noise)
            elif name.endswith("e_score_correction_bias"):
                tensor.copy_(0.1 * noise)
            else:
                tensor.copy_(noise if "embed" in name else noise * tensor.shape[-1] ** -0.5)
    return model


def deviation(rows: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((rows - expected).abs().max() / expected.abs().max())


def is_same(state: Any, other: Any) -> bool:
    """Bit for bit, and of one structure."""
    (leaves, structure), (others, its) = tree_flatten(state), tree_flatten(other)
    return structure == its and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(leaves, others, strict=True)
    )
