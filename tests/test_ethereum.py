"""Importing what signs changes nothing else in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = """
import json, sys
before = sys.getrecursionlimit()
import {module}
import py_ecc
assert "py_ecc" in sys.modules and sys.getrecursionlimit() == before, sys.getrecursionlimit()
try:
    json.loads("[" * 200_000)
except RecursionError:
    print("refused")
"""


@pytest.mark.parametrize(
    "module",
    ["moray.ethereum", "moray.node_key", "moray.join_signature", "moray.key_file", "moray.contracts.chain"],
)
def test_nested_json_from_outside_stays_an_error_and_does_not_end_the_process(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK.format(module=module)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
