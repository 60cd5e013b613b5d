"""An FP8 checkpoint computes what its dequantised twin computes, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from engines import load, logits_step_by_step
from moray.experts.random_checkpoint import FP8_CONFIG, TINY_CONFIG, write_random_checkpoint

SCALE = "_scale_inv"


def dequantise(weight: torch.Tensor, scale: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """The format read naively: every value times the scale of its block."""
    spread = scale.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    return weight.float() * spread[: weight.shape[0], : weight.shape[1]]


def test_an_fp8_checkpoint_equals_its_dequantised_twin(tmp_path: Path) -> None:
    quantised, twin = tmp_path / "fp8", tmp_path / "twin"
    write_random_checkpoint(quantised, TINY_CONFIG | {"quantization_config": FP8_CONFIG}, seed=7)
    config = json.loads((quantised / "config.json").read_text())
    rows, columns = config.pop("quantization_config")["weight_block_size"]
    tensors = load_file(quantised / "model.safetensors")
    scaled = [name for name in tensors if name + SCALE in tensors]
    assert len(scaled) > 10
    assert any(tensors[name].shape[0] % rows for name in scaled)  # padded blocks are among them
    for name in scaled:
        tensors[name] = dequantise(tensors[name], tensors.pop(name + SCALE), rows, columns)
    twin.mkdir()
    (twin / "config.json").write_text(json.dumps(config))
    save_file(tensors, twin / "model.safetensors")

    prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    ours, theirs = (logits_step_by_step(*load(folder), prompt, 6) for folder in (quantised, twin))
    assert torch.equal(ours, theirs)
    assert ours.std() > 0
