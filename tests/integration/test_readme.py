"""The commands of the README, run as they are written (on a free port, in a folder of their own)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from guides import ROOT, commands_of, free_port, page

pytestmark = pytest.mark.integration


def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    commands = commands_of(page("README.md"))
    assert commands[0].startswith("make demo") and any("moray up" in command for command in commands)
    needed = "Makefile", ".venv", "examples", "pyproject.toml", "constraints.txt"
    for name in (*needed, "node_modules", "package.json", "package-lock.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = os.environ | {"HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    port = str(free_port())
    outputs = {}
    try:
        for command in commands:
            done = subprocess.run(
                command.replace("8000", port),
                shell=True,
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            outputs[command] = done.stdout
    finally:
        subprocess.run([".venv/bin/moray", "down"], cwd=tmp_path, env=env, capture_output=True, timeout=60)
    assert "Every token of these answers crossed the nodes" in outputs[commands[0]]
    assert "the provider had 1000000 mtest and has 1000002.5" in outputs[commands[0]]
    assert '"finish_reason"' in next(text for command, text in outputs.items() if command.startswith("curl"))
    status = next(text for command, text in outputs.items() if command.endswith("moray status"))
    assert "node-1" in status and "ready" in status
