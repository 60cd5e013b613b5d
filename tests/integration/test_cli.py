"""Bad input: one line that says what to do, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cluster import marked, moray, network_of
from moray.experts.random_checkpoint import DEMO_CONFIG, TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "demo"
    write_random_checkpoint(folder, DEMO_CONFIG, seed=5)
    return folder


def truncate(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    os.truncate(path, path.stat().st_size - 100)


def rename_family(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "llama"}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncate, "bytes"),
        (rename_family, "'llama' is not supported"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (shutil.rmtree, "not a folder"),
    ],
    ids=["truncated", "unsupported", "no tokenizer", "broken config", "missing"],
)
def test_a_model_that_cannot_be_served_is_refused_before_anything_starts(
    checkpoint: Path, tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    folder, state = tmp_path / "model", tmp_path / "state"
    shutil.copytree(checkpoint, folder)
    damage(folder)
    refused(told, "--model", str(folder), "--state-dir", str(state))
    assert not (state / "state.json").exists()


def test_options_that_cannot_work_are_refused_before_anything_starts(checkpoint: Path, tmp_path: Path) -> None:
    model = ("--model", str(checkpoint), "--state-dir", str(tmp_path / "state"))
    refused("--nodes 3", *model, "--nodes", "2", "--replicas", "3")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused("--http-port", *model, "--http-port", str(taken.getsockname()[1]))
    refused("MORAY_MAX_RUNNING", *model, env={"MORAY_MAX_RUNNING": "many"})
    refused("MORAY_CONTEXT_LENGTH", *model, env={"MORAY_CONTEXT_LENGTH": "999999"})
    assert not (tmp_path / "state" / "state.json").exists()


def test_a_corrupt_shard_is_found_by_its_replica_and_everything_is_taken_down(checkpoint: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_shards(checkpoint, shards)
    victim = next(path for path in shards.iterdir() if path.name.startswith("expert") and "3" in path.name)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    refused(
        "3", "--model", str(shards), "--nodes", "1", "--experts-per-replica", "8", "--state-dir", str(tmp_path / "s")
    )
    assert not (tmp_path / "s" / "state.json").exists()


def test_status_and_down_of_nothing_say_so(tmp_path: Path) -> None:
    status = moray("status", "--state-dir", str(tmp_path))
    assert status.returncode == 1 and "moray up" in status.stderr
    down = moray("down", "--state-dir", str(tmp_path))
    assert down.returncode == 0 and "nothing runs" in down.stderr


def test_down_after_a_crash_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    model = tmp_path / "model"
    write_random_checkpoint(model, TINY_CONFIG | {"vocab_size": 512}, seed=6)
    options = ("--nodes", "1", "--experts-per-replica", "64")
    with network_of(
        model, tmp_path / "state", *options, in_foreground=True
    ) as network:  # checks processes and ports after `down`
        record = json.loads((tmp_path / "state" / "state.json").read_text())
        second = moray("up", "--model", str(model), "--state-dir", str(tmp_path / "state"), "--http-port", "0")
        assert second.returncode == 1 and "moray down" in second.stderr
        for pid in marked(record["marker"])[::2]:
            os.kill(pid, signal.SIGKILL)
        assert network.status()["ready"] in (True, False)  # answers, whatever is left
    assert not Path(record["temp_dir"]).exists()


def refused(told: str, *options: str, env: Mapping[str, str] | None = None) -> None:
    port = () if "--http-port" in options else ("--http-port", "0")
    done = moray("up", "--detach", *port, *options, env=env)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("moray: ")]
    assert len(lines) == 1 and told in lines[0], done.stderr
    assert "Traceback" not in done.stderr
