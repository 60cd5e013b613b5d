"""forge for tests: npm's, at the top of the tree, which `make init` installs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = ROOT / "node_modules" / ".bin"


def run(*command: str | Path, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    """In the top folder, with npm's tools first on PATH."""
    assert (BIN / "forge").exists(), "forge is not installed; run `make init`"
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s)
