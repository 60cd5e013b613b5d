"""A node's name and the record of its process: real processes, living, dead, not waited for and of a used id."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from moray.errors import ClusterError
from moray.nodes.node_state import NodeState, clear_node, ensure_node_name, read_node, this_process, write_node

STATE: dict[str, Any] = {
    "join_string": "http://203.0.113.5:8000#0x52908400098527886E0F7030069857D2E4169EE7",
    "allow_private": False,
    "network_id": "eels",
    "node_id": "node-0123abcd",
    "signer": "0x52908400098527886E0F7030069857D2E4169EE7",
    "num_slots": 2,
    "routers": {"203.0.113.5:7443": "http://203.0.113.5:8000"},
    "phase": "serving",
    "experts": (1, 3),
}


def a_state(pid: int, pid_started: float, **changes: Any) -> NodeState:
    return NodeState(**STATE | {"pid": pid, "pid_started": pid_started} | changes)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that has told when it started."""
    code = "import time; from moray.nodes.node_state import this_process; "
    code += "print(this_process()[1], flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def state_of(child: subprocess.Popen[str]) -> NodeState:
    assert child.stdout is not None
    return a_state(child.pid, float(child.stdout.readline()))


def test_a_process_runs_until_it_ends_whether_or_not_anybody_waits_for_it(child: subprocess.Popen[str]) -> None:
    state = state_of(child)
    was_running = state.is_running
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is there to be waited for
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    runs_as_zombie = state.is_running
    child.wait()
    assert (was_running, runs_as_zombie, state.is_running) == (True, False, False)


def test_another_process_with_the_id_of_one_that_ended_is_not_it(child: subprocess.Popen[str]) -> None:
    state = state_of(child)
    earlier = state.model_copy(update={"pid_started": state.pid_started - 1})
    assert state.is_running and not earlier.is_running
    assert not a_state(child.pid, this_process()[1]).is_running


def test_a_process_is_the_same_after_the_clock_was_set(
    child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(child)
    started, booted = psutil.Process(child.pid).create_time(), psutil.boot_time()  # both move with the clock
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: started + 86_400)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 86_400)
    assert state.is_running


def test_this_process_runs() -> None:
    assert a_state(*this_process()).is_running


def test_a_state_is_read_as_it_was_written_and_is_the_owners_alone(tmp_path: Path) -> None:
    state = a_state(*this_process(), reason="a router\nis away")
    assert read_node(tmp_path) is None
    write_node(tmp_path, state)
    assert read_node(tmp_path) == state
    assert stat.S_IMODE((tmp_path / "node.json").stat().st_mode) == 0o600
    clear_node(tmp_path)
    clear_node(tmp_path)
    assert read_node(tmp_path) is None and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"node_id"', '"node"'),
        lambda text: text.replace(f'"pid": {os.getpid()}', '"pid": -1'),  # every process there is, for a signal
        lambda text: text.replace(f'"pid": {os.getpid()}', '"pid": 0'),
        lambda text: text.replace('"phase": "serving"', '"phase": "asleep"'),
    ],
)
def test_a_damaged_file_is_one_line(damage: Any, tmp_path: Path) -> None:
    write_node(tmp_path, a_state(*this_process()))
    path = tmp_path / "node.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ClusterError, match="was not written by this version of Moray; delete it") as refused:
        read_node(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_nodes_name_is_chosen_once(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    name = ensure_node_name(tmp_path)
    assert ensure_node_name(tmp_path) == name != ensure_node_name(tmp_path / "other")
    assert stat.S_IMODE((tmp_path / "node_name").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"node-0123abcd node-0", b"../other", b"\xff\xfe", b"node-" + b"a" * 500]
)
def test_a_damaged_name_is_not_taken_for_another_node(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "node_name").write_bytes(content)
    with pytest.raises(ClusterError, match="holds no node's name: restore it, or delete it"):
        ensure_node_name(tmp_path)
