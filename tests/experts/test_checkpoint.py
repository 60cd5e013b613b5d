"""Opening a Hugging Face folder: what is read, and what is refused with which line."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_kit import GATE_PROJ, PART_1, PART_2, write_header
from moray.errors import BadCheckpoint, UnsupportedArchitecture
from moray.experts.checkpoint import Checkpoint
from moray.experts.random_checkpoint import FP8_CONFIG, TINY_CONFIG, write_random_checkpoint
from moray.experts.source import open_model
from moray.experts.weights import ExpertWeights

BLOCK = (16, 16)
FP8_TINY = TINY_CONFIG | {"quantization_config": FP8_CONFIG | {"weight_block_size": list(BLOCK)}}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    write_random_checkpoint(folder, TINY_CONFIG, seed=1, num_parts=2)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoint"))


def change_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path)


def merge_parts(folder: Path) -> None:
    """Make a one-file checkpoint of a two-file one."""
    save_file({**load_file(folder / PART_1), **load_file(folder / PART_2)}, folder / "model.safetensors")
    for name in (PART_1, PART_2, "model.safetensors.index.json"):
        (folder / name).unlink()


def change_config(folder: Path, change: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))


def test_tensors_are_those_that_safetensors_reads(pristine: Path) -> None:
    model = Checkpoint.open(pristine)
    stored = load_file(pristine / PART_1) | load_file(pristine / PART_2)
    assert model.names() == sorted(stored)
    for name, tensor in stored.items():
        assert model.raw(name).dtype == tensor.dtype
        assert torch.equal(model.raw(name), tensor)
        assert model.tensor(name).dtype == torch.float32
        assert torch.equal(model.tensor(name), tensor.float())


def test_one_file_and_two_files_are_the_same_model(pristine: Path, folder: Path) -> None:
    merge_parts(folder)
    one, two = Checkpoint.open(folder), Checkpoint.open(pristine)
    assert one.names() == two.names()
    assert [one.expert_digest(e) for e in range(8)] == [two.expert_digest(e) for e in range(8)]
    assert len({one.expert_digest(e) for e in range(8)}) == 8


def test_expert_weights_are_gate_rows_then_up_rows(pristine: Path) -> None:
    model = open_model(pristine)
    expert = model.expert(3)
    assert sorted(expert) == [1, 2]
    prefix = "model.layers.2.mlp.experts.3"
    weights = expert[2]
    assert isinstance(weights, ExpertWeights)
    assert weights.gate_up.shape == (48, 48)
    assert weights.gate_up.dtype == weights.down.dtype == torch.float32
    assert torch.equal(weights.gate_up[:24], model.tensor(f"{prefix}.gate_proj.weight"))
    assert torch.equal(weights.gate_up[24:], model.tensor(f"{prefix}.up_proj.weight"))
    assert torch.equal(weights.down, model.tensor(f"{prefix}.down_proj.weight"))
    assert weights.num_parameters == 3 * 48 * 24
    for unknown in (-1, 8):
        with pytest.raises(IndexError):
            model.expert(unknown)
        with pytest.raises(IndexError):
            model.expert_digest(unknown)


def test_fp8_scales_in_another_part_are_multiplied_in(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, FP8_TINY, seed=1, num_parts=2)
    model = Checkpoint.open(tmp_path)
    quantised = [name for name in model.names() if model.raw(name).dtype == torch.float8_e4m3fn]
    assert any(model.entries[n].path != model.entries[n + "_scale_inv"].path for n in quantised)
    padded = "model.layers.0.self_attn.kv_a_proj_with_mqa.weight"  # 20 rows: the second scale row covers 4
    assert model.raw(padded + "_scale_inv").shape == (2, 3)
    for name in quantised:
        codes, scale = model.raw(name).to(torch.float32).numpy(), model.raw(name + "_scale_inv").numpy()
        rows, columns = codes.shape
        spread = np.repeat(np.repeat(scale, BLOCK[0], axis=0), BLOCK[1], axis=1)[:rows, :columns]
        assert np.array_equal(model.tensor(name).numpy(), codes * spread), name


def test_a_tensor_is_read_alone(folder: Path) -> None:
    """Embedding and head take 96 GB each of a sparse file: reading more than what is asked for would show."""
    merge_parts(folder)
    rows = 1_000_000_000
    tensors = load_file(folder / "model.safetensors")
    header: dict[str, Any] = {}
    position = 0
    for name, tensor in tensors.items():
        shape = [rows, 48] if name in ("lm_head.weight", "model.embed_tokens.weight") else list(tensor.shape)
        size = math.prod(shape) * tensor.element_size()
        word = {torch.bfloat16: "BF16", torch.float32: "F32"}[tensor.dtype]
        header[name] = {"dtype": word, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    write_header(folder / "model.safetensors", header)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(file.seek(0, 2) + position)
    change_config(folder, {"vocab_size": rows})
    model = Checkpoint.open(folder)
    assert model.architecture.vocab_size == rows
    assert torch.equal(model.tensor("model.norm.weight"), torch.zeros(48))
    assert len(model.model_id) == 64


def test_model_id_tells_weights_and_configs_apart(pristine: Path, folder: Path) -> None:
    original = Checkpoint.open(pristine).model_id
    assert Checkpoint.open(folder).model_id == original
    data = bytearray((folder / PART_1).read_bytes())
    data[-1] ^= 1
    (folder / PART_1).write_bytes(data)
    assert Checkpoint.open(folder).model_id != original
    shutil.copy(pristine / PART_1, folder / PART_1)
    change_config(folder, {"rope_theta": 5000.0})
    assert Checkpoint.open(folder).model_id != original


def test_a_missing_tensor_and_a_wrong_shape_are_named(folder: Path) -> None:
    merge_parts(folder)
    path = folder / "model.safetensors"
    change_tensors(path, lambda tensors: tensors.update({GATE_PROJ: torch.zeros(24, 47)}))
    with pytest.raises(BadCheckpoint, match=r"gate_proj.weight has shape \[24, 47\] where .* \[24, 48\]"):
        Checkpoint.open(folder)
    change_tensors(path, lambda tensors: tensors.pop(GATE_PROJ))
    with pytest.raises(BadCheckpoint, match=r"experts.0.gate_proj.weight is missing"):
        Checkpoint.open(folder)


def test_a_tensor_that_the_config_has_no_place_for_is_refused(folder: Path) -> None:
    merge_parts(folder)
    path = folder / "model.safetensors"
    extra = "model.layers.0.self_attn.indexer.wk.weight"
    change_tensors(path, lambda tensors: tensors.update({extra: torch.zeros(2, 2)}))
    with pytest.raises(BadCheckpoint, match=r"indexer.wk.weight has no place"):
        Checkpoint.open(folder)
    harmless = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(2),
        "model.layers.3.enorm.weight": torch.zeros(48),  # an MTP layer that the config does not count
    }
    change_tensors(path, lambda tensors: (tensors.pop(extra), tensors.update(harmless)))
    assert Checkpoint.open(folder).architecture.num_mtp_layers == 0


def test_stored_dtypes_that_are_not_computed_are_refused(folder: Path) -> None:
    merge_parts(folder)
    change_tensors(
        folder / "model.safetensors",
        lambda tensors: tensors.update({GATE_PROJ: torch.zeros(24, 48, dtype=torch.int8)}),
    )
    with pytest.raises(UnsupportedArchitecture, match=r"gate_proj.weight is stored as I8"):
        Checkpoint.open(folder)


def test_fp8_without_scales_or_block_size_is_refused(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, FP8_TINY, seed=1)
    path = tmp_path / "model.safetensors"
    scale = GATE_PROJ + "_scale_inv"
    change_config(tmp_path, {"quantization_config": None})
    with pytest.raises(BadCheckpoint, match="no block size"):
        Checkpoint.open(tmp_path)
    change_config(tmp_path, {"quantization_config": FP8_CONFIG | {"weight_block_size": [0, 16]}})
    with pytest.raises(BadCheckpoint, match="no block size"):
        Checkpoint.open(tmp_path)
    change_config(tmp_path, {"quantization_config": FP8_CONFIG | {"weight_block_size": [16, 8]}})
    with pytest.raises(BadCheckpoint, match="blocks of 16 x 8 need"):
        Checkpoint.open(tmp_path)
    change_config(tmp_path, {"quantization_config": FP8_TINY["quantization_config"]})
    change_tensors(path, lambda tensors: tensors.update({GATE_PROJ: torch.zeros(24, 48)}))
    with pytest.raises(BadCheckpoint, match="is F32 and still has a scale"):
        Checkpoint.open(tmp_path)
    change_tensors(path, lambda tensors: tensors.pop(scale))
    assert torch.equal(Checkpoint.open(tmp_path).tensor(GATE_PROJ), torch.zeros(24, 48))
    fp8 = torch.zeros(24, 48).to(torch.float8_e4m3fn)
    change_tensors(path, lambda tensors: tensors.update({GATE_PROJ: fp8}))
    with pytest.raises(BadCheckpoint, match=r"gate_proj.weight_scale_inv is missing"):
        Checkpoint.open(tmp_path)


def test_mtp_layers_count_when_they_are_there_and_must_be_whole(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"num_nextn_predict_layers": 1}, seed=1)
    assert sorted(Checkpoint.open(tmp_path).expert(0)) == [1, 2, 3]
    path = tmp_path / "model.safetensors"
    change_tensors(path, lambda tensors: tensors.pop("model.layers.3.hnorm.weight"))
    with pytest.raises(BadCheckpoint, match=r"layers.3.hnorm.weight is missing"):
        Checkpoint.open(tmp_path)

    def drop_layer(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.startswith("model.layers.3.")]:
            del tensors[name]

    change_tensors(path, drop_layer)
    assert Checkpoint.open(tmp_path).architecture.num_mtp_layers == 0


def test_folders_that_are_no_checkpoint_say_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="is not a folder"):
        Checkpoint.open(tmp_path / "nowhere")
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(BadCheckpoint, match="holds neither"):
        Checkpoint.open(folder)
    change_config(folder, {"model_type": "mixtral"})
    with pytest.raises(UnsupportedArchitecture, match="'mixtral' is not supported"):
        Checkpoint.open(folder)


def test_absurd_sizes_are_refused_before_anything_is_made(folder: Path) -> None:
    change_config(folder, {"num_hidden_layers": 10**15})
    with pytest.raises(UnsupportedArchitecture, match="too many"):
        Checkpoint.open(folder)


def test_the_tokenizer_is_needed_only_when_asked_for(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    files = Checkpoint.open(folder).tokenizer_files()
    assert files.tokenizer == folder / "tokenizer.json"
    assert files.tokenizer_config is None
    assert files.generation_config == folder / "generation_config.json"
    (folder / "tokenizer.json").unlink()
    model = Checkpoint.open(folder)
    with pytest.raises(BadCheckpoint, match=r"tokenizer.json is missing; copy it"):
        model.tokenizer_files()
