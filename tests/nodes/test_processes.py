import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from moray.errors import ClusterError
from moray.nodes.processes import MARKER_VARIABLE, end_marked, marked_processes

Start = Callable[..., subprocess.Popen[bytes]]

_IGNORES_TERM = "import signal,sys,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[subprocess.Popen[bytes]] = []

    def run(marker: str | None, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        env = {name: value for name, value in os.environ.items() if name != MARKER_VARIABLE} | variables
        if marker is not None:
            env[MARKER_VARIABLE] = marker
        child = subprocess.Popen(command or ("sleep", "600"), env=env, stdout=subprocess.PIPE)
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_only_processes_with_exactly_this_marker_end(start: Start) -> None:
    marker = secrets.token_hex(16)
    ours = [start(marker), start(marker)]
    others = [start(None), start(marker + "0"), start(marker[:-1]), start(None, NOTE=f"{MARKER_VARIABLE}={marker}")]
    assert {process.pid for process in marked_processes(marker)} == {child.pid for child in ours}
    assert end_marked(marker) == 2
    assert [child.wait(timeout=10) for child in ours] == [-signal.SIGTERM] * 2
    assert [child.poll() for child in others] == [None] * 4


def test_what_ignores_sigterm_or_is_stopped_is_killed(start: Start) -> None:
    marker = secrets.token_hex(16)
    stubborn = start(marker, sys.executable, "-c", _IGNORES_TERM)
    assert stubborn.stdout is not None and stubborn.stdout.readline() == b"up\n"
    stopped = start(marker)
    stopped.send_signal(signal.SIGSTOP)
    while psutil.Process(stopped.pid).status() != psutil.STATUS_STOPPED:  # else SIGTERM may come first
        time.sleep(0.01)
    assert end_marked(marker, term_wait_s=0.2) == 2
    assert stubborn.wait(timeout=10) == stopped.wait(timeout=10) == -signal.SIGKILL


def test_children_inherit_the_marker_even_as_orphans(start: Start) -> None:
    marker = secrets.token_hex(16)
    parent = start(marker, "sh", "-c", "sleep 600 & echo $!")
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.wait(timeout=10)
    assert [process.pid for process in marked_processes(marker)] == [orphan]
    assert end_marked(marker) == 1
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE


def test_one_node_can_end_alone(start: Start) -> None:
    marker = secrets.token_hex(16)
    first, second = start(marker, MORAY_NODE_ID="node-0"), start(marker, MORAY_NODE_ID="node-1")
    assert end_marked(marker, variables={"MORAY_NODE_ID": "node-0"}) == 1
    assert first.wait(timeout=10) == -signal.SIGTERM
    assert second.poll() is None


def test_an_empty_marker_is_refused(start: Start) -> None:
    child = start("")
    with pytest.raises(ClusterError, match="without a marker"):
        end_marked("")
    assert child.poll() is None


def test_nothing_to_end_is_no_error() -> None:
    assert end_marked(secrets.token_hex(16)) == 0
