import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moray import files
from moray.errors import ClusterError
from moray.nodes import state
from moray.nodes.state import ClusterRecord, NodeRecord


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _record(directory: Path) -> ClusterRecord:
    return ClusterRecord(
        marker="ab" * 16,
        state_dir=directory,
        temp_dir=Path("/tmp/moray-none"),
        nodes=(NodeRecord(node_id="node-0", slots=2),),
        model_path=Path("/models/elver"),
        env={"OMP_NUM_THREADS": "1"},
    )


def test_the_directory_becomes_private_even_if_it_was_not(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    directory.mkdir(parents=True, mode=0o755)
    assert state.open_state_dir(directory) == directory
    assert _mode(directory) == 0o700


def test_a_path_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError, match="--state-dir"):
        state.open_state_dir(tmp_path / "file" / "b")


def test_state_comes_back_as_written_and_private(tmp_path: Path) -> None:
    assert state.read_state(tmp_path) is None
    state.write_state(_record(tmp_path))
    assert state.read_state(tmp_path) == _record(tmp_path)
    assert _mode(tmp_path / "state.json") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    state.clear_state(tmp_path)
    assert state.read_state(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 2, "marker": "x"}', "\x00"])
def test_a_state_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ClusterError, match=r"state\.json"):
        state.read_state(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_private(tmp_path / "x", b"old")

    def fail(fd: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("moray.files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_private(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    token = state.ensure_token(tmp_path, state.RAY_TOKEN)
    assert len(bytes.fromhex(token)) == 32
    assert _mode(tmp_path / "ray_token") == 0o600
    assert state.ensure_token(tmp_path, state.RAY_TOKEN) == token
    assert state.ensure_token(tmp_path, state.WIRE_TOKEN) != token
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ray_token", "wire_token"]


def test_callers_that_start_together_get_one_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: state.ensure_token(tmp_path, "t"), range(16)))
    assert len(tokens) == 1


def test_a_readable_token_file_is_made_private(tmp_path: Path) -> None:
    token = state.ensure_token(tmp_path, "t")
    (tmp_path / "t").chmod(0o644)
    assert state.ensure_token(tmp_path, "t") == token
    assert _mode(tmp_path / "t") == 0o600


@pytest.mark.parametrize("text", ["", "abcd", "zz" * 32])
def test_a_token_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(ClusterError, match="delete it"):
        state.ensure_token(tmp_path, "t")


def test_a_second_command_in_the_directory_is_refused_and_the_lock_comes_free(tmp_path: Path) -> None:
    refused = pytest.raises(ClusterError, match="another moray command")
    with state.hold_lock(tmp_path), refused, state.hold_lock(tmp_path):
        pass
    with state.hold_lock(tmp_path):
        pass
