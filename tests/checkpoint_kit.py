"""Checkpoints and names that several tests of models on disk share."""

from __future__ import annotations

import json
from pathlib import Path

from moray.experts.random_checkpoint import FP8_CONFIG, TINY_CONFIG, write_random_checkpoint

PART_1, PART_2 = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
GATE_PROJ = "model.layers.1.mlp.experts.0.gate_proj.weight"
FP8_MTP = TINY_CONFIG | {
    "num_nextn_predict_layers": 1,
    "quantization_config": FP8_CONFIG | {"weight_block_size": [16, 16]},
}


def write_header(path: Path, header: object, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_source(folder: Path) -> Path:
    """An FP8 checkpoint with an MTP layer in three parts, and files that are not all the model's."""
    write_random_checkpoint(folder, FP8_MTP, seed=5, num_parts=3)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "README.md").write_text("not part of the model")
    return folder
