"""Brings dead Ray nodes of a local cluster back. Serve does so for replicas, and nothing does for raylets.

Started as ``python -m moray.nodes.supervisor STATE_DIR`` by `moray up`, one for each cluster. It carries the cluster's
marker, so it ends with it, and it ends by itself when the state directory no longer names its cluster.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from moray.errors import ClusterError
from moray.nodes.cluster import restart_node
from moray.nodes.processes import MARKER_VARIABLE, SUPERVISOR, marked_processes
from moray.nodes.rayenv import NODE_VARIABLE
from moray.nodes.repair import Repairs
from moray.nodes.state import ClusterRecord, read_state

PERIOD_S = 1.0
RAYLET = "raylet"

logger = logging.getLogger(__name__)


def start_supervisor(record: ClusterRecord) -> None:
    """Returns at once. Its log is in the cluster's temporary directory."""
    env = os.environ | SUPERVISOR | {MARKER_VARIABLE: record.marker}
    command = [sys.executable, "-m", "moray.nodes.supervisor", str(record.state_dir)]
    with (record.temp_dir / "supervisor.log").open("ab") as log:
        # A session of its own, as the raylets have: Ctrl-C is for `moray up`, which ends it in its turn.
        subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
        )


class Raylets:
    """Processes once found are only asked whether they still run: to search all costs milliseconds."""

    def __init__(self, record: ClusterRecord) -> None:
        self._marker, self._node_ids = record.marker, {node.node_id for node in record.nodes}
        self._by_node: dict[str, psutil.Process] = {}

    def alive(self) -> set[str]:
        """Nodes whose raylet runs, the head among them."""
        living = {node_id for node_id, process in self._by_node.items() if _runs(process)}
        if not self._node_ids <= living:
            self._search()
            living = set(self._by_node)
        return living

    def _search(self) -> None:
        self._by_node = {}
        for process in marked_processes(self._marker):
            with suppress(psutil.Error):
                if process.name() == RAYLET:
                    self._by_node[process.environ()[NODE_VARIABLE]] = process


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def watch(record: ClusterRecord) -> None:
    """Until the cluster is no longer the state directory's."""
    raylets, repairs = Raylets(record), Repairs()
    node_ids = [node.node_id for node in record.nodes]
    while (current := read_state(record.state_dir)) is not None and current.marker == record.marker:
        for node_id in repairs.due(node_ids, raylets.alive(), time.monotonic()):
            logger.warning("%s has no raylet; it is started again", node_id)
            try:
                restart_node(record, node_ids.index(node_id))
            except ClusterError as error:  # it is tried again after a pause
                logger.warning("%s: %s", node_id, error)
        time.sleep(PERIOD_S)


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    record = read_state(Path(sys.argv[1]))
    if record is not None:
        watch(record)


if __name__ == "__main__":
    main()
