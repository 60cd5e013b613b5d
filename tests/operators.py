"""A network that others join, in real processes: its router, and operators with keys and Ray clusters of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import MORAY, Network, marked, moray, network_of

PASSWORD = "a password of tests"
JOIN_TIMEOUT_S = 150


@dataclass(frozen=True)
class OpenNetwork:
    """``join_string`` is the owner's."""

    network: Network
    join_string: str
    folder: Path  # of keys, and of the operators' state directories

    @property
    def password_file(self) -> str:
        return str(self.folder / "password")


@contextmanager
def open_network(
    model: Path, folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[OpenNetwork]:
    """A router without experts of its own, and its signed manifest; ``options`` are of `moray up`."""
    write_secret(folder / "password", PASSWORD)
    usual = ("--nodes", "0", "--public-host", "127.0.0.1", "--public-port", "0")
    with network_of(model, folder / "router", *usual, *options, env=env) as network:
        new_key(folder, "owner")
        signed = run(
            "network",
            "sign",
            "--state-dir",
            str(network.state_dir),
            "--keystore",
            str(folder / "owner.json"),
            "--password-file",
            str(folder / "password"),
            "--json",
        )
        yield OpenNetwork(network, signed["join_string"], folder)


def write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def new_key(folder: Path, name: str) -> str:
    """Its address."""
    options = "--keystore", str(folder / f"{name}.json"), "--password-file", str(folder / "password"), "--json"
    address: str = run("node", "key", "new", *options)["address"]
    return address


def run(*arguments: str) -> dict[str, Any]:
    """The JSON that the command prints; it must succeed."""
    done = moray(*arguments)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Operator:
    """One node of somebody else's, joined by the real command."""

    def __init__(self, network: OpenNetwork, name: str, *options: str) -> None:
        """Returns at once; ``name`` has a key, made here if it has none."""
        self.network, self.state_dir = network, network.folder / f"node-{name}"
        keystore = network.folder / f"{name}.json"
        self.address = new_key(network.folder, name) if not keystore.exists() else _address_of(keystore)
        self._errors = network.folder / f"{name}.stderr"
        command = [
            *MORAY, "node", "join", "--network", network.join_string, "--keystore", str(keystore),
            "--password-file", network.password_file, "--allow-private", "--state-dir", str(self.state_dir), "--json",
        ]  # fmt: skip
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True)

    def serving(self) -> dict[str, Any]:
        """Waits until it says so; its state."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._errors.read_text()
        state: dict[str, Any] = json.loads(line)
        assert state["phase"] == "serving", state
        return state

    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state_dir / "node.json").read_text())
        return content

    def pids(self) -> list[int]:
        """Of its Ray cluster."""
        return marked(self.state()["marker"])

    def replica_pids(self) -> list[int]:
        """Those that the router sees."""
        page = self.network.network.get("/network").json()
        nodes = [node for node in page["nodes"] if node["signer"] == self.address]
        return [replica["pid"] for node in nodes for replica in node["replicas"]]

    def kill(self) -> None:
        """All its processes, as a power cut would."""
        for pid in [self.process.pid, *self.pids()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(20)

    def leave(self) -> None:
        marker = self.state()["marker"]
        done = moray("node", "leave", "--state-dir", str(self.state_dir))
        assert done.returncode == 0, done.stderr
        assert self.process.wait(20) == 0, self._errors.read_text()
        assert marked(marker) == []

    def end(self) -> None:
        """However the test went."""
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        moray("node", "leave", "--state-dir", str(self.state_dir))


@contextmanager
def joined(network: OpenNetwork, name: str, *options: str) -> Iterator[Operator]:
    operator = Operator(network, name, *options)
    try:
        yield operator
    finally:
        operator.end()


def _address_of(keystore: Path) -> str:
    address: str = run("node", "key", "show", "--keystore", str(keystore), "--json")["address"]
    return address
