"""Sharding that is interrupted and run again ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from checkpoint_kit import write_source
from moray.errors import BadSetting
from moray.experts import shard_journal, sharding
from moray.experts.sharding import write_shards


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    write_shards(source, out)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Killed(Exception):
    """Stands for a crash at a chosen moment inside this process."""


def test_a_crash_at_any_chunk_changes_nothing_in_the_end(
    source: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    calls: list[int] = []
    write_shards(source, tmp_path / "count", lambda name, done, total: calls.append(done))
    assert calls == sorted(calls)
    assert calls[-1] == sum(len(data) for name, data in undisturbed.items() if name.endswith(".safetensors"))
    for crash_at in range(0, len(calls), len(calls) // 12):
        out = tmp_path / f"out-{crash_at}"
        seen = 0

        def crash(name: str, done: int, total: int, crash_at: int = crash_at) -> None:
            nonlocal seen
            seen += 1
            if seen > crash_at:
                raise Killed

        with pytest.raises(Killed):
            write_shards(source, out, crash)
        assert not (out / "manifest.json").exists()
        write_shards(source, out)
        assert contents(out) == undisturbed


class Moment(NamedTuple):
    patched: str  # a function of the journal
    number: int  # which call of it dies


@pytest.mark.parametrize(
    "moment",
    [Moment("put_in_place", n) for n in (0, 1, 2, 3, 10)] + [Moment("flush_to_disk", n) for n in (0, 2, 5)],
)
def test_a_crash_between_write_rename_and_record_changes_nothing_in_the_end(
    moment: Moment,
    source: Path,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(shard_journal, moment.patched)
    calls = 0

    def dying(*arguments: Any) -> None:
        nonlocal calls
        if calls == moment.number:
            raise Killed
        calls += 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shard_journal, moment.patched, dying)
        patch.setattr(sharding, moment.patched, dying)
        with pytest.raises(Killed):
            write_shards(source, tmp_path / "out")
    write_shards(source, tmp_path / "out")
    assert contents(tmp_path / "out") == undisturbed


KILLED_RUN = """
import sys
from moray.experts.sharding import write_shards

def stop(name, done, total):
    if done >= total * float(sys.argv[3]):
        print(name, flush=True)
        sys.stdin.read()  # wait here to be killed

write_shards(sys.argv[1], sys.argv[2], stop)
"""


def test_kill_9_and_run_again(source: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for share in ("0.3", "0.8"):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED_RUN, str(source), str(out), share],
            env=os.environ | {"PYTHONPATH": str(Path(sharding.__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        reached = process.stdout.readline().strip()
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert (out / f"{reached}.partial").exists()
        assert not (out / "manifest.json").exists()
    write_shards(source, out)
    assert contents(out) == undisturbed


def test_a_resumed_run_leaves_finished_files_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def crash(name: str, done: int, total: int) -> None:
        if name == "expert-00004.safetensors":
            raise Killed

    with pytest.raises(Killed):
        write_shards(source, out, crash)
    finished = {path.name: path.stat().st_ino for path in out.glob("*.safetensors")}
    assert sorted(finished)[-1] == "expert-00003.safetensors"
    write_shards(source, out)
    write_shards(source, out)  # a third run has nothing to write
    assert {name: (out / name).stat().st_ino for name in finished} == finished


def test_a_finished_file_of_another_size_is_written_again(
    source: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_shards(source, out)
    (out / "expert-00002.safetensors").write_bytes(b"short")
    (out / "expert-00005.safetensors").unlink()
    write_shards(source, out)
    assert contents(out) == undisturbed


def test_a_disk_that_fills_up_is_one_line_and_the_run_can_go_on(
    source: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sharding, "flush_to_disk", full)
        with pytest.raises(BadSetting, match="No space left on device"):
            write_shards(source, tmp_path / "out")
    write_shards(source, tmp_path / "out")
    assert contents(tmp_path / "out") == undisturbed
