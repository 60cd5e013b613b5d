"""The benchmark of failures on a real network. Times and losses are not judged here: machines are shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.long]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "failure.py"


def test_no_request_fails_or_is_answered_otherwise_when_nodes_and_replicas_are_killed_and_frozen() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["requests"]["whole"] > 100
    assert (result["requests"]["failed"], result["requests"]["different"]) == (0, 0)
    assert len(result["half"]["windows"]) == len(result["saturation"]["windows"]) == 2
    assert sorted(result["one_replica"]) == ["SIGKILL idle", "SIGKILL light", "SIGSTOP idle", "SIGSTOP light"]
