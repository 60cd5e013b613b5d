"""Sharding: every byte in its place, nothing written where something else lies, little memory."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from checkpoint_kit import FP8_MTP, write_source
from moray.errors import BadCheckpoint, BadSetting, MorayError, ShardCorrupt
from moray.experts.checkpoint import Checkpoint
from moray.experts.manifest import read_manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.tensors import expected_tensors, expert_of


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_tensor_is_stored_once_as_it_was(source: Path, tmp_path: Path) -> None:
    manifest = write_shards(source, tmp_path / "out")
    checkpoint = Checkpoint.open(source)
    found: dict[str, torch.Tensor] = {}
    for file in manifest.files:
        if not file.name.endswith(".safetensors"):
            continue
        # the safetensors package is the oracle of the format
        tensors = load_file(tmp_path / "out" / file.name)
        assert {expert_of(name) for name in tensors} == {file.expert}
        assert not found.keys() & tensors.keys()
        found |= tensors
    assert sorted(found) == checkpoint.names()
    for name, tensor in found.items():
        assert tensor.dtype == checkpoint.raw(name).dtype
        assert torch.equal(tensor.view(torch.uint8), checkpoint.raw(name).view(torch.uint8)), name
    assert "model.layers.3.mlp.experts.7.down_proj.weight_scale_inv" in found  # the MTP layer's expert


def test_the_manifest_lists_what_is_there(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = write_shards(source, out)
    assert read_manifest(out) == manifest
    listed = {file.name: file for file in manifest.files}
    assert set(listed) | {"manifest.json", "shard-journal.json"} == {path.name for path in out.iterdir()}
    assert all((out / name).stat().st_size == file.size_bytes for name, file in listed.items())
    assert listed["config.json"].role == "config"
    assert listed["chat_template.jinja"].role == listed["tokenizer.json"].role == "tokenizer"
    assert (out / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    assert manifest.architecture == Checkpoint.open(source).architecture


def test_tensors_start_at_multiples_of_their_item_size(tmp_path: Path) -> None:
    odd = FP8_MTP | {"hidden_size": 45, "moe_intermediate_size": 25, "intermediate_size": 33}
    write_random_checkpoint(tmp_path / "odd", odd, seed=5)
    write_shards(tmp_path / "odd", tmp_path / "out")
    for path in (tmp_path / "out").glob("*.safetensors"):
        text = path.read_bytes()
        length = int.from_bytes(text[:8], "little")
        assert length % 8 == 0
        header: dict[str, Any] = json.loads(text[8 : 8 + length])
        assert header.pop("__metadata__") == {"format": "pt"}
        for entry in header.values():
            size = {"F32": 4, "BF16": 2, "F8_E4M3": 1}[entry["dtype"]]
            assert entry["data_offsets"][0] % size == 0


def test_weight_files_do_not_depend_on_how_the_source_is_cut(source: Path, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "one", FP8_MTP, seed=5, num_parts=1)
    shutil.copy(source / "chat_template.jinja", tmp_path / "one")
    assert write_shards(tmp_path / "one", tmp_path / "out_one") == write_shards(source, tmp_path / "out_three")


def test_a_backbone_is_cut_at_the_size_asked_for(source: Path, tmp_path: Path) -> None:
    manifest = write_shards(source, tmp_path / "out", backbone_file_bytes=20_000)
    files = manifest.with_role("backbone")
    assert len(files) > 3
    names: list[str] = []
    for file in files:
        tensors = load_file(tmp_path / "out" / file.name)
        names += tensors
        weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        assert weights_bytes <= 20_000 or len(tensors) == 1  # a tensor is never cut
    checkpoint = Checkpoint.open(source)
    backbone = {name for name in expected_tensors(checkpoint.architecture) if expert_of(name) is None}
    assert sorted(names) == sorted(name for name in checkpoint.names() if expert_of(name) is None)
    assert backbone <= set(names)


def test_another_source_cannot_continue_the_folder(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_shards(source, out)
    before = contents(out)
    write_random_checkpoint(tmp_path / "other", FP8_MTP, seed=6, num_parts=3)
    with pytest.raises(BadSetting, match="begun from another checkpoint"):
        write_shards(tmp_path / "other", out)
    assert contents(out) == before


@pytest.mark.parametrize("name", ["notes.txt", "config.json", "manifest.json", "expert-00000.safetensors"])
def test_a_folder_that_holds_something_else_is_refused(name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(BadSetting, match=f"holds {name}, which is not of this run"):
        write_shards(source, tmp_path)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_foreign_file_stops_a_resumed_run_too(source: Path, tmp_path: Path) -> None:
    write_shards(source, tmp_path / "out")
    (tmp_path / "out" / "expert-00099.safetensors").write_text("mine")
    with pytest.raises(BadSetting, match=r"holds expert-00099.safetensors"):
        write_shards(source, tmp_path / "out")


def test_places_that_cannot_be_written_are_refused(source: Path, tmp_path: Path) -> None:
    before = contents(source)
    with pytest.raises(BadSetting, match="is the checkpoint itself"):
        write_shards(source, source)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="is a file"):
        write_shards(source, tmp_path / "file")
    with pytest.raises(BadSetting, match="cannot be written"):
        write_shards(source, tmp_path / "file" / "out")
    assert contents(source) == before


def test_a_small_disk_is_found_before_anything_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(BadSetting, match=r"needs 0.1 GB more and its disk has 0.0 GB free"):
        write_shards(source, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_two_runs_into_one_folder_do_not_mix(source: Path, tmp_path: Path) -> None:
    refusals: list[str] = []

    def start_second(name: str, done: int, total: int) -> None:
        if not refusals:
            with pytest.raises(BadSetting, match="another process is sharding") as caught:
                write_shards(source, tmp_path / "out")
            refusals.append(str(caught.value))

    write_shards(source, tmp_path / "out", start_second)
    assert len(refusals) == 1


def test_a_damaged_journal_and_a_sharded_source_are_refused(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_shards(source, out)
    with pytest.raises(BadCheckpoint, match="is sharded already"):
        write_shards(out, tmp_path / "again")
    (out / "shard-journal.json").write_text("{")
    with pytest.raises(BadSetting, match="is damaged; delete the folder"):
        write_shards(source, out)


def test_a_source_that_shrinks_meanwhile_is_an_error(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    part = copy / "model-00003-of-00003.safetensors"

    def cut(name: str, done: int, total: int) -> None:
        part.write_bytes(part.read_bytes()[:1000])

    with pytest.raises(ShardCorrupt, match="ends inside tensor"):
        write_shards(copy, tmp_path / "out", cut)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_broken_source_writes_nothing(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    (copy / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(MorayError):
        write_shards(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_memory_stays_at_a_few_megabytes(tmp_path: Path) -> None:
    """12 MB tensors in a 23 MB file; torch is not involved, so tracemalloc sees every buffer."""
    big = TINY_CONFIG | {"vocab_size": 120_000, "num_hidden_layers": 2, "moe_intermediate_size": 10_000}
    write_random_checkpoint(tmp_path / "big", big, seed=0)
    (tmp_path / "big" / "tokenizer.json").unlink()
    tracemalloc.start()
    try:
        manifest = write_shards(tmp_path / "big", tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert manifest.with_role("backbone")[0].size_bytes > 23e6
    assert manifest.expert_file(0).size_bytes > 2.5e6
    assert peak < 4e6
