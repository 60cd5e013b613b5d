"""A short soak of a whole network; `make soak` is the long one. Times are not judged here: machines are shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_a_minute_at_saturation_breaks_no_request_and_leaks_neither_memory_nor_descriptors() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--minutes", "0.8"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    claims = {line["claim"]: line for line in result["claims"] if "between tokens" not in line["claim"]}
    assert len(claims) == 3
    assert [text for text, line in claims.items() if not line["holds"]] == []
    assert result["requests"]["whole"] > 100
    assert result["samples"][-1]["num_prefix_tokens"] > 0
