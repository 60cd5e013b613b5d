"""Slither finds nothing in the contracts that is not answered at its line (`slither-disable-next-line`)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import forge

# Detectors that say nothing about these contracts as a whole:
UNASKED = (
    "timestamp",  # clocks run for minutes to weeks; what a proposer can move them by is seconds
    "assembly",  # one call without return data; OpenZeppelin's
    "pragma",  # OpenZeppelin's sources allow ranges; one compiler compiles all
    "solc-version",
    "naming-convention",  # foundry's and OpenZeppelin's, not slither's
)
DRAIN = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
contract Drain {
    error No();
    mapping(address => uint256) public owed;
    function fill() external payable { owed[msg.sender] += msg.value; }
    function take() external {
        require(owed[msg.sender] != 0, No());
        (bool isGood,) = msg.sender.call{value: owed[msg.sender]}("");
        require(isGood, No());
        owed[msg.sender] = 0;
    }
}
"""


def findings(sources: Path, tree: Path) -> list[dict[str, Any]]:
    """Of a copy, since slither throws away what forge has built and builds it anew."""
    shutil.copytree(sources, tree / "contracts" / "src")
    shutil.copytree(forge.ROOT / "contracts" / "tools", tree / "contracts" / "tools")
    shutil.copy(forge.ROOT / "foundry.toml", tree)
    (tree / "node_modules").symlink_to(forge.ROOT / "node_modules")
    report = tree / "report.json"
    options = ("--exclude", ",".join(UNASKED), "--filter-paths", "node_modules", "--json", report, "--fail-none")
    done = forge.run(sys.executable, "-m", "slither", tree, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    # Versions before 0.11 do not know `require(bool, error)` and pass over every function that uses it.
    assert "not found: require" not in done.stderr, "slither is too old to read the contracts; run `make init`"
    found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["results"].get("detectors", [])
    return found


def test_slither_has_no_finding(tmp_path: Path) -> None:
    found = findings(forge.ROOT / "contracts" / "src", tmp_path / "tree")
    assert not found, "\n".join(finding["description"] for finding in found)


def test_slither_does_find_what_is_wrong(tmp_path: Path) -> None:
    """Or the test above could not fail."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "Drain.sol").write_text(DRAIN, encoding="utf-8")
    assert "reentrancy-eth" in {finding["check"] for finding in findings(sources, tmp_path / "tree")}
