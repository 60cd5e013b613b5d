"""Starting a network, step by step, and describing one that runs."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moray.cli.requirement import StakeOptions, look_up
from moray.config import Settings, read_settings
from moray.errors import BadSetting, ClusterError, PortTaken
from moray.nodes.cluster import REPLICA_ENV, ROUTER_RESOURCE, ClusterSpec, start_cluster
from moray.nodes.existing import ExistingSpec, join_cluster
from moray.nodes.network import connected, stop_network
from moray.nodes.placement import deal_replicas, expert_sets, slots_per_node
from moray.nodes.state import MAX_SOCKET_PATH_BYTES, NETWORK_MANIFEST, WIRE_TOKEN, ClusterRecord, write_state
from moray.nodes.supervisor import start_supervisor
from moray.router.sockets import bind
from moray.types import AskedDevice, DataAddress, PublicAddress

if TYPE_CHECKING:
    from moray.experts.source import ModelSource
    from moray.router.service import PublicSpec
    from moray.router.stake_thread import StakeSpec

# torch and Ray take seconds to import, so they are imported where they are used: `moray status` needs neither.

READY_TIMEOUT_S = 180.0
POLL_S = 0.1
QUIET_PORTS = range(20_000, 32_768)
FREE_PORT_TRIES = 20
MAX_REPLY_BYTES = 16 << 20
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound here


@dataclass(frozen=True, slots=True)
class PublicOptions:
    """Where nodes of other operators dial."""

    host: str  # to listen on
    port: int  # 0: a free one
    advertised: str  # the host that they are told; empty: ``host``


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    model: Path
    num_nodes: int
    replicas: int
    experts_per_replica: int
    http_host: str
    http_port: int  # 0: a free one
    data_port: int  # 0: a free one
    state_dir: Path | None
    data_host: str = "127.0.0.1"
    ray_address: str = ""  # HOST:PORT of a Ray cluster that runs; empty: start one here
    public: PublicOptions | None = None  # None: nodes of other operators cannot join
    stake: StakeOptions | None = None  # None: they need none
    row_price: int = 0  # what they are paid, see pay_terms; 0: nothing


def launch(options: LaunchOptions, report: Callable[[str], None]) -> ClusterRecord:
    """Start everything and return when every expert has a replica. After a failure nothing is left running.

    Raises BadInput subclasses for what the caller can correct, ClusterError for what did not start.
    """
    from moray.experts.compiled import are_cached
    from moray.experts.source import open_model

    settings = read_settings()
    if options.row_price and options.public is None:
        raise BadSetting("--row-price is for nodes of other operators, who cannot join: give --public-host")
    report("reading the model" if are_cached() else "compiling kernels for this CPU, once")
    source = open_model(options.model)
    check_servable(source, settings)
    device = device_of_experts(options, settings, source)
    sets = expert_sets(source.architecture.num_experts, options.experts_per_replica) if options.num_nodes else []
    if sets:
        slots_per_node(len(sets), options.replicas, options.num_nodes)  # refuses what cannot be dealt
    http_port = reserve_port(options.http_host, options.http_port, "--http-port")
    data_port = reserve_port(options.data_host, options.data_port, "--data-port")
    public = reserve_public(options.public, source) if options.public is not None else None
    stake = asyncio.run(look_up(options.stake)) if options.stake is not None else None
    record = _open_cluster(options, sets, device, report)
    try:
        record = record.model_copy(update={"url": f"http://{_host_in_url(options.http_host)}:{http_port}"})
        write_state(record)
        _deploy(record, options, settings, device, sets, http_port, data_port, public, stake, report)
        if not record.is_existing:
            start_supervisor(record)
    except BaseException:
        stop_network(record)
        raise
    return record


def _open_cluster(
    options: LaunchOptions, sets: list[tuple[int, ...]], device: AskedDevice, report: Callable[[str], None]
) -> ClusterRecord:
    """Ray nodes with room for every replica: started here, or found in the operator's cluster."""
    if options.ray_address:
        from moray.experts.deployment import replica_id
        from moray.router.deployment import APP_NAME

        existing = ExistingSpec(
            ray_address=options.ray_address,
            num_nodes=options.num_nodes,
            dealt=deal_replicas(len(sets), options.replicas, options.num_nodes) if sets else (),
            apps=(APP_NAME, *map(replica_id, sets)),
            state_dir=options.state_dir,
            model_path=options.model.absolute(),
        )
        return join_cluster(existing, report)
    report(f"starting {options.num_nodes} Ray nodes")
    return start_cluster(
        ClusterSpec(
            num_nodes=options.num_nodes,
            slots=slots_per_node(len(sets), options.replicas, options.num_nodes) if sets else 1,
            num_gpus=_count_gpus() if device == "cuda" else 0,
            state_dir=options.state_dir,
            model_path=options.model.absolute(),
            env=REPLICA_ENV,
        )
    )


