"""How routers see a node, asked of real servers that answer well, badly or not at all; and leaving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doctor_kit import free_port
from http_kit import Server, serving
from moray.cli.join import show_node
from moray.errors import ClusterError
from moray.nodes.leaving import MAX_NETWORK_BYTES, leave, views
from moray.nodes.node_state import NODE_LOCK, NodeState, read_node, this_process, write_node
from moray.nodes.state import hold_lock

SIGNER, NODE_ID = "0x52908400098527886E0F7030069857D2E4169EE7", "node-0123abcd"
REPLICA: dict[str, Any] = {
    "replica_id": "expert-1",
    "pid": 5,
    "experts": [1],
    "state": "serving",
    "reason": "",
    "rows_sent": 7,
    "latency_ms": 2.5,
}


def a_state(**routers: str) -> NodeState:
    pid, started = this_process()
    return NodeState(
        pid=pid,
        pid_started=started,
        join_string=f"http://127.0.0.1:1#{SIGNER}",
        allow_private=True,
        network_id="eels",
        node_id=NODE_ID,
        signer=SIGNER,
        num_slots=1,
        routers=routers,
        phase="serving",
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(lambda reply: reply.hang()) as server:
        yield server


def a_node(replicas: Any, signer: str = SIGNER, node_id: str = NODE_ID) -> dict[str, Any]:
    return {"signer": signer, "node_id": node_id, "faults": 0, "replicas": replicas}


def view_of(server: Server, page: Any) -> dict[str, Any]:
    """What is told of a router with this page; people are shown it too."""
    content = page if isinstance(page, bytes) else json.dumps(page).encode()
    server.answer = lambda reply: reply.whole(content)
    (view,) = seen = views(state := a_state(router=server.url))
    show_node(state, True, seen)
    return view


def test_a_router_shows_this_nodes_replicas_and_nobody_elses(server: Server) -> None:
    others = [a_node([REPLICA], signer="", node_id=NODE_ID), a_node([REPLICA], node_id="node-1")]
    own = [REPLICA, REPLICA | {"experts": [2]}]
    view = view_of(server, {"nodes": [*others, a_node(own)]})
    assert view == {"router": "router", "replicas": own, "problem": ""}
    assert server.requests[0].path == "/network"


@pytest.mark.parametrize("nodes", [[], [a_node([])], [a_node([REPLICA], node_id="node-1")]])
def test_a_router_without_an_uplink_of_this_node_says_so(nodes: list[Any], server: Server) -> None:
    view = view_of(server, {"nodes": nodes})
    assert view["replicas"] == [] and view["problem"] == "it has no uplink of this node"


def test_why_a_router_refuses_this_node_is_told_while_it_is_news(server: Server) -> None:
    def refused(ago_s: float, **changes: str) -> dict[str, Any]:
        who = {"signer": SIGNER, "node_id": NODE_ID, "replica_id": "expert-3", "reason": "wrong_clock: set it"}
        return who | changes | {"ago_s": ago_s}

    strangers = [refused(1, signer=""), refused(1, node_id="node-1")]
    view = view_of(server, {"nodes": [a_node([REPLICA])], "refused": [*strangers, refused(5)]})
    assert view["problem"] == "it refuses expert-3: wrong_clock: set it" and view["replicas"] == [REPLICA]
    assert view_of(server, {"nodes": [a_node([REPLICA])], "refused": [*strangers, refused(90)]})["problem"] == ""


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"nodes": ' + b"[" * 200_000,
        {},
        [],
        {"nodes": {}},
        {"nodes": [7]},
        {"nodes": [{}]},
        {"nodes": [a_node("replicas")]},
        {"nodes": [a_node([{}])]},
        {"nodes": [a_node([REPLICA | {"experts": "all"}])]},
        {"nodes": [a_node([REPLICA | {"latency_ms": None}])]},
        {"nodes": [a_node([REPLICA | {"state": 7}])]},
    ],
)
def test_nonsense_is_told_as_such(page: Any, server: Server) -> None:
    assert view_of(server, page) == {
        "router": "router",
        "replicas": [],
        "problem": "it does not answer as a router does",
    }


def test_what_a_router_says_cannot_write_over_the_terminal(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    view_of(server, {"nodes": [a_node([REPLICA | {"state": "suspended", "reason": "\x1b[2J[red]x\r\n"}])]})
    shown = capsys.readouterr().out
    assert "suspended: ?[2J[red]x??" in shown and "\x1b" not in shown


def test_an_endless_page_and_a_router_that_is_gone_are_problems_of_their_own(server: Server) -> None:
    server.answer = lambda reply: reply.whole(b" " * (MAX_NETWORK_BYTES + 1))
    endless, gone = views(a_state(endless=server.url, gone=f"http://127.0.0.1:{free_port()}"))
    assert "more than" in endless["problem"] and "try again" in gone["problem"]


def test_where_no_node_was_there_is_nothing_to_leave(tmp_path: Path) -> None:
    assert leave(tmp_path, 0) == 0


def test_what_a_killed_node_left_is_cleared(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        write_node(tmp_path, a_state().model_copy(update={"pid": ended.pid}))
    assert leave(tmp_path, 0) == 0
    assert read_node(tmp_path) is None


def test_a_node_that_does_not_stop_is_told_with_its_process(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "from moray.nodes.node_state import this_process; print(*this_process(), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as stubborn:
        assert stubborn.stdout is not None
        pid, started = stubborn.stdout.readline().split()
        state = a_state().model_copy(update={"pid": int(pid), "pid_started": float(started)})
        write_node(tmp_path, state)
        with pytest.raises(ClusterError, match=f"process {pid} does not stop"):
            leave(tmp_path, 0)
        assert read_node(tmp_path) == state
        stubborn.kill()


def test_a_node_that_is_asked_to_leave_is_told_by_signal_and_waited_for(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from moray.nodes.node_state import NODE_LOCK, this_process
from moray.nodes.state import hold_lock
with hold_lock(pathlib.Path({os.fspath(tmp_path)!r}), NODE_LOCK):
    print(*this_process(), flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        pid, started = node.stdout.readline().split()
        write_node(tmp_path, a_state().model_copy(update={"pid": int(pid), "pid_started": float(started)}))
        assert leave(tmp_path, 60) == 0
        assert node.wait(20) != 0
    with hold_lock(tmp_path, NODE_LOCK):
        assert read_node(tmp_path) is None
