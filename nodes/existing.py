"""A Ray cluster that its operator started: find its Moray nodes, deploy there, leave Ray itself as it was.

Such a cluster has one node with the resource ``moray_router`` (its head, where ``moray up`` runs too) and expert nodes
with ``moray_expert_slot``, each under the label ``moray-node=<id>`` and with ``MORAY_NODE_ID=<id>`` in the environment
of its ``ray start``. Ray's token is read as Ray reads it, from RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN.
"""

import importlib
import logging
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moray.errors import BadSetting, ClusterError
from moray.nodes.cluster import NODE_LABEL, ROUTER_RESOURCE, SLOT_RESOURCE
from moray.nodes.rayenv import make_ray_read_the_environment
from moray.nodes.serve import disconnect, remove_apps
from moray.nodes.state import (
    WIRE_TOKEN,
    ClusterRecord,
    NodeRecord,
    clear_state,
    ensure_token,
    hold_lock,
    open_state_dir,
    read_state,
    write_state,
)

_POLL_S = 0.5
_DIAL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class ExistingSpec:
    """Which cluster, and what will be put on it. ``dealt`` has the nodes, by number, of each set's replicas."""

    ray_address: str  # HOST:PORT
    num_nodes: int
    dealt: Sequence[Sequence[int]]
    apps: tuple[str, ...]  # the Serve applications' names; none may be taken
    state_dir: Path | None = None
    model_path: Path | None = None
    wait_s: float = 180.0  # for the cluster, its head and its expert nodes together


@dataclass(frozen=True)
class RouterNode:
    ray_id: str
    host: str  # its address in the Ray cluster


def join_cluster(spec: ExistingSpec, report: Callable[[str], None]) -> ClusterRecord:
    """Wait for the nodes, choose among them and write ``state.json``. Nothing is deployed yet.

    Raises BadSetting for what the caller can correct, ClusterError if the nodes are not there in time or another
    network is.
    """
    host, port = parse_address(spec.ray_address)
    state_dir = open_state_dir(spec.state_dir)
    until = time.monotonic() + spec.wait_s
    with hold_lock(state_dir):
        _refuse_other(state_dir, spec.ray_address)
        ensure_token(state_dir, WIRE_TOKEN)
        report(f"waiting for Ray at {spec.ray_address}")
        _wait_for_port(host, port, until)
        _refuse_other_tls(host, port)
        with _driver_of(spec.ray_address):
            router, experts = _wait_for_nodes(spec, until, report)
            _refuse_elsewhere(router)
            _refuse_taken(spec)
        record = ClusterRecord(
            marker="",  # no process is ours: `down` ends none
            state_dir=state_dir,
            temp_dir=state_dir / "temp",  # Ray keeps its own
            ray_address=spec.ray_address,
            nodes=choose_nodes(experts, spec.num_nodes, spec.dealt),
            model_path=spec.model_path,
            is_existing=True,
            head_host=router.host,
            apps=spec.apps,
        )
        write_state(record)
    return record


def leave_cluster(record: ClusterRecord) -> int:
    """Remove the network's Serve applications and its ``state.json``; return how many replicas there were.

    Ray, Serve's controller and applications of others stay. Raises ClusterError if the cluster cannot be asked.
    """
    with hold_lock(record.state_dir):
        try:
            with connected(record):
                count = remove_apps(record.apps)
        except ClusterError as error:
            raise ClusterError(
                f"{error}; if that cluster is gone for good, delete {record.state_dir / 'state.json'}"
            ) from error
        clear_state(record.state_dir)
    return count


@contextmanager
def connected(record: ClusterRecord) -> Iterator[None]:
    """This process as a driver of the cluster. Raises ClusterError if it is not let in."""
    host, port = parse_address(record.ray_address)
    _wait_for_port(host, port, time.monotonic())
    _refuse_other_tls(host, port)
    with _driver_of(record.ray_address):
        yield


