"""What Python knows of the contracts is what the Solidity says."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import forge
from moray.contracts.artifacts import ContractName

ABI = forge.ROOT / "contracts" / "abi"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefacts of a build from nothing."""
    work = tmp_path_factory.mktemp("artifacts")
    tests_own = [f"contracts/test/{name}.sol" for name in get_args(ContractName) if name.startswith("Test")]
    sources = ("contracts/src", *tests_own)
    built = forge.run("forge", "build", *sources, "--out", work / "out", "--cache-path", work / "cache")
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    exported = forge.run(forge.ROOT / "contracts" / "tools" / "export-artifacts", work / "out", work / "abi")
    assert exported.returncode == 0, exported.stderr
    return work / "abi"


@pytest.mark.parametrize("name", get_args(ContractName))
def test_committed_artifacts_are_those_of_a_fresh_build(name: str, fresh: Path) -> None:
    committed = (ABI / f"{name}.json").read_text(encoding="utf-8")
    assert committed == (fresh / f"{name}.json").read_text(encoding="utf-8"), "run `make contracts` and commit"


def test_nothing_else_is_committed() -> None:
    assert {path.stem for path in ABI.iterdir()} == set(get_args(ContractName))