def check_servable(source: ModelSource, settings: Settings) -> None:
    """Find here, in a second, what would otherwise fail in a replica a minute later."""
    from moray.router.service import plan_cache
    from moray.router.tokenizer import ModelTokenizer

    source.tokenizer_files()
    ModelTokenizer.load(source.folder)
    plan_cache(source, settings)


def device_of_experts(options: LaunchOptions, settings: Settings, source: ModelSource) -> AskedDevice:
    """What replicas are told. Nodes started here have this machine's GPUs; elsewhere each replica looks for itself.

    Raises BadSetting for what cannot be.
    """
    from moray.experts.device import choose_device

    if options.ray_address:
        choose_device(settings.expert_device, source.numeric_class, has_gpu=True)
        return settings.expert_device
    return choose_device(settings.expert_device, source.numeric_class, _count_gpus() > 0)


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _deploy(
    record: ClusterRecord,
    options: LaunchOptions,
    settings: Settings,
    device: AskedDevice,
    sets: list[tuple[int, ...]],
    http_port: int,
    data_port: int,
    public: PublicOptions | None,
    stake: StakeSpec | None,
    report: Callable[[str], None],
) -> None:
    from moray.experts.deployment import ExpertSpec, expert_app
    from moray.nodes.hosting import NODE_NAMES
    from moray.nodes.serve import deploy_together, start_serve, wait_ready
    from moray.router.contents import CONTENT_FOLDER
    from moray.router.deployment import APP_NAME, router_app
    from moray.router.service import RouterSpec

    # One name to listen on and to dial; for "any" it is the head's address among its nodes.
    data_host = record.head_host if options.data_host in ANY_HOST else options.data_host
    address = DataAddress(data_host, data_port, _socket_path(record.state_dir))
    model, token_file = str(options.model.absolute()), str(record.state_dir / WIRE_TOKEN)
    incarnations = record.state_dir / "incarnations"
    incarnations.mkdir(mode=0o700, exist_ok=True)
    router = RouterSpec(
        model=model,
        model_name=options.model.absolute().name,
        wire_token_file=token_file,
        http_host=options.http_host,
        http_port=http_port,
        data_address=address,
        settings=settings,
        public=_public_spec(public, record.state_dir) if public is not None else None,
        stake=stake,
        row_price=options.row_price,
        content_dir=str(record.state_dir / CONTENT_FOLDER),
    )
    experts = [
        ExpertSpec(
            model=model,
            experts=members,
            routers=(address,),
            secret=token_file,
            incarnation_dir=str(incarnations),
            capacity_rows=settings.replica_capacity_rows,
            device=device,
            gpu_share=settings.expert_gpu_share,
        )
        for members in sets
    ]
    apps = {APP_NAME: router_app(router, ROUTER_RESOURCE)}
    dealt = deal_replicas(len(sets), options.replicas, options.num_nodes) if sets else []
    for spec, places in zip(experts, dealt, strict=True):
        apps[spec.replica_id] = expert_app(spec, [record.nodes[place].node_id for place in places], NODE_NAMES)
    with connected(record):
        report("starting Serve")
        start_serve()
        report(f"starting the router and {len(experts) * options.replicas} expert replicas")
        deploy_together(apps)
        wait_ready(list(apps), READY_TIMEOUT_S)
    if record.is_existing:
        from moray.nodes.grower import start_grower

        start_grower(record, experts)
    report("waiting for the experts to join")
    _wait_for_experts(record, len(experts) * options.replicas)


