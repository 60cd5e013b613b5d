"""The commands of docker-compose.yml as plain processes on the loopback interface: a Ray cluster that is not ours."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from cluster import Network, is_listening, marked, moray
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.nodes import existing
from moray.nodes.serve import live_nodes
from moray.nodes.state import read_state

pytestmark = [pytest.mark.integration, pytest.mark.long]

DEPLOY = Path(__file__).parents[2] / "deploy"
WAIT_S = 180.0  # a bound for a loaded machine; about 30 s are needed
NODES = ("left", "right")


@dataclass(frozen=True)
class Services:
    network: Network
    env: dict[str, str]
    processes: list[subprocess.Popen[bytes]]
    log: Path
    start: Callable[..., None]  # another of the compose file's services

    def moray(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return moray(*arguments, "--state-dir", str(self.network.state_dir), env=self.env | more)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            assert all(process.poll() is None for process in self.processes), self.log.read_text()
            assert time.monotonic() < end, f"waited for {what}:\n{self.log.read_text()}"
            time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Out of the ranges from which the kernel and Ray give ports to others before ours are used."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
    return sorted(set(ports)) if len(set(ports)) == count else free_ports(count)


def tls_settings(folder: Path) -> dict[str, str]:
    """The commands of docs/deploy.md: a certificate of an authority of our own, for every machine's address."""
    text = (DEPLOY.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```bash\n(openssl .*?)```", text, re.DOTALL)
    made = subprocess.run(
        ["bash", "-euc", commands.replace("10.0.0.1", "127.0.0.1")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": str(folder / "ray.crt"),
        "RAY_TLS_SERVER_KEY": str(folder / "ray.key"),
        "RAY_TLS_CA_CERT": str(folder / "ray-ca.crt"),
    }


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Short, for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="moray-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def services(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Services]:
    write_random_checkpoint(scratch / "demo", DEMO_CONFIG, seed=7)
    ray_port, http_port, data_port = free_ports(3)
    marker, state_dir, log = secrets.token_hex(16), scratch / "state", scratch / "log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MORAY_"))}
    env = {
        "HOME": str(scratch),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_TOKEN_PATH": str(state_dir / "ray_token"),
        "MORAY_STATE_DIR": str(state_dir),
        "MORAY_RAY_HOST": "localhost",
        "MORAY_RAY_PORT": str(ray_port),
        "MORAY_MODEL": str(scratch / "demo"),
        "MORAY_NODES": str(len(NODES)),
        "MORAY_REPLICAS": "1",
        "MORAY_EXPERTS_PER_REPLICA": "4",
        "MORAY_SLOTS": "1",
        "MORAY_HTTP_HOST": "127.0.0.1",
        "MORAY_HTTP_PORT": str(http_port),
        "MORAY_DATA_PORT": str(data_port),
        # Not in a container: keep Ray on the loopback interface and without the agents of its dashboard,
        "RAY_START_HOOK": "moray.nodes.launcher.adjust",
        "MORAY_RAY_LEAN": "1",
        # and mark its processes, so that the test can find and end all of them and no others.
        "MORAY_CLUSTER": marker,
        "SPT_NOENV": "1",
        **(tls_settings(scratch) if request.param else {}),
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(script: str, **more: str) -> None:
        variables = clean | env | more
        with log.open("ab") as output:
            command = [str(DEPLOY / script)]
            process = subprocess.Popen(
                command, env=variables, stdout=output, stderr=output, cwd="/", start_new_session=True
            )
        processes.append(process)

    made = subprocess.run([str(DEPLOY / "secrets.sh")], env=clean | env, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    try:
        start("router.sh", MORAY_TEMP_DIR=str(scratch / "h"))
        for name in NODES:
            start("expert.sh", MORAY_TEMP_DIR=str(scratch / name[0]), MORAY_NODE_ID=name)
        network = Network(f"http://127.0.0.1:{http_port}", "demo", state_dir)
        yield Services(network, env, processes, log, start)
        for process in processes:
            process.send_signal(signal.SIGTERM)  # what `docker stop` sends
        for process in processes:
            process.wait(30)
        left_until = time.monotonic() + WAIT_S  # with TLS an agent takes half a minute to miss its raylet
        while left_over(marker) and time.monotonic() < left_until:
            time.sleep(0.2)
        assert left_over(marker) == []
    finally:
        for pid in [process.pid for process in processes if process.poll() is None] + marked(marker):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.wait(30)


def test_a_network_on_a_ray_cluster_that_stays(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    network = services.network
    for name in ("ray_token", "wire_token"):
        assert stat.S_IMODE((network.state_dir / name).stat().st_mode) == 0o600

    services.until(lambda: is_ready(network.url), "/readyz")
    assert len(network.complete(max_tokens=8)["token_ids"]) == 8

    # `up` returns when every replica has joined; only then is all of its record there.
    services.until(lambda: f"{network.url}/v1" in services.log.read_text(), "the summary")
    status = services.moray("status", "--json")
    assert status.returncode == 0, status.stderr
    summary = json.loads(status.stdout)
    assert summary["ready"]
    experts = {node["node_id"]: node["experts"] for node in summary["nodes"]}
    assert experts == {"left": [0, 1, 2, 3], "right": [4, 5, 6, 7]}
    node_of_replica = {
        psutil.Process(pid).environ()["MORAY_NODE_ID"] for node in summary["nodes"] for pid in node["pids"]
    }
    assert node_of_replica == set(NODES)

    # A machine more, with no step of Moray's: it takes the set with the fewest replicas, the first of equals.
    services.start("expert.sh", MORAY_TEMP_DIR=str(services.log.parent / "n"), MORAY_NODE_ID="newcomer")
    network.wait(lambda page: held_by(page, "newcomer") == [0, 1, 2, 3], "the new machine's part", WAIT_S)

    record = read_state(network.state_dir)
    assert record is not None
    has_tls = "RAY_USE_TLS" in services.env
    otherwise = services.moray("down", RAY_USE_TLS="0" if has_tls else "1")
    assert otherwise.returncode == 2
    assert ("speaks TLS: set RAY_USE_TLS=1" if has_tls else "does not speak TLS: unset") in otherwise.stderr
    down = services.moray("down", "--json")
    assert down.returncode == 0, down.stderr
    assert json.loads(down.stdout) == {"processes_ended": 4}  # the router and three replicas
    assert read_state(network.state_dir) is None
    assert not is_listening(int(network.url.rsplit(":", 1)[1]))

    # Ray is as it was, and lets in who has the token.
    assert all(process.poll() is None for process in services.processes)
    for name, value in services.env.items():
        if name in ("RAY_AUTH_TOKEN_PATH", "HOME") or "_TLS" in name:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with existing.connected(record):
        assert live_nodes() == ["head", "left", "newcomer", "right"]


def held_by(page: dict[str, Any], node_id: str) -> list[int]:
    nodes = [node for node in page["nodes"] if node["node_id"] == node_id]
    return sorted(expert for node in nodes for replica in node["replicas"] for expert in replica["experts"])


def left_over(marker: str) -> list[str]:
    """Names of the processes that are still there. The lean hook's idle agents outlive a killed raylet: they sleep."""
    names = []
    for pid in marked(marker):
        with suppress(psutil.NoSuchProcess):
            names.append(psutil.Process(pid).name())
    return [name for name in names if name != "sleep"]


def is_ready(url: str) -> bool:
    try:
        return bool(httpx2.get(f"{url}/readyz", timeout=5).status_code == 200)
    except httpx2.HTTPError:
        return False
