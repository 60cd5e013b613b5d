"""A network on Ray nodes that Moray started, or on a cluster that was there: the record says which."""

from contextlib import AbstractContextManager

from moray.nodes import existing, serve
from moray.nodes.cluster import stop_cluster
from moray.nodes.state import ClusterRecord


def connected(record: ClusterRecord) -> AbstractContextManager[None]:
    """This process as a driver of the record's cluster. Raises ClusterError if it cannot be."""
    return existing.connected(record) if record.is_existing else serve.connected(record)


def stop_network(record: ClusterRecord) -> int:
    """End what `moray up` started, and only that. Returns how many processes there were. Raises ClusterError."""
    return existing.leave_cluster(record) if record.is_existing else stop_cluster(record)
