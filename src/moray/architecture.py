"""What a model looks like: the sizes of a DeepSeek-V3 family checkpoint, read from its ``config.json``.

Field names are Moray's (DESIGN words); aliases are Hugging Face's. Format: ``config.json`` of deepseek-ai/DeepSeek-V3
(``rope_scaling`` + ``rope_theta``) and of transformers 5 (``rope_parameters``).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from moray.errors import BadCheckpoint, UnsupportedArchitecture

SUPPORTED_MODEL_TYPES = ("deepseek_v3",)
MAX_CONFIG_BYTES = 1 << 20


class YarnScaling(BaseModel):
    """YaRN context extension (arXiv 2309.00071) as DeepSeek-V3 configures it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    factor: float = Field(ge=1.0)
    original_max_position_embeddings: PositiveInt
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    attention_factor: float | None = None
    truncate: bool = True

    @staticmethod
    def _mscale(factor: float, mscale: float) -> float:
        return 1.0 if factor <= 1.0 else 0.1 * mscale * math.log(factor) + 1.0

    @property
    def cos_sin_factor(self) -> float:
        """What cos and sin are multiplied by: mscale(factor, mscale) / mscale(factor, mscale_all_dim)."""
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            return self._mscale(self.factor, self.mscale) / self._mscale(self.factor, self.mscale_all_dim)
        return self._mscale(self.factor, 1.0)

    @property
    def softmax_factor(self) -> float:
        """What the softmax scale is multiplied by: mscale(factor, mscale_all_dim) squared."""
        return self._mscale(self.factor, self.mscale_all_dim) ** 2 if self.mscale_all_dim else 1.0


