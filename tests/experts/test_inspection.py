"""The numbers of a model folder, and the two commands that show them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from moray.cli.model import app
from moray.errors import BadCheckpoint, BadSetting
from moray.experts.inspection import inspect_model
from moray.experts.manifest import build_manifest, encode_manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards

RUNNER = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_random_checkpoint(tmp_path / "source", TINY_CONFIG, seed=1)
    return tmp_path / "source"


def test_counts_are_those_of_the_stored_tensors(source: Path, tmp_path: Path) -> None:
    write_shards(source, tmp_path / "shards")
    stored = load_file(source / "model.safetensors")
    one_expert = sum(tensor.numel() for name, tensor in stored.items() if ".mlp.experts.0." in name)
    for report in (inspect_model(source), inspect_model(tmp_path / "shards")):
        assert report.num_parameters == sum(tensor.numel() for tensor in stored.values())
        assert report.num_expert_parameters == one_expert
        assert report.num_backbone_parameters == report.num_parameters - 8 * one_expert
        assert report.expert_bytes == (tmp_path / "shards" / "expert-00000.safetensors").stat().st_size
        backbone = tmp_path / "shards" / "backbone-00001-of-00001.safetensors"
        assert report.backbone_bytes == backbone.stat().st_size
    assert not inspect_model(source).files


def test_verify_says_which_files_are_missing_and_which_corrupt(source: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_shards(source, shards)
    (shards / "expert-00001.safetensors").unlink()
    (shards / "expert-00002.safetensors").write_bytes(b"wrong")
    looked_at: list[str] = []
    report = inspect_model(shards, verify=True, on_file=lambda name, size: looked_at.append(name))
    states = {file.name: file.state for file in report.files}
    assert states.pop("expert-00001.safetensors") == "missing"
    assert states.pop("expert-00002.safetensors") == "corrupt"
    assert set(states.values()) == {"verified"}
    assert not report.is_intact
    assert looked_at == [file.name for file in report.files]
    assert inspect_model(shards).files[0].state == "present"
    with pytest.raises(BadSetting, match="no manifest to verify against"):
        inspect_model(source, verify=True)


def test_verify_finds_weights_that_are_not_under_their_root(source: Path, tmp_path: Path) -> None:
    """A manifest made wrong on purpose: each file has its digest, and two experts have each other's roots."""
    shards = tmp_path / "shards"
    manifest = write_shards(source, shards, numeric_class="int8")
    assert inspect_model(shards, verify=True).is_intact
    roots = {file.expert: file.weight_root for file in manifest.files}
    files = [
        file.model_copy(update={"weight_root": roots[5 - file.expert]}) if file.expert in (2, 3) else file
        for file in manifest.files
    ]
    wrong = build_manifest(manifest.architecture, files, "int8")
    (shards / "manifest.json").write_bytes(encode_manifest(wrong))
    report = inspect_model(shards, verify=True)
    assert report.weight_root == wrong.weight_root
    corrupt = [file.name for file in report.files if file.state == "corrupt"]
    assert corrupt == ["expert-00002.safetensors", "expert-00003.safetensors"]


def test_shard_and_inspect_print_one_json_object(source: Path, tmp_path: Path) -> None:
    shards = str(tmp_path / "shards")
    sharded = RUNNER.invoke(app, ["shard", str(source), shards, "--json"])
    assert sharded.exit_code == 0, sharded.output
    result = json.loads(sharded.stdout)
    assert result["num_experts"] == 8
    assert result["has_tokenizer"] is True
    inspected = RUNNER.invoke(app, ["inspect", shards, "--verify", "--json"])
    assert inspected.exit_code == 0
    report = json.loads(inspected.stdout)
    assert report["model_id"] == result["model_id"]
    assert report["is_sharded"] is True
    assert sum(file["size_bytes"] for file in report["files"]) == result["size_bytes"]
    assert {file["state"] for file in report["files"]} == {"verified"}
    assert math.isclose(report["architecture"]["rope_theta"], 10000.0)


def test_people_get_a_table_and_progress_stays_off_stdout(source: Path, tmp_path: Path) -> None:
    shards = str(tmp_path / "shards")
    sharded = RUNNER.invoke(app, ["shard", str(source), shards])
    assert sharded.exit_code == 0
    assert "13 files in" in sharded.stdout
    assert "MB/s" not in sharded.stdout
    (tmp_path / "shards" / "expert-00003.safetensors").write_bytes(b"wrong")
    inspected = RUNNER.invoke(app, ["inspect", shards, "--verify"])
    assert inspected.exit_code == 1
    assert "one expert" in inspected.stdout
    assert "corrupt" in inspected.stdout


def test_errors_reach_the_root_app(tmp_path: Path) -> None:
    for arguments in (["inspect", str(tmp_path)], ["shard", str(tmp_path), str(tmp_path / "out")]):
        result = RUNNER.invoke(app, arguments)
        assert isinstance(result.exception, BadCheckpoint)
