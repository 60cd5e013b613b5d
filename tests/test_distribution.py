"""What the wheel and the sdist contain: all product modules, nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("experts", "router", "nodes", "agents", "contracts", "training")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked and new files, built without network and without touching the tree."""
    work = tmp_path_factory.mktemp("build")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, work / "tree" / name
        if not source.exists() and not source.is_symlink():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        else:
            target.write_bytes(source.read_bytes())
    script = (
        "from setuptools import build_meta as b; import sys; out = sys.argv[1]; b.build_sdist(out); b.build_wheel(out)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(work)], cwd=work / "tree", capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return work


def product_modules() -> set[str]:
    modules = {f"moray/{path.relative_to(ROOT)}" for name in FOLDERS for path in (ROOT / name).rglob("*.py")}
    for pattern in ("contracts/abi/*.json", "agents/prompts/*.md", "training/configs/*.yaml"):
        modules |= {f"moray/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)}
    source = ROOT / "src"
    for pattern in ("*.py", "cli/*.py", "py.typed"):
        modules |= {path.relative_to(source).as_posix() for path in (source / "moray").glob(pattern)}
    return modules


def test_the_wheel_holds_every_module_under_moray_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == product_modules()


def test_the_sdist_holds_every_module(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert {f"src/{module}" for module in product_modules()} <= names
    assert not any(".venv" in name or "node_modules" in name for name in names)
