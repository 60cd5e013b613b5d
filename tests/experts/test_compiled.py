"""Where compiled kernels are kept: under the name of their sources, and somewhere in any case."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from moray.experts import compiled

SCRIPT = """
from numba.core import config
from moray.experts.compiled import kernel

@kernel("f8(f8)")
def doubled(x):
    return 2 * x

assert doubled(4.0) == 8.0
print(config.CACHE_DIR)
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand-ins for the package's sources; the cache goes to a folder of its own."""
    root = tmp_path / "moray"
    for name in ("experts/simd.py", "experts/compiled.py", "experts/product_kernel.py", "router/gate_kernel.py"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    (root / "router/gate.py").write_text("# no kernel\n")
    monkeypatch.setattr(compiled, "__file__", str(root / "experts/compiled.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield root


def run_script(folder: Path, **environment: str) -> Path:
    """The cache folder of another process that compiles a kernel."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, str(script)], env=kept | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.mark.parametrize("name", ["experts/simd.py", "experts/compiled.py", "router/gate_kernel.py"])
def test_the_cache_has_another_name_when_a_source_of_kernels_changes(sources: Path, name: str) -> None:
    before = compiled._cache_dir()
    (sources / name).write_text("# changed\n")
    changed = compiled._cache_dir()
    assert changed != before and changed.parent == before.parent
    (sources / name).write_text(f"# {name}\n")
    assert compiled._cache_dir() == before


def test_a_new_kernel_source_is_noticed_and_other_sources_do_not_count(sources: Path) -> None:
    before = compiled._cache_dir()
    (sources / "router/gate.py").write_text("# changed\n")
    assert compiled._cache_dir() == before
    (sources / "router/new_kernel.py").write_text("# new\n")
    assert compiled._cache_dir() != before


def test_the_sources_of_this_package_are_found_through_its_links() -> None:
    root = Path(compiled.__file__).absolute().parent.parent
    found = {path.relative_to(root).as_posix() for pattern in compiled._KERNEL_SOURCES for path in root.glob(pattern)}
    using = {
        path.relative_to(root).as_posix()
        for folder in ("experts", "router")
        for path in (root / folder).glob("*.py")
        if any(line.startswith(("@kernel", "@part")) for line in path.read_text().splitlines())
    }
    assert using and using | {"experts/simd.py", "experts/compiled.py"} <= found


def test_the_cache_is_for_its_owner_only(sources: Path) -> None:
    assert compiled._cache_dir().stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_written_is_replaced_by_a_folder_of_this_process(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # not even root makes folders in a file
    folders = [compiled._cache_dir(), compiled._cache_dir()]
    assert folders[0] != folders[1]
    for folder in folders:
        (folder / "probe").write_text("")
        assert folder.stat().st_mode & 0o077 == 0


def test_a_cache_that_is_there_but_belongs_to_another_is_replaced_too(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba would otherwise write beside the sources, under a name that knows nothing of them, or refuse to start."""
    others = compiled._cache_dir()

    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    mine = compiled._cache_dir()
    assert mine != others and mine.is_dir()


def test_without_any_home_there_is_a_cache(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")  # a container's user without a name

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert compiled._cache_dir().is_dir()


def test_kernels_are_cached_under_the_users_cache(tmp_path: Path) -> None:
    folder = run_script(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert folder.parent == tmp_path / "cache" / "moray"
    assert list(folder.rglob("*.nbc"))


def test_numbas_own_setting_is_respected(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    folder = run_script(tmp_path, NUMBA_CACHE_DIR=str(chosen), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert folder == chosen
    assert list(chosen.rglob("*.nbc")) and not (tmp_path / "cache").exists()


def test_a_process_without_a_writable_home_compiles_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = run_script(tmp_path, HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path))
    assert folder.parent == tmp_path
    assert not folder.exists()  # it ends with the process
