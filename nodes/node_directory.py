"""Whose a state directory is: one node's at a time, and what a node that was killed has left in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moray.errors import ClusterError
from moray.nodes.cluster import stop_cluster
from moray.nodes.node_state import NODE_LOCK, clear_node, read_node
from moray.nodes.state import hold_lock, read_state


@contextmanager
def own_directory(state_dir: Path) -> Iterator[None]:
    """One node at a time. Raises ClusterError while another runs, and for the directory of a network."""
    left = read_node(state_dir)
    if left is not None and left.is_running:
        raise ClusterError(
            f"a node runs from {state_dir} already: end it with `moray node leave` or give another --state-dir"
        )
    with hold_lock(state_dir, NODE_LOCK):
        refuse_network(state_dir)
        yield


def refuse_network(state_dir: Path) -> None:
    """Raises ClusterError when the directory is that of a network."""
    left, record = read_node(state_dir), read_state(state_dir)
    if record is not None and (left is None or left.marker != record.marker):
        raise ClusterError(f"{state_dir} belongs to `moray up`: give the node another --state-dir")


def end_leftovers(state_dir: Path) -> int:
    """End what runs of the directory's node besides its own process; return how many processes there were. The caller
    holds NODE_LOCK. Raises ClusterError when some do not end; then the next call finds them."""
    left, record = read_node(state_dir), read_state(state_dir)
    is_nodes = left is not None and record is not None and left.marker == record.marker
    count = stop_cluster(record) if record is not None and is_nodes else 0
    clear_node(state_dir)
    return count