def parse_address(address: str) -> tuple[str, int]:
    """``HOST:PORT`` in its parts. Raises BadSetting for anything else, ``ray://`` and ``auto`` included."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and "/" not in host and port.isdecimal() and 0 < int(port) <= 65535):
        raise BadSetting(f"--ray-address {address} is not HOST:PORT: give the head's, for example 127.0.0.1:6379")
    return host.strip("[]"), int(port)


def read_nodes(ray_nodes: Sequence[Mapping[str, Any]]) -> tuple[RouterNode | None, list[NodeRecord]]:
    """The node for the router and the expert nodes in `ray.nodes()`, live ones only. Pure.

    A name counts once: for some seconds a restarted node is there under its old and its new Ray id.
    """
    router: RouterNode | None = None
    slots: dict[str, int] = {}
    for node in ray_nodes:
        resources = node.get("Resources", {})
        node_id = node.get("Labels", {}).get(NODE_LABEL, "")
        if not node["Alive"]:
            continue
        if resources.get(ROUTER_RESOURCE, 0) >= 1:
            router = RouterNode(node["NodeID"], node["NodeManagerAddress"])
        if node_id and (count := int(resources.get(SLOT_RESOURCE, 0))) >= 1:
            slots[node_id] = max(count, slots.get(node_id, 0))
    return router, [NodeRecord(node_id=node_id, slots=count) for node_id, count in sorted(slots.items())]


def choose_nodes(found: Sequence[NodeRecord], num_nodes: int, dealt: Sequence[Sequence[int]]) -> tuple[NodeRecord, ...]:
    """The ``num_nodes`` nodes with the most slots, in the order in which ``dealt`` numbers them. Pure.

    Raises BadSetting when one has fewer slots than it is dealt replicas.
    """
    chosen = sorted(found, key=lambda node: (-node.slots, node.node_id))[:num_nodes]
    needed = Counter(place for places in dealt for place in places)
    for place, node in enumerate(chosen):
        if node.slots < needed[place]:
            raise BadSetting(
                f"{sum(needed.values())} replicas on {num_nodes} nodes need {needed[place]} expert slots on "
                f"{node.node_id}, which has {node.slots}: start it with more {SLOT_RESOURCE}, or more nodes"
            )
    return tuple(chosen)


def describe_lack(router: RouterNode | None, experts: Sequence[NodeRecord], num_nodes: int) -> str:
    """What the cluster still lacks and how to give it, "" if nothing. Pure."""
    if router is None:
        return f"no Ray node has {ROUTER_RESOURCE}: start the head with --resources='{{\"{ROUTER_RESOURCE}\":1}}'"
    if len(experts) < num_nodes:
        return (
            f"{len(experts)} of {num_nodes} expert nodes are there: start the others with the resource "
            f"{SLOT_RESOURCE} and a {NODE_LABEL} label of their own, or give --nodes"
        )
    return ""


def _wait_for_nodes(
    spec: ExistingSpec, until: float, report: Callable[[str], None]
) -> tuple[RouterNode, list[NodeRecord]]:
    ray = importlib.import_module("ray")
    while True:
        router, experts = read_nodes(ray.nodes())
        lack = describe_lack(router, experts, spec.num_nodes)
        if router is not None and not lack:
            return router, experts
        if time.monotonic() >= until:
            raise ClusterError(f"{lack} (waited {spec.wait_s:.0f} s)")
        report(lack.split(":")[0])
        time.sleep(_POLL_S)


def _wait_for_port(host: str, port: int, until: float) -> None:
    """Until something listens there; at least one try. Ray's own client would try for a minute without a word."""
    while True:
        try:
            socket.create_connection((host, port), timeout=_DIAL_TIMEOUT_S).close()
            return
        except OSError as error:
            if time.monotonic() >= until:
                raise ClusterError(
                    f"no Ray cluster answers at {host}:{port} ({error.strerror or error}): start it or correct "
                    "--ray-address"
                ) from None
        time.sleep(_POLL_S)


def _refuse_other_tls(host: str, port: int) -> None:
    """Raises BadSetting where one side speaks TLS and the other does not: Ray's own client would try for minutes."""
    is_asked = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")  # as Ray reads it
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is said over it; Ray verifies for itself.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=_DIAL_TIMEOUT_S) as plain, context.wrap_socket(plain):
            is_there = True
    except TimeoutError:  # busy: Ray will find out
        return
    except OSError:
        is_there = False
    if is_there and not is_asked:
        raise BadSetting(
            f"the Ray cluster at {host}:{port} speaks TLS: set RAY_USE_TLS=1, RAY_TLS_SERVER_CERT, RAY_TLS_SERVER_KEY "
            "and RAY_TLS_CA_CERT as for its `ray start`"
        )
    if is_asked and not is_there:
        raise BadSetting(
            f"the Ray cluster at {host}:{port} does not speak TLS: unset RAY_USE_TLS, or restart it with that"
        )


@contextmanager
def _driver_of(address: str) -> Iterator[None]:
    """Raises ClusterError in place of whatever Ray raises while connecting."""
    variables = os.environ
    if variables.get("RAY_AUTH_TOKEN") or variables.get("RAY_AUTH_TOKEN_PATH"):
        variables.setdefault("RAY_AUTH_MODE", "token")  # with an explicit address Ray leaves it off by itself
    import ray

    make_ray_read_the_environment()
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ClusterError(
            f"the Ray cluster at {address} does not let this process in ({reason}): run on one of its machines, "
            "with its token in RAY_AUTH_TOKEN_PATH"
        ) from error
    try:
        yield
    finally:
        disconnect()


def _refuse_other(state_dir: Path, address: str) -> None:
    """A record of this very cluster may stay from a Ray that was restarted; whether a network runs is asked there."""
    old = read_state(state_dir)
    if old is not None and not (old.is_existing and old.ray_address == address):
        raise ClusterError(
            f"{state_dir} belongs to another network: end it with `moray down` or give another --state-dir"
        )


def _refuse_elsewhere(router: RouterNode) -> None:
    """The ports, the tokens and the URL that this command sees must be the router's."""
    here = importlib.import_module("ray").get_runtime_context().get_node_id()
    if here != router.ray_id:
        raise BadSetting(
            f"the node with {ROUTER_RESOURCE} is {router.host} and not this machine: run `moray up` over there"
        )


def _refuse_taken(spec: ExistingSpec) -> None:
    taken = sorted(set(spec.apps) & set(_serve().status().applications))
    if taken:
        raise ClusterError(
            f"Serve at {spec.ray_address} runs {', '.join(taken[:3])} already: end it with `moray down` "
            "in its state directory"
        )


def _serve() -> Any:
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return importlib.import_module("ray.serve")
