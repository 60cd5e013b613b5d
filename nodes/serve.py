"""A driver's view of a local cluster: connect, start Serve, deploy, and see which replica runs where.

Only one cluster per process: Ray keeps its connection, Serve its client, in module globals.
"""

import importlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moray import errors
from moray.errors import ClusterError, MorayError
from moray.nodes.cluster import NODE_LABEL, driver_environment
from moray.nodes.rayenv import make_ray_read_the_environment
from moray.nodes.state import ClusterRecord

EXPERT_PREFIX = "expert-"
_POLL_S = 0.1


@dataclass(frozen=True)
class ReplicaPlace:
    """One replica of a deployment. ``node_id`` is Moray's (``node-3``), "" while none is chosen; ``state`` Serve's."""

    deployment: str
    replica_id: str
    node_id: str
    pid: int | None
    state: str


def connect(record: ClusterRecord) -> None:
    """Make this process a driver of the cluster, without log output. Raises ClusterError if it cannot."""
    if not record.ray_address:
        raise ClusterError("the cluster has not finished starting: wait for `moray up`, or end it with `moray down`")
    os.environ.update(driver_environment(record))
    import ray

    make_ray_read_the_environment()
    try:
        ray.init(
            address=record.ray_address,
            _node_ip_address="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(f"no Ray cluster answers at {record.ray_address} ({reason}): run `moray up`") from error


def disconnect() -> None:
    """Leave the cluster; what was deployed stays."""
    importlib.import_module("ray").shutdown()


@contextmanager
def connected(record: ClusterRecord) -> Iterator[None]:
    connect(record)
    try:
        yield
    finally:
        disconnect()


def start_serve() -> None:
    """Start Serve's controller on the head, without HTTP proxies: the router replica serves HTTP itself."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(proxy_location="Disabled", logging_config={"enable_access_log": False})


def deploy_together(apps: Mapping[str, Any]) -> None:
    """Deploy Serve applications by name, all in one request, without waiting for their replicas.

    Replicas then start in parallel. No application has a route. `start_serve` must have run: Serve started by a
    deployment opens HTTP proxies on every node.
    """
    from ray import serve

    targets = [serve.RunTarget(target=app, name=name, route_prefix=None) for name, app in apps.items()]
    serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)


def wait_ready(names: Sequence[str], timeout_s: float) -> None:
    """Wait until the named applications run. Raises ClusterError if one fails or ``timeout_s``
    seconds pass, or the BadInput that kept a replica from starting."""
    from ray import serve

    until = time.monotonic() + timeout_s
    while True:
        applications = serve.status().applications
        waiting = [name for name in names if name not in applications or applications[name].status != "RUNNING"]
        if not waiting:
            return
        for name in waiting:
            if name in applications and applications[name].status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise _failure(name, applications[name])
        if time.monotonic() >= until:
            raise ClusterError(
                f"{', '.join(waiting)} not ready after {timeout_s:.0f} s: try again with less load, or more memory"
            )
        time.sleep(_POLL_S)


def remove_apps(names: Sequence[str]) -> int:
    """Let the replicas of these applications drain and end; return how many there were. Unknown names are nobody's
    concern. Blocks until they are gone. Raises ClusterError when Serve takes too long over it."""
    from ray import serve

    known = serve.status().applications
    there = [name for name in names if name in known]
    if not there:
        return 0
    count = sum(place.deployment in there and place.pid is not None for place in replica_places())
    client = importlib.import_module("ray.serve.context")._get_global_client()
    try:
        client.delete_apps(there, blocking=True)
    except TimeoutError as error:
        raise ClusterError(f"Serve still removes {', '.join(there[:3])}: try again") from error
    return count


def replica_places() -> list[ReplicaPlace]:
    """Every replica that Serve knows, in order of deployment and replica id."""
    context = importlib.import_module("ray.serve.context")
    node_ids = _moray_node_ids()
    details = context._get_global_client().get_serve_details()
    places = [
        ReplicaPlace(
            deployment=name,
            replica_id=replica["replica_id"],
            node_id=node_ids.get(replica.get("node_id") or "", ""),
            pid=replica.get("pid"),
            state=str(getattr(replica["state"], "value", replica["state"])),
        )
        for application in details["applications"].values()
        for name, deployment in application["deployments"].items()
        for replica in deployment["replicas"]
    ]
    return sorted(places, key=lambda place: (place.deployment, place.replica_id))


def expert_places(record: ClusterRecord) -> dict[str, list[ReplicaPlace]]:
    """For each expert node of the record, its replicas of deployments named ``expert-*``."""
    places = [place for place in replica_places() if place.deployment.startswith(EXPERT_PREFIX)]
    return {node.node_id: [place for place in places if place.node_id == node.node_id] for node in record.nodes}


def live_nodes() -> list[str]:
    """The Moray ids of the Ray nodes that are alive, "head" included."""
    return sorted(_moray_node_ids(only_alive=True).values())


def shut_down_serve() -> None:
    """Let replicas drain and end, then the controller. Blocks until they are gone."""
    importlib.import_module("ray.serve").shutdown()


def _moray_node_ids(only_alive: bool = False) -> dict[str, str]:
    nodes = importlib.import_module("ray").nodes()
    return {
        node["NodeID"]: node["Labels"][NODE_LABEL]
        for node in nodes
        if NODE_LABEL in node["Labels"] and (node["Alive"] or not only_alive)
    }


def _failure(name: str, application: Any) -> MorayError:
    """The error that a replica's constructor raised if it is one of ours that the caller can correct, as itself."""
    messages = [application.message, *(deployment.message for deployment in application.deployments.values())]
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    for line in lines:
        kind, _, text = line.removeprefix("moray.errors.").partition(": ")
        ours = getattr(errors, kind, None) if line.startswith("moray.errors.") else None
        if isinstance(ours, type) and issubclass(ours, errors.BadInput):
            return ours(text)
    reasons = [line for line in lines if "Error" in line] or lines or ["no reason given"]
    return ClusterError(f"{name} did not start: {reasons[-1][:300]}")
