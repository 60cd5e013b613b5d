"""One readable YAML per model: sizes, data, optimiser. Everything that decides the weights stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from moray.architecture import Architecture, parse_architecture
from moray.errors import BadSetting
from moray.faults import first_fault

MAX_CONFIG_BYTES = 1 << 16
_HUGGING_FACE: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "dtype": "float32",
    "hidden_act": "silu",
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "moe_layer_freq": 1,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Part):
    seed: int = 1  # of the examples
    examples_per_step: PositiveInt  # of one optimiser step
    context_length: PositiveInt = 256  # tokens; a longer example is left out
    microbatch_tokens: PositiveInt = 4096  # padding included; what is computed at once
    prompt_weight: float = Field(0.0, ge=0.0, le=1.0)  # of a user's token in the loss; an answer's is 1
    tokenizer_examples: PositiveInt = 60_000  # that the vocabulary is learnt from


class Optimiser(_Part):
    learning_rate: PositiveFloat  # of all weights: Muon's steps are scaled to AdamW's (arXiv 2502.16982)
    weight_decay: float = Field(0.1, ge=0.0)
    momentum: float = Field(0.95, ge=0.0, lt=1.0)  # Muon's
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW's
    clip: PositiveFloat = 1.0  # the most that the gradients' common norm may be
    warmup_share: float = Field(0.02, ge=0.0, lt=1.0)  # of all steps, from 0 up
    decay_share: float = Field(0.5, gt=0.0, le=1.0)  # of all steps, down to 0 in a line; between the two it is constant


class TrainingConfig(_Part):
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")
    seed: int = 1  # of the first weights
    steps: PositiveInt
    model: dict[str, Any]  # as in config.json of a DeepSeek-V3 checkpoint; the rest of it is filled in
    data: Data
    optimiser: Optimiser
    mtp_weight: float = Field(0.3, ge=0.0)  # of the loss of the token after the next
    balance_step: float = Field(0.005, ge=0.0)  # of a gate's bias against the load, at the full rate
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of products; auto: bfloat16 where it is fast
    checkpoint_every: PositiveInt = 50  # steps

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        if "vocab_size" not in self.model:
            raise ValueError("model.vocab_size is missing")
        return self

    def hugging_face(self) -> dict[str, Any]:
        """The content of config.json, but for the ids of special tokens."""
        return _HUGGING_FACE | self.model

    def architecture(self) -> Architecture:
        """Raises BadCheckpoint or UnsupportedArchitecture for sizes that do not fit together."""
        return parse_architecture(self.hugging_face(), f"the model of {self.name}")


def read_config(path: Path) -> TrainingConfig:
    """Raises BadSetting with the field that is wrong, BadCheckpoint when the model's sizes do not fit together."""
    try:
        with path.open("rb") as file:
            raw = yaml.safe_load(file.read(MAX_CONFIG_BYTES))
        config = TrainingConfig.model_validate(raw)
    except OSError as error:
        raise BadSetting(f"cannot read {path}: {error.strerror}; give the YAML file of a model") from None
    except yaml.YAMLError as error:
        raise BadSetting(f"{path} is no YAML: {' '.join(str(error).split())}; correct it") from None
    except ValidationError as error:
        raise BadSetting(f"{path}: {first_fault(error, 'the file')}; correct it") from None
    config.architecture()
    return config


def compute_type(precision: str, device: torch.device) -> torch.dtype:
    """The type that products are computed in. Processors that lack bfloat16 are many times slower with it."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        is_fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if is_fast else torch.float32
