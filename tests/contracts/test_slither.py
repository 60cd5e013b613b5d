"""Slither finds nothing in the contracts that is not answered at its line (`slither-disable-next-line`)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import forge

# Detectors that say nothing about these contracts as a whole:
UNASKED = (
    "timestamp",  # clocks run for hours to weeks; what a proposer can move them by is seconds
    "assembly",  # one call without return data; OpenZeppelin's
    "pragma",  # OpenZeppelin's sources allow ranges; one compiler compiles all
    "solc-version",
    "naming-convention",  # foundry's and OpenZeppelin's, not slither's
)


def test_slither_has_no_finding(tmp_path: Path) -> None:
    # A copy, since slither throws away what forge has built and builds it anew.
    tree, report = tmp_path / "tree", tmp_path / "slither.json"
    for folder in ("src", "tools"):
        shutil.copytree(forge.ROOT / "contracts" / folder, tree / "contracts" / folder)
    shutil.copy(forge.ROOT / "foundry.toml", tree)
    (tree / "node_modules").symlink_to(forge.ROOT / "node_modules")
    done = forge.run(
        sys.executable, "-m", "slither", tree, "--exclude", ",".join(UNASKED), "--filter-paths", "node_modules",
        "--json", report, "--fail-none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    # Versions before 0.11 do not know `require(bool, error)` and pass over every function that uses it.
    assert "not found: require" not in done.stderr, "slither is too old to read the contracts; run `make init`"
    findings = json.loads(report.read_text(encoding="utf-8"))["results"].get("detectors", [])
    assert not findings, "\n".join(finding["description"] for finding in findings)


def test_slither_does_find_what_is_wrong(tmp_path: Path) -> None:
    """Or the test above could not fail."""
    source = tmp_path / "Drain.sol"
    source.write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\n"
        "contract Drain { error No(); mapping(address => uint256) owed;\n"
        "  function take() external { require(owed[msg.sender] != 0, No());\n"
        '    (bool good,) = msg.sender.call{value: owed[msg.sender]}(""); require(good, No());\n'
        "    owed[msg.sender] = 0; } }\n",
        encoding="utf-8",
    )
    report = tmp_path / "slither.json"
    solc = forge.ROOT / "contracts" / "tools" / "solc"
    done = forge.run(sys.executable, "-m", "slither", source, "--solc", solc, "--json", report, "--fail-none")
    assert done.returncode == 0, done.stderr[-2000:]
    found = {finding["check"] for finding in json.loads(report.read_text(encoding="utf-8"))["results"]["detectors"]}
    assert "reentrancy-eth" in found
