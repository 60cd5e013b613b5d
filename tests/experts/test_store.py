"""Reading a sharded folder: the model it was made from, and no byte that the manifest does not vouch for."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from manifest_kit import sealed
from moray.errors import BadCheckpoint, ShardCorrupt, UnsupportedArchitecture
from moray.experts.checkpoint import Checkpoint
from moray.experts.random_checkpoint import FP8_CONFIG, TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.source import ModelSource, open_model
from moray.experts.store import ShardStore
from moray.experts.weights import ExpertWeights

FP8_MTP = TINY_CONFIG | {
    "num_nextn_predict_layers": 1,
    "quantization_config": FP8_CONFIG | {"weight_block_size": [16, 16]},
}
BACKBONE = "backbone-00001-of-00001.safetensors"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and its sharded copy."""
    root = tmp_path_factory.mktemp("models")
    write_random_checkpoint(root / "source", FP8_MTP, seed=5, num_parts=3)
    write_shards(root / "source", root / "shards")
    return root / "source", root / "shards"


@pytest.fixture
def shards(pristine: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(pristine[1], tmp_path / "shards"))


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def reseal(folder: Path) -> None:
    """Make the manifest fit the files, as somebody would who made a wrong model on purpose."""
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    for file in content["files"]:
        data = (folder / file["name"]).read_bytes()
        file["size_bytes"], file["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_bytes(sealed(content))


def test_both_sources_are_the_same_model(pristine: tuple[Path, Path]) -> None:
    source: ModelSource = open_model(pristine[0])
    shards: ModelSource = open_model(pristine[1])
    assert isinstance(source, Checkpoint)
    assert isinstance(shards, ShardStore)
    assert shards.architecture == source.architecture
    assert shards.architecture.num_mtp_layers == 1
    for name in source.names():
        assert torch.equal(shards.tensor(name), source.tensor(name)), name
    for expert_id in range(8):
        assert shards.expert_digest(expert_id) == source.expert_digest(expert_id)
        ours, theirs = shards.expert(expert_id), source.expert(expert_id)
        assert sorted(ours) == sorted(theirs) == [1, 2, 3]
        for layer in ours:
            one, other = ours[layer], theirs[layer]
            assert isinstance(one, ExpertWeights) and isinstance(other, ExpertWeights)
            assert torch.equal(one.gate_up, other.gate_up)
            assert torch.equal(one.down, other.down)


def test_digests_are_those_of_the_files(pristine: tuple[Path, Path]) -> None:
    store = ShardStore.open(pristine[1])
    for expert_id in range(8):
        data = (pristine[1] / f"expert-{expert_id:05d}.safetensors").read_bytes()
        assert store.expert_digest(expert_id) == hashlib.sha256(data).hexdigest()


def test_unknown_names_and_experts(pristine: tuple[Path, Path]) -> None:
    store = ShardStore.open(pristine[1])
    for name in ("model.nothing", "model.layers.1.mlp.experts.8.up_proj.weight"):
        with pytest.raises(KeyError):
            store.tensor(name)
    with pytest.raises(IndexError):
        store.expert(8)
    with pytest.raises(IndexError):
        store.verify([8])
    with pytest.raises(KeyError):
        store.verify(["../secret"])


def test_a_flipped_byte_stops_its_shard_and_no_other(shards: Path) -> None:
    flip_last_byte(shards / "expert-00003.safetensors")
    store = ShardStore.open(shards)
    with pytest.raises(ShardCorrupt, match=r"expert-00003.safetensors is not the file of the manifest"):
        store.expert(3)
    with pytest.raises(ShardCorrupt):
        store.tensor("model.layers.1.mlp.experts.3.up_proj.weight")
    with pytest.raises(ShardCorrupt):
        store.verify()
    store.verify([2, 4, BACKBONE])
    assert sorted(store.expert(2)) == [1, 2, 3]
    assert store.tensor("model.norm.weight").shape == (48,)


def test_a_flipped_backbone_byte_stops_every_backbone_tensor(shards: Path) -> None:
    flip_last_byte(shards / BACKBONE)
    store = ShardStore.open(shards)
    for _ in range(2):  # a failed check is not remembered as done
        with pytest.raises(ShardCorrupt):
            store.tensor("model.norm.weight")


def test_a_node_needs_only_the_manifest_and_its_own_shards(shards: Path) -> None:
    for path in shards.iterdir():
        if path.name not in ("manifest.json", "expert-00006.safetensors"):
            path.unlink()
    store = ShardStore.open(shards)
    store.verify([6])
    assert sorted(store.expert(6)) == [1, 2, 3]
    with pytest.raises(ShardCorrupt, match=r"expert-00005.safetensors is missing, though the manifest lists it"):
        store.expert(5)
    with pytest.raises(ShardCorrupt, match=r"backbone-00001-of-00001.safetensors is missing"):
        store.tensor("model.norm.weight")


def test_a_shard_cut_short_is_found_before_it_is_hashed(shards: Path) -> None:
    path = shards / "expert-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ShardCorrupt, match="bytes where the manifest says"):
        ShardStore.open(shards).expert(0)


def test_verified_files_are_checked_again_when_asked(shards: Path) -> None:
    store = ShardStore.open(shards)
    store.verify([1])
    flip_last_byte(shards / "expert-00001.safetensors")
    with pytest.raises(ShardCorrupt):
        store.verify([1])
    with pytest.raises(ShardCorrupt):
        store.expert(1)


def test_a_manifest_that_fits_a_wrong_shard_does_not_make_it_right(shards: Path) -> None:
    path = shards / "expert-00002.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.mlp.experts.2.up_proj.weight"
    save_file({**tensors, name: torch.zeros(3, 3)}, path)
    reseal(shards)
    with pytest.raises(BadCheckpoint, match=r"up_proj.weight has shape \[3, 3\]"):
        ShardStore.open(shards).expert(2)
    del tensors[name]
    save_file(tensors, path)
    reseal(shards)
    with pytest.raises(BadCheckpoint, match=r"up_proj.weight is missing"):
        ShardStore.open(shards).expert(2)


def test_a_changed_manifest_is_refused(shards: Path) -> None:
    path = shards / "manifest.json"
    path.write_text(path.read_text().replace('"rope_theta": 10000.0', '"rope_theta": 10001.0'))
    with pytest.raises(BadCheckpoint, match="was changed after it was written"):
        open_model(shards)


def test_absurd_sizes_in_a_manifest_are_refused(shards: Path) -> None:
    path = shards / "manifest.json"
    path.write_text(path.read_text().replace('"num_layers": 3', '"num_layers": 1000000000'))
    reseal(shards)
    with pytest.raises(UnsupportedArchitecture, match="too many"):
        open_model(shards)


def test_tokenizer_files_are_verified_too(shards: Path) -> None:
    assert ShardStore.open(shards).tokenizer_files().tokenizer == shards / "tokenizer.json"
    (shards / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(ShardCorrupt, match=r"chat_template.jinja is not in the manifest; remove it"):
        ShardStore.open(shards).tokenizer_files()
    (shards / "chat_template.jinja").unlink()
    flip_last_byte(shards / "tokenizer_config.json")
    with pytest.raises(ShardCorrupt, match=r"tokenizer_config.json is not the file"):
        ShardStore.open(shards).tokenizer_files()
    (shards / "tokenizer.json").unlink()
    with pytest.raises(BadCheckpoint, match=r"tokenizer.json is missing"):
        ShardStore.open(shards).tokenizer_files()


def test_an_unfinished_folder_is_not_a_model(shards: Path) -> None:
    (shards / "manifest.json").unlink()
    with pytest.raises(BadCheckpoint, match="is not finished; run the same"):
        open_model(shards)
