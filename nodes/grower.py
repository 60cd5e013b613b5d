"""Puts replicas on machines that are added to the operator's Ray cluster with `ray start`, while the network runs.

Started as ``python -m moray.nodes.grower STATE_DIR`` by `moray up --ray-address`. It stays a driver of that cluster,
and ends by itself when the state directory no longer names this network. What is dealt to a newcomer stays its own:
Serve fills it again when the machine was away. Nodes that were there at the start and were not chosen stay unused.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from moray.errors import ClusterError
from moray.experts.deployment import ExpertSpec, expert_app
from moray.files import write_private
from moray.nodes import existing
from moray.nodes.growing import deal_to_newcomers
from moray.nodes.hosting import NODE_NAMES
from moray.nodes.serve import deploy_together, replica_places
from moray.nodes.state import ClusterRecord, NodeRecord, hold_lock, read_state, write_state

PERIOD_S = 5.0
_SPECS, _LOG = "experts.json", "grower.log"  # in the state directory
_SPEC_LIST = TypeAdapter(list[ExpertSpec])

logger = logging.getLogger(__name__)


def start_grower(record: ClusterRecord, specs: Sequence[ExpertSpec]) -> None:
    """Returns at once. ``specs`` is what each replica of the network is made of; secrets are in it by path only."""
    write_private(record.state_dir / _SPECS, _SPEC_LIST.dump_json(list(specs)))
    command = [sys.executable, "-m", "moray.nodes.grower", str(record.state_dir)]
    with (record.state_dir / _LOG).open("wb") as log:
        subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ.copy(), start_new_session=True
        )


def watch(record: ClusterRecord, specs: Sequence[ExpertSpec]) -> None:
    """Until the state directory is another network's, or nobody's."""
    with existing.connected(record):
        known = {node.node_id for node in _expert_nodes()} | {node.node_id for node in record.nodes}
        while (current := read_state(record.state_dir)) is not None and current.url == record.url:
            newcomers = [node for node in _expert_nodes() if node.node_id not in known]
            if newcomers:
                try:
                    _grow(current, specs, newcomers)
                    known |= {node.node_id for node in newcomers}
                except ClusterError as error:  # another command is at work: the next turn tries again
                    logger.warning("%s", error)
            time.sleep(PERIOD_S)


def _grow(record: ClusterRecord, specs: Sequence[ExpertSpec], newcomers: Sequence[NodeRecord]) -> None:
    held = [
        {place.node_id for place in replica_places() if place.deployment == spec.replica_id} - {""} for spec in specs
    ]
    dealt = deal_to_newcomers(held, newcomers)
    apps = {
        f"{specs[number].replica_id}.{node_id}": expert_app(specs[number], [node_id], NODE_NAMES)
        for node_id, numbers in dealt.items()
        for number in numbers
    }
    with hold_lock(record.state_dir):
        nodes, names = (*record.nodes, *newcomers), (*record.apps, *apps)
        write_state(record.model_copy(update={"nodes": nodes, "apps": names}))
        deploy_together(apps)
    logger.warning("new nodes take %s", ", ".join(apps))


def _expert_nodes() -> list[NodeRecord]:
    return existing.read_nodes(importlib.import_module("ray").nodes())[1]


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    state_dir = Path(sys.argv[1])
    record = read_state(state_dir)
    if record is not None:
        specs = _SPEC_LIST.validate_json((state_dir / _SPECS).read_bytes())
        watch(record, specs)


if __name__ == "__main__":
    main()