class Architecture(BaseModel):
    """Sizes and switches of one model; everything that decides its mathematics except the weights."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    model_type: str
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    moe_intermediate_size: PositiveInt
    num_layers: PositiveInt = Field(alias="num_hidden_layers")
    num_heads: PositiveInt = Field(alias="num_attention_heads")
    q_lora_rank: PositiveInt | None = None
    kv_lora_rank: PositiveInt
    qk_nope_head_dim: PositiveInt
    qk_rope_head_dim: PositiveInt
    v_head_dim: PositiveInt
    num_experts: PositiveInt = Field(alias="n_routed_experts")
    num_shared_experts: int = Field(alias="n_shared_experts", ge=0, default=0)
    experts_per_token: PositiveInt = Field(alias="num_experts_per_tok")
    num_groups: PositiveInt = Field(alias="n_group", default=1)
    num_chosen_groups: PositiveInt = Field(alias="topk_group", default=1)
    num_dense_layers: int = Field(alias="first_k_dense_replace", ge=0, default=0)
    num_mtp_layers: int = Field(alias="num_nextn_predict_layers", ge=0, default=0)
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_interleave: bool = True
    yarn: YarnScaling | None = None
    max_position: PositiveInt = Field(alias="max_position_embeddings")
    attention_bias: bool = False
    tie_word_embeddings: bool = False
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = Field(alias="eos_token_id", default=())
    fp8_block: tuple[int, int] | None = None  # rows, columns that share one scale

    @property
    def num_moe_layers(self) -> int:
        return max(0, self.num_layers - self.num_dense_layers)

    @property
    def moe_layers(self) -> tuple[int, ...]:
        """Layer indices whose feed-forward is a mixture, the MTP layers' included."""
        return tuple(range(min(self.num_dense_layers, self.num_layers), self.num_layers + self.num_mtp_layers))

    @property
    def softmax_scale(self) -> float:
        head_dim = self.qk_nope_head_dim + self.qk_rope_head_dim
        return 1.0 / math.sqrt(head_dim) * (self.yarn.softmax_factor if self.yarn else 1.0)

    @model_validator(mode="before")
    @classmethod
    def _from_hugging_face(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        raw = dict(raw)
        rope = raw.pop("rope_parameters", None) or raw.pop("rope_scaling", None) or {}
        if rope:
            if "rope_theta" in rope:
                raw["rope_theta"] = rope["rope_theta"]
            kind = rope.get("rope_type", rope.get("type", "default"))
            if kind == "yarn":
                # transformers falls back to the model's own context when the key is absent
                original = rope.get("original_max_position_embeddings", raw.get("max_position_embeddings"))
                raw["yarn"] = {**rope, "original_max_position_embeddings": original}
            elif kind != "default":
                raise ValueError(f"rope scaling {kind!r} is not supported (yarn or default)")
        eos = raw.get("eos_token_id", raw.pop("eos_token_ids", ()))
        raw["eos_token_id"] = () if eos is None else tuple(eos) if isinstance(eos, list | tuple) else (eos,)
        for key in ("n_group", "topk_group"):
            if raw.get(key, 1) is None:
                raw[key] = 1
        quantization = raw.get("quantization_config")
        if quantization:
            if quantization.get("quant_method") != "fp8" or "weight_block_size" not in quantization:
                raise ValueError(
                    f"quantisation {quantization.get('quant_method')!r} is not supported (block-scaled fp8 is)"
                )
            raw["fp8_block"] = tuple(quantization["weight_block_size"])
        return raw

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.num_experts % self.num_groups:
            raise ValueError(f"n_routed_experts {self.num_experts} is not a multiple of n_group {self.num_groups}")
        if self.num_chosen_groups > self.num_groups:
            raise ValueError(f"topk_group {self.num_chosen_groups} is above n_group {self.num_groups}")
        reachable = self.num_chosen_groups * (self.num_experts // self.num_groups)
        if self.experts_per_token > reachable:
            raise ValueError(f"num_experts_per_tok {self.experts_per_token} is above the {reachable} experts reachable")
        if self.num_groups > 1 and self.num_experts // self.num_groups < 2:
            raise ValueError("a group needs at least two experts: its score is the sum of its two best")
        if self.qk_rope_head_dim % 2:
            raise ValueError(f"qk_rope_head_dim {self.qk_rope_head_dim} is odd; rotary pairs need an even one")
        return self


# What a config may say that this engine does not compute. A switch set otherwise is refused, never ignored.
_FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "scoring_func": ("sigmoid",),
    "topk_method": ("noaux_tc",),
    "moe_layer_freq": (1,),
}


def read_architecture(folder: Path) -> Architecture:
    """Architecture of the checkpoint in ``folder``.

    Raises BadCheckpoint when config.json is missing, not JSON or inconsistent; UnsupportedArchitecture when it is
    a family or a switch that this engine does not compute.
    """
    path = folder / "config.json"
    if not folder.is_dir():
        raise BadCheckpoint(f"{folder} is not a folder; give the folder that holds config.json and *.safetensors")
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(MAX_CONFIG_BYTES))
    except FileNotFoundError:
        raise BadCheckpoint(
            f"{path} is missing; give a folder in Hugging Face format or one made by `moray model shard`"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise BadCheckpoint(f"{path} is not valid JSON ({exc}); download it again") from None
    if not isinstance(raw, dict):
        raise BadCheckpoint(f"{path} must hold a JSON object; download it again")
    return parse_architecture(raw, str(path))


def parse_architecture(raw: dict[str, Any], where: str) -> Architecture:
    """Architecture from a parsed config; ``where`` names it in errors, which are those of read_architecture."""
    model_type = raw.get("model_type")
    if model_type not in SUPPORTED_MODEL_TYPES:
        raise UnsupportedArchitecture(
            f"{where}: model_type {model_type!r} is not supported; supported: {', '.join(SUPPORTED_MODEL_TYPES)}"
        )
    for key, allowed in _FIXED.items():
        if raw.get(key, allowed[0]) not in allowed:
            raise UnsupportedArchitecture(f"{where}: {key} = {raw[key]!r} is not supported; supported: {allowed[0]!r}")
    try:
        return Architecture.model_validate(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "config"
        raise BadCheckpoint(
            f"{where}: {field}: {first['msg'].removeprefix('Value error, ')}; correct the config"
        ) from None