def reserve_public(options: PublicOptions, source: ModelSource) -> PublicOptions:
    """With its port settled. Raises BadSetting for what nobody could join, PortTaken."""
    from moray.experts.store import ShardStore

    if not isinstance(source, ShardStore):
        raise BadSetting(
            f"{source.folder} is no sharded folder, so nobody could fetch or prove an expert: "
            f"run `moray model shard {source.folder} OUT` and serve OUT"
        )
    advertised = options.advertised or options.host
    if advertised in ANY_HOST:
        raise BadSetting(f"others cannot dial {options.host}: give --advertise the address under which they reach it")
    return replace(options, port=reserve_port(options.host, options.port, "--public-port"), advertised=advertised)


def _public_spec(public: PublicOptions, state_dir: Path) -> PublicSpec:
    from moray.nodes.tls_identity import ensure_tls_identity
    from moray.router.service import PublicSpec

    tls = ensure_tls_identity(state_dir)
    return PublicSpec(
        bind_host=public.host,
        bind_port=public.port,
        address=PublicAddress(public.advertised, public.port, tls.sha256),
        certificate_file=str(tls.certificate),
        key_file=str(tls.key),
        manifest_file=str(state_dir / NETWORK_MANIFEST),
    )


def _socket_path(state_dir: Path) -> str:
    """In the one directory that only this user can enter; empty where the system has no room for such a name."""
    path = str(state_dir / "router.sock")
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES else ""


def _wait_for_experts(record: ClusterRecord, num_replicas: int) -> None:
    """Until every replica has joined, not only one of each expert: what was asked for is what is there."""
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until:
        network = fetch_network(record)
        if network is not None and sum(len(node["replicas"]) for node in network["nodes"]) >= num_replicas:
            return
        time.sleep(POLL_S)
    raise ClusterError(f"not every expert joined in {READY_TIMEOUT_S:.0f} s; end other load and try again")


def fetch_network(record: ClusterRecord) -> dict[str, Any] | None:
    """The router's ``/network``, None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{record.url}/network", timeout=5) as reply:  # noqa: S310 - our own http URL
            network: dict[str, Any] = json.loads(reply.read(MAX_REPLY_BYTES))
            return network
    except (urllib.error.URLError, OSError, ValueError):
        return None


def summarise(record: ClusterRecord) -> dict[str, Any]:
    """What ``up`` and ``status`` print: the URL, and each node with its processes and experts."""
    network = fetch_network(record) if record.url else None
    joined = {(node["signer"], node["node_id"]): node["replicas"] for node in network["nodes"]} if network else {}
    known = dict.fromkeys([("", node.node_id) for node in record.nodes]) | dict.fromkeys(joined)
    nodes = []
    for signer, node_id in known:
        replicas = joined.get((signer, node_id), [])
        experts = sorted({expert for replica in replicas for expert in replica["experts"]})
        columns = {"pids": "pid", "states": "state", "reasons": "reason"}
        listed = {name: [replica[key] for replica in replicas] for name, key in columns.items()}
        nodes.append({"signer": signer, "node_id": node_id, "experts": experts, **listed})
    if network is None:
        reason = "the router does not answer"
    elif network["missing_experts"]:
        reason = f"no replica of experts {', '.join(map(str, network['missing_experts']))}"
    else:
        reason = ""
    return {
        "url": record.url,
        "ready": not reason,
        "reason": reason,
        "model": network["model"]["name"] if network else (record.model_path.name if record.model_path else ""),
        "model_id": network["model"]["id"] if network else "",
        "batch_invariant": bool(network and network["batch_invariant"]),
        "router_pid": network["router"]["pid"] if network else None,
        "data_addresses": network["data_addresses"] if network else [],
        "state_dir": str(record.state_dir),
        "nodes": nodes,
    }


def reserve_port(host: str, port: int, option: str) -> int:
    """``port`` if it can be bound, or a free one for 0. Raises PortTaken.

    It is released again at once; who takes it meanwhile is found out when the router binds, half a minute later. So a
    free one is looked for below the ports that the system deals out to connections, of which Ray opens hundreds.
    """
    for candidate in random.sample(QUIET_PORTS, FREE_PORT_TRIES) if port == 0 else []:
        with suppress(PortTaken):
            return reserve_port(host, candidate, option)
    with bind(host, port, option) as probe:
        return int(probe.getsockname()[1])


def _host_in_url(host: str) -> str:
    if host in ANY_HOST:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
