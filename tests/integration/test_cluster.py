"""A real cluster of two expert nodes on this machine, and what is left of it after a crash."""

import importlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from moray.errors import BadSetting, ClusterError
from moray.nodes import serve as control
from moray.nodes.cluster import ClusterSpec, restart_node, start_cluster, stop_cluster
from moray.nodes.processes import marked_processes
from moray.nodes.state import ClusterRecord, read_state

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(300)]

_WAIT_S = 90.0
_ENV = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MKL_CBWR": "AVX2,STRICT"}


def _until(condition: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if result := condition():
            return result
        time.sleep(0.1)
    pytest.fail(f"waited {_WAIT_S:.0f} s for {what}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def record(home: Path) -> Iterator[ClusterRecord]:
    spec = ClusterSpec(num_nodes=2, slots=2, state_dir=home / "state", env=_ENV)
    record = start_cluster(spec)
    try:
        control.connect(record)
        control.start_serve()
        control.deploy_together({"experts": _experts()})
        control.wait_ready(["experts"], _WAIT_S)
        yield record
    finally:
        control.disconnect()
        stop_cluster(record)


def _experts() -> Any:
    # Defined in a function: Ray then sends the class by value and the replicas need not find this file.
    serve: Any = importlib.import_module("ray.serve")

    @serve.deployment(
        name="expert-3",
        num_replicas=2,
        max_replicas_per_node=1,
        ray_actor_options={"num_cpus": 0, "resources": {"moray_expert_slot": 1}},
        health_check_period_s=1,
        health_check_timeout_s=2,
    )
    class Dummy:
        def __init__(self) -> None:
            importlib.import_module("torch")

    deployment: Any = Dummy
    return deployment.bind()


def _running(record: ClusterRecord) -> dict[str, list[int]]:
    return {
        node_id: [place.pid for place in places if place.state == "RUNNING" and place.pid]
        for node_id, places in control.expert_places(record).items()
    }


def test_one_replica_on_each_node_under_the_nodes_name(record: ClusterRecord) -> None:
    assert control.live_nodes() == ["head", "node-0", "node-1"]
    for node_id, pids in _running(record).items():
        assert len(pids) == 1
        assert psutil.Process(pids[0]).environ()["MORAY_NODE_ID"] == node_id


def test_every_process_keeps_the_marker_and_the_environment(record: ClusterRecord) -> None:
    marked = {process.pid: process for process in marked_processes(record.marker)}
    lost = [
        child
        for process in list(marked.values())
        for child in process.children(recursive=True)
        if child.pid not in marked and child.status() != psutil.STATUS_ZOMBIE
    ]
    assert lost == []
    names = " ".join(process.name() for process in marked.values())
    for kind in ("gcs_server", "raylet", "ServeContr", "ServeRep"):
        assert kind in names
    for pids in _running(record).values():
        environment = marked[pids[0]].environ()
        assert {name: environment[name] for name in _ENV} == _ENV
        assert environment["RAY_AUTH_MODE"] == "token"


def test_the_tokens_are_private_and_none_is_in_the_home(record: ClusterRecord, home: Path) -> None:
    for name in ("ray_token", "wire_token", "state.json"):
        assert stat.S_IMODE((record.state_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(record.state_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(record.temp_dir.stat().st_mode) == 0o700
    assert not (home / ".ray").exists()


def test_ray_itself_listens_on_the_loopback_interface_only(record: ClusterRecord) -> None:
    open_to_all = [
        process.name()
        for process in marked_processes(record.marker)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
        # Serve 2.60 gives every replica a gRPC server on all interfaces, behind the token.
        and "ServeRep" not in process.name()
    ]
    assert open_to_all == []


def test_a_second_cluster_in_the_same_state_directory_is_refused(record: ClusterRecord) -> None:
    with pytest.raises(ClusterError, match="runs already"):
        start_cluster(ClusterSpec(num_nodes=1, slots=1, state_dir=record.state_dir))
    assert read_state(record.state_dir) == record


def test_a_node_that_does_not_exist_is_refused(record: ClusterRecord) -> None:
    with pytest.raises(BadSetting, match="node-2"):
        restart_node(record, 2)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_serve_replaces_a_killed_or_frozen_replica(record: ClusterRecord, blow: signal.Signals) -> None:
    old = _until(lambda: _running(record)["node-0"], "a replica on node-0")[0]
    os.kill(old, blow)
    _until(lambda: (pids := _running(record)["node-0"]) and old not in pids, "its replacement")


def test_a_node_comes_back_after_its_raylet_was_killed(record: ClusterRecord) -> None:
    for process in marked_processes(record.marker, {"MORAY_NODE_ID": "node-1"}):
        if process.name() == "raylet":
            process.kill()
    _until(lambda: control.live_nodes() == ["head", "node-0"], "Ray to see that node-1 is dead")
    restart_node(record, 1)
    _until(lambda: control.live_nodes() == ["head", "node-0", "node-1"], "node-1")
    _until(lambda: _running(record)["node-1"], "a replica on node-1")


def test_replicas_outlive_the_driver(record: ClusterRecord) -> None:
    before = _until(lambda: all((running := _running(record)).values()) and running, "two replicas")
    control.disconnect()
    assert all(psutil.pid_exists(pid) for pids in before.values() for pid in pids)
    control.connect(record)
    assert _running(record) == before


def test_after_a_crash_stop_leaves_nothing(record: ClusterRecord) -> None:
    """The last test of this file: it ends the cluster."""
    other = start_cluster(ClusterSpec(num_nodes=1, slots=1, state_dir=record.state_dir.parent / "other"))
    try:
        control.disconnect()
        mine = marked_processes(record.marker)
        ports = _listening(mine)
        assert ports
        for process in mine:
            if process.name() in ("gcs_server", "raylet"):
                process.kill()
        known = ClusterRecord(marker=record.marker, state_dir=record.state_dir, temp_dir=record.temp_dir)
        stop_cluster(known)
        assert marked_processes(record.marker) == []
        assert [process.pid for process in mine if process.is_running() and _holds_something(process)] == []
        assert not ports & _listening(psutil.process_iter())
        assert not record.temp_dir.exists()
        assert read_state(record.state_dir) is None
        # Another cluster of the same user on the same machine was not touched.
        assert {process.name() for process in marked_processes(other.marker)} >= {"gcs_server", "raylet"}
    finally:
        stop_cluster(other)
    assert marked_processes(other.marker) == []


def _listening(processes: Iterable[psutil.Process]) -> set[int]:
    ports = set()
    for process in processes:
        with suppress(psutil.Error):
            connections = process.net_connections("inet")
            ports |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return ports


def _holds_something(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
