"""Real networks for integration tests: `moray up` in a process of its own, `moray down` at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

MORAY = (sys.executable, "-m", "moray.cli")
PROMPT = [5, 6, 7, 300, 41]


def moray(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without a traceback's worth of width limits."""
    variables = os.environ | {"COLUMNS": "200"} | dict(env or {})
    return subprocess.run([*MORAY, *arguments], capture_output=True, text=True, timeout=240, env=variables)


@dataclass(frozen=True)
class Network:
    url: str
    model: str
    state_dir: Path

    def status(self) -> dict[str, Any]:
        done = moray("status", "--state-dir", str(self.state_dir), "--json")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=30)

    def body(self, **changes: Any) -> dict[str, Any]:
        return {
            "model": self.model,
            "prompt": PROMPT,
            "max_tokens": 64,
            "temperature": 0,
            "ignore_eos": True,
            "return_token_ids": True,
        } | changes

    def complete(self, **changes: Any) -> dict[str, Any]:
        """One choice of a completion. Fails on an error status."""
        reply = httpx2.post(f"{self.url}/v1/completions", json=self.body(**changes), timeout=120)
        reply.raise_for_status()
        choice: dict[str, Any] = reply.json()["choices"][0]
        return choice

    def stream(self, on_token: Callable[[int], None] = lambda count: None, **changes: Any) -> Iterator[dict[str, Any]]:
        """Events of a streamed completion; ``on_token`` hears how many tokens there are so far."""
        count = 0
        with httpx2.stream(
            "POST", f"{self.url}/v1/completions", json=self.body(stream=True, **changes), timeout=120
        ) as reply:
            for line in reply.iter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                yield event
                for choice in event.get("choices", ()):
                    count += len(choice.get("token_ids", ()))
                    on_token(count)

    def wait(self, condition: Callable[[dict[str, Any]], bool], what: str, seconds: float = 90) -> dict[str, Any]:
        """Poll ``/network`` until ``condition``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            network: dict[str, Any] = self.get("/network").json()
            if condition(network):
                return network
            time.sleep(0.1)
        raise AssertionError(f"{what} did not happen in {seconds} s: {network}")


def replica_pids(network: dict[str, Any]) -> list[int]:
    return [replica["pid"] for node in network["nodes"] for replica in node["replicas"]]


def ids_of(events: list[dict[str, Any]]) -> list[int]:
    return [token for event in events for choice in event.get("choices", ()) for token in choice.get("token_ids", ())]


@contextmanager
def network_of(
    model: Path,
    state_dir: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    in_foreground: bool = False,
    by_ctrl_c: bool = False,
) -> Iterator[Network]:
    """A network that is up; afterwards it must be gone without a trace, whether Ctrl-C ends it (in the foreground
    only) or `moray down` does."""
    arguments = ["up", "--model", str(model), "--http-port", "0", "--state-dir", str(state_dir), "--json", *options]
    state_dir.mkdir(exist_ok=True)
    log = state_dir / "up.stderr"
    with log.open("w") as errors:
        command = [*MORAY, *arguments, *(() if in_foreground else ("--detach",))]
        up = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | dict(env or {})
        )
        assert up.stdout is not None
        line = up.stdout.readline()
    assert line, log.read_text()
    summary = json.loads(line)
    marker = json.loads((state_dir / "state.json").read_text())["marker"]
    try:
        yield Network(summary["url"], summary["model"], state_dir)
    finally:
        if by_ctrl_c:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 130
        else:
            down = moray("down", "--state-dir", str(state_dir))
            assert down.returncode == 0, down.stderr
            assert up.wait(60) == 0  # the one in the foreground notices
        up.stdout.close()
    assert marked(marker) == []
    assert not is_listening(int(summary["url"].rsplit(":", 1)[1]))
    assert not is_listening(int(summary["data_addresses"][0].rsplit(":", 1)[1]))


def marked(marker: str) -> list[int]:
    """Pids of live processes that carry a cluster's marker, found without the product's own code."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get("MORAY_CLUSTER") == marker and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if is_ours:
            found.append(process.pid)
    return found


def is_listening(port: int) -> bool:
    listening = (c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    return any(c.laddr.port == port for c in listening)
