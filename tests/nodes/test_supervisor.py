"""Which nodes live, by real processes that go by a raylet's name."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moray.nodes.processes import MARKER_VARIABLE
from moray.nodes.rayenv import NODE_VARIABLE
from moray.nodes.state import ClusterRecord, NodeRecord
from moray.nodes.supervisor import RAYLET, Raylets

NODES = ["head", "node-0", "node-1", "node-2"]
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def record(tmp_path: Path) -> ClusterRecord:
    nodes = tuple(NodeRecord(node_id=node_id, slots=1) for node_id in NODES[1:])
    return ClusterRecord(marker=secrets.token_hex(16), state_dir=tmp_path, temp_dir=tmp_path, nodes=nodes)


@pytest.fixture
def start(record: ClusterRecord, tmp_path: Path) -> Iterator[Start]:
    children: list[subprocess.Popen[bytes]] = []
    (tmp_path / RAYLET).symlink_to(sys.executable)

    def run(node_id: str) -> subprocess.Popen[bytes]:
        env = os.environ | {MARKER_VARIABLE: record.marker, NODE_VARIABLE: node_id}
        children.append(subprocess.Popen([tmp_path / RAYLET, "-c", "import time; time.sleep(600)"], env=env))
        return children[-1]

    yield run
    for child in children:
        child.kill()
        child.wait()


def test_a_raylet_that_is_started_again_is_found_while_the_others_run_on(record: ClusterRecord, start: Start) -> None:
    children = {node_id: start(node_id) for node_id in NODES}
    raylets = Raylets(record)
    assert raylets.alive() == set(NODES)
    for node_id in NODES[1:]:
        children[node_id].kill()
        children[node_id].wait()
        assert raylets.alive() == set(NODES) - {node_id}
        start(node_id)
        assert raylets.alive() == set(NODES)
