import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moray.errors import ClusterError
from moray.experts.incarnation import next_incarnation

_COUNT = """
import sys
from pathlib import Path
from moray.experts.incarnation import next_incarnation
sys.stdin.readline()
for _ in range(25):
    print(next_incarnation(Path(sys.argv[1])))
"""


def test_it_starts_at_one_and_rises(tmp_path: Path) -> None:
    assert [next_incarnation(tmp_path / "n") for _ in range(3)] == [1, 2, 3]


def test_processes_at_the_same_time_get_different_numbers(tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _COUNT, str(tmp_path / "n")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    outputs = [[int(line) for line in child.communicate(timeout=60)[0].split()] for child in children]
    assert all(numbers == sorted(numbers) for numbers in outputs)
    assert sorted(itertools.chain(*outputs)) == list(range(1, 101))


def test_file_and_directory_are_synced_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append("directory" if Path(f"/proc/self/fd/{fd}").resolve().is_dir() else "file")
        real(fd)

    monkeypatch.setattr("moray.nodes.state.os.fsync", fsync)
    next_incarnation(tmp_path / "n")
    assert synced[0] == "file"
    assert synced[-1] == "directory"


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", str(2**64), "\u0663", "1" * 5000])
def test_a_damaged_counter_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "n").write_text(text)
    with pytest.raises(ClusterError, match="holds no number"):
        next_incarnation(tmp_path / "n")
    assert (tmp_path / "n").read_text() == text


def test_it_ends_at_the_largest_u64(tmp_path: Path) -> None:
    (tmp_path / "n").write_text(str(2**64 - 2))
    assert next_incarnation(tmp_path / "n") == 2**64 - 1
    with pytest.raises(ClusterError, match="2\\^64"):
        next_incarnation(tmp_path / "n")
