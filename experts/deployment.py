"""A set of experts as a Serve deployment: Serve places, checks and restarts it; rows come over its own uplinks."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import serve
from ray.serve import Application

from moray import wire
from moray.experts.device import choose_device
from moray.experts.executor import Executor
from moray.experts.incarnation import next_incarnation
from moray.experts.routes import OwnRoute, Route, SignedRoute
from moray.experts.row_format import row_format
from moray.experts.served import served_experts
from moray.experts.source import known_digests, open_model
from moray.experts.uplink import ReplicaIdentity
from moray.experts.uplink_threads import UplinkThreads
from moray.experts.weights import pack_expert
from moray.types import AskedDevice, DataAddress, PublicAddress

HEALTH_CHECK_PERIOD_S = 1.0
HEALTH_CHECK_TIMEOUT_S = 2.0
SHUTDOWN_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class ExpertSpec:
    """What one deployment serves, and for whom: routers of its own operator, or of others. The token is named by file
    and the key is in another process, so that neither passes through Ray."""

    model: str
    experts: tuple[int, ...]
    routers: tuple[DataAddress, ...] | tuple[PublicAddress, ...]
    secret: str  # the wire token's file; for routers of others the Unix socket of who signs
    incarnation_dir: str  # one counter per (node, replica)
    capacity_rows: int
    device: AskedDevice = "cpu"
    allow_private: bool = False  # whether routers of others may have private addresses
    max_unpaid_rows: int | None = None  # that a replica computes for a router of others without pay; None: no cap
    takes_vouchers: bool = False  # then all replicas of the node together
    gpu_share: float = 0.01  # of a GPU, for Ray's accounts, where the device is cuda

    @property
    def replica_id(self) -> str:
        """Stable over restarts; with the node it names one replica, since a set is on a node at most once."""
        return replica_id(self.experts)


def route_to(router: DataAddress | PublicAddress, spec: ExpertSpec) -> Route:
    if isinstance(router, PublicAddress):
        return SignedRoute(router, spec.secret, spec.allow_private, spec.max_unpaid_rows, spec.takes_vouchers)
    return OwnRoute(router, bytes.fromhex(Path(spec.secret).read_text().strip()))


def replica_id(experts: Sequence[int]) -> str:
    first, last = experts[0], experts[-1]
    return f"expert-{first}" if first == last else f"expert-{first}-{last}"


@dataclass(frozen=True, slots=True)
class NodeNames:
    """How the operator's Ray nodes are told apart."""

    label: str  # the Ray label that holds a node's id
    variable: str  # the environment variable that does
    slot_resource: str  # the Ray resource of which a replica takes one


class ExpertReplica:
    def __init__(self, spec: ExpertSpec, node_variable: str) -> None:
        """``node_variable`` names the environment variable with this node's id. Raises ShardCorrupt, BadCheckpoint,
        and BadSetting when the device is not there."""
        source = open_model(spec.model)
        device = choose_device(spec.device, source.numeric_class, torch.cuda.is_available())
        weights = {expert: pack_expert(source.expert(expert), device) for expert in spec.experts}
        rows = row_format(source.numeric_class)
        executor = Executor(weights, source.architecture.hidden_size, spec.capacity_rows, rows)
        node_id = os.environ[node_variable]
        identity = ReplicaIdentity(
            node_id=node_id,
            replica_id=spec.replica_id,
            experts=spec.experts,
            shards_digest=wire.digest_of(known_digests(source, spec.experts)),
            model_id=source.model_id,
            numeric_class=source.numeric_class,
        )
        counter = Path(spec.incarnation_dir) / f"{node_id}.{spec.replica_id}"
        counter.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # `moray up` makes it on its own machine only
        served = served_experts(weights, spec.capacity_rows)
        routes = [route_to(router, spec) for router in spec.routers]
        self._uplinks = UplinkThreads(routes, identity, executor, lambda: next_incarnation(counter), served)
        self._uplinks.start()
        gc.freeze()  # what is loaded stays: the collector need not walk it while rows wait

    def check_health(self) -> None:
        self._uplinks.check()

    async def __del__(self) -> None:
        await asyncio.to_thread(self._uplinks.drain, "the replica is shutting down")


def actor_options(spec: ExpertSpec, nodes: Sequence[str], placement: NodeNames) -> dict[str, Any]:
    """What a replica takes of its node, and which nodes it may be on."""
    return {
        "num_cpus": 0,
        "num_gpus": spec.gpu_share if spec.device == "cuda" else 0,
        "resources": {placement.slot_resource: 1},
        "label_selector": {placement.label: f"in({','.join(nodes)})"},
    }


def expert_app(spec: ExpertSpec, nodes: Sequence[str], placement: NodeNames) -> Application:
    """One replica on each of ``nodes``."""
    deploy = serve.deployment(
        name=spec.replica_id,
        num_replicas=len(nodes),
        max_replicas_per_node=1,
        ray_actor_options=actor_options(spec, nodes, placement),
        health_check_period_s=HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
        graceful_shutdown_timeout_s=SHUTDOWN_GRACE_S,
    )
    return deploy(ExpertReplica).bind(spec, placement.variable)
