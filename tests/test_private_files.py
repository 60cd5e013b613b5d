"""Secrets are read from files that nobody else may read, and never overwrite one another."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moray.errors import UnsafeFile
from moray.files import create_private, read_private

CONTENT = b"a secret"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mode=st.integers(0, 0o777))
def test_a_mode_beyond_0600_is_refused_and_any_other_is_not(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.unlink(missing_ok=True)
    path.write_bytes(CONTENT)
    path.chmod(mode | stat.S_IRUSR)
    if mode & 0o177:
        with pytest.raises(UnsafeFile, match="chmod 600"):
            read_private(path, 100)
    else:
        assert read_private(path, 100) == CONTENT


def test_the_remedy_is_a_command_that_works_for_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "it's a secret"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    with pytest.raises(UnsafeFile) as refused:
        read_private(path, 100)
    assert os.system(str(refused.value).split("`")[1]) == 0
    assert read_private(path, 100) == CONTENT


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_private(tmp_path / "secret", CONTENT)
    other = os.geteuid() + 1
    monkeypatch.setattr("moray.files.os.geteuid", lambda: other)
    with pytest.raises(UnsafeFile, match="another user"):
        read_private(tmp_path / "secret", 100)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o600)
    for path in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/null")):
        with pytest.raises(UnsafeFile, match="not a regular file"):
            read_private(path, 100)
    with pytest.raises(UnsafeFile, match="No such file"):
        read_private(tmp_path / "none", 100)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    create_private(tmp_path / "secret", bytes(101))
    with pytest.raises(UnsafeFile, match="101 bytes"):
        read_private(tmp_path / "secret", 100)
    assert read_private(tmp_path / "secret", 101) == bytes(101)


def test_of_many_that_create_one_file_one_wins_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def create(number: int) -> bool:
        with suppress(FileExistsError):
            create_private(path, b"%d" % number)
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(16)))
    assert won.count(True) == 1
    assert path.read_bytes() == b"%d" % won.index(True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
