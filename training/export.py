"""A trained model as an ordinary Hugging Face folder, which Moray and transformers open alike."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from moray.experts.checkpoint import SINGLE_FILE
from moray.experts.shard_journal import write_whole
from moray.experts.tensors import expected_tensors
from moray.training.config import TrainingConfig
from moray.training.model import DeepSeekModel
from moray.training.tokenizer import save_tokenizer, special_ids

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


def export_model(model: DeepSeekModel, config: TrainingConfig, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes ``folder``, made if need be. config.json goes first and comes last: without it nothing opens a folder, so
    one that is half written is never taken for a model. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    config_file = folder / "config.json"
    config_file.unlink(missing_ok=True)
    weights_file = folder / SINGLE_FILE
    save_file(checkpoint_tensors(model), weights_file, metadata={"format": "pt"})  # transformers asks for the format
    with weights_file.open("rb") as file:
        os.fsync(file.fileno())
    save_tokenizer(tokenizer, folder)
    content = json.dumps(config.hugging_face() | special_ids(tokenizer), indent=2) + "\n"
    write_whole(config_file, content.encode())


def checkpoint_tensors(model: DeepSeekModel) -> dict[str, Tensor]:
    """Every tensor of the checkpoint by name, float32 on the CPU. An MTP layer's embedding and head are the model's
    own and stand there once more, as in DeepSeek-V3."""
    state = model.state_dict()
    head = state.get(_HEAD, state[_EMBEDDING])
    tensors = {}
    for name in expected_tensors(model.architecture):
        copied = state[_EMBEDDING] if name.endswith("embed_tokens.weight") else head
        tensors[name] = state.get(name, copied).detach().cpu().clone()  # the format refuses memory that is shared
    return tensors
