"""The commands of docs/open-a-network.md and docs/operate-a-node.md, run as they are written: a router, its owner and a
node of somebody else on one machine, each page in a home of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from guides import commands_of, free_port, page, section_of

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

OPEN, OPERATE = "docs/open-a-network.md", "docs/operate-a-node.md"
STATE = "~/.local/state/moray"
PRIVATE = ("moray node join", "moray node doctor --network")  # these dial, and here no address is public


@dataclass(frozen=True)
class Guides:
    """``places``: what stands here for the pages' addresses, ports and files, in the order in which it is put in."""

    folder: Path
    url: str
    places: Mapping[str, str]
    env: dict[str, str]

    def home(self, name: str) -> Path:
        return self.folder / name

    def here(self, command: str) -> str:
        for written, meant in self.places.items():
            command = command.replace(written, meant)
        return f"{command} --allow-private" if command.startswith(PRIVATE) else command

    def script(self, text: str) -> str:
        """What stays in the foreground goes on in the background once it does what it is there for."""
        lines = []
        for command in map(self.here, commands_of(text)):
            lines.append(command)
            if command.startswith("moray node join"):
                lines[-1] += " & node=$!"
                there = f'curl -s {self.url}/network | grep -q \'"state":"serving"\''
                lines.append(
                    f"until grep -qs '\"serving\"' {STATE}/node.json && {there}; do kill -0 $node; sleep 0.5; done"
                )
            elif command.startswith("moray node leave"):
                lines.append("wait $node")
            elif command.startswith("python3 -m http.server"):
                lines[-1] += " 2> /dev/null & mirror=$!"
                ask = (
                    f"curl -fsS --retry 20 --retry-delay 1 --retry-connrefused {self.places['https://mirror.example']}"
                )
                lines += [f"{ask}/model/manifest.json | cmp - shards/manifest.json", "kill $mirror"]
        return "\n".join(lines)

    def run(self, home: str, script: str) -> str:
        """In one shell that ends at the first failure. What it printed."""
        folder = self.home(home)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{script}"],
            cwd=folder,
            env={**self.env, "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets lie below it, whose names have room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="guides-", dir="/tmp", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture
def guides(folder: Path) -> Iterator[Guides]:
    http, public, mirror = (str(free_port()) for _ in range(3))
    url, state = f"http://127.0.0.1:{http}", str(folder / "router" / ".local" / "state" / "moray")
    for home in ("router", "node"):
        (folder / home / ".venv" / "bin").mkdir(parents=True)
        command = folder / home / ".venv" / "bin" / "moray"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m moray.cli "$@"\n')
        command.chmod(0o755)
        (folder / home / ".cache").symlink_to(Path.home() / ".cache")  # compiled kernels
    places = {
        "make init": "true",  # the README's test has it
        "scp network.json router.example:.local/state/moray": f"cp network.json {state}",
        "'https://router.example#0xOWNER'": f'"$(cat {folder / "router" / "join-string"})"',
        "https://router.example": url,
        "https://mirror.example": f"http://127.0.0.1:{mirror}",
        "--directory mirror 8080": f"--directory mirror --bind 127.0.0.1 {mirror}",
        "--public-host 0.0.0.0": "--public-host 127.0.0.1",
        "router.example": "127.0.0.1",
        "8000": http,
        "7443": public,
    }
    path = f"{folder / 'router' / '.venv' / 'bin'}:{os.environ['PATH']}"
    guides = Guides(folder, url, places, os.environ | {"PATH": path, "COLUMNS": "200"})
    try:
        yield guides
    finally:
        guides.run("node", "moray node leave")
        guides.run("router", "moray down")


@pytest.mark.timeout(600)  # a minute and a half on two idle cores
def test_a_network_is_opened_and_joined_by_the_commands_of_the_guides(guides: Guides) -> None:
    guides.run("router", guides.script(page(OPEN)))
    metrics = httpx2.get(f"{guides.url}/metrics", timeout=30).text
    shown = section_of(page(OPEN), "Watching")
    for family in text_string_to_metric_families(metrics):
        total = "_total" if family.type == "counter" else ""
        assert family.name.endswith("_created") or f"`{family.name}{total}`" in shown

    operate = page(OPERATE)
    printed = guides.run("node", guides.script(operate.replace(section_of(operate, "Your key"), "")))
    assert re.search(r"127\.0\.0\.1:\d+ +\d+ +serving", printed), printed  # the router's line of `moray node status`

    # The unit's command, as systemd runs it, and how systemd stops it.
    unit = re.search(r"^ExecStart=(.*)$", operate, re.MULTILINE)
    assert unit is not None and "KillMode=mixed" in operate
    home, join_string = guides.home("node"), (guides.home("router") / "join-string").read_text().strip()
    command = unit[1].replace("/home/moray/moray", str(home)).replace("/home/moray", str(home))
    command = command.replace("https://router.example#0xOWNER", join_string)
    environment = {**guides.env, "HOME": str(home)}
    arguments = [*shlex.split(command), "--allow-private", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as node:
        assert node.stdout is not None
        assert json.loads(node.stdout.readline())["phase"] == "serving"
        node.send_signal(signal.SIGTERM)
        assert node.wait(60) == 0
    assert not (home / ".local" / "state" / "moray" / "node.json").exists()
