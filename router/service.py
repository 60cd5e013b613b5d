"""The router as one object: data-plane listener, engine thread and gateway, put together in this order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from moray.architecture import Architecture
from moray.config import Settings
from moray.errors import BadSetting
from moray.experts.row_format import row_format
from moray.experts.source import ModelSource, known_digests, open_model
from moray.router.attention import latent_cache_spec
from moray.router.backbone import load_backbone
from moray.router.blame import Failures
from moray.router.contents import ContentStore, content_routes
from moray.router.credentials import Credentials, SignedCredentials, TokenCredentials
from moray.router.directory import Directory
from moray.router.engine import Engine
from moray.router.engine_thread import EngineThread
from moray.router.gateway import create_app
from moray.router.gateway_settings import GatewaySettings
from moray.router.heat import HeatMeter
from moray.router.known_answers import KnownAnswers
from moray.router.kv_cache import KV_PAGE_SIZE
from moray.router.listener import Acceptor, Counters, NetworkIdentity, listen
from moray.router.metrics import RouterCollector
from moray.router.network_experts import NetworkExperts
from moray.router.payment_door import payment_routes
from moray.router.payments import PaymentBook
from moray.router.placement_service import placement_routes
from moray.router.publication import publication_routes
from moray.router.scheduler import SchedulerLimits
from moray.router.selftest import find_variance
from moray.router.sockets import bind
from moray.router.stake import put_out
from moray.router.stake_thread import StakeSpec, StakeThread
from moray.router.tls_listener import TlsListener, server_context
from moray.router.tokenizer import ModelTokenizer
from moray.router.transport import ExpertTransport, LocalExperts
from moray.types import DataAddress, PublicAddress


@dataclass(frozen=True, slots=True)
class PublicSpec:
    """Where nodes of other operators dial; ``address`` is what they are told, and pin. The files of the certificate are
    PEM."""

    bind_host: str
    bind_port: int
    address: PublicAddress
    certificate_file: str
    key_file: str
    manifest_file: str  # of the network, see moray.network_manifest; absent until its owner has signed one


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """Where a router finds its model and its secrets, and where it listens. Tokens are named by file, so that none
    passes through Ray's object store."""

    model: str
    model_name: str
    wire_token_file: str
    http_host: str
    http_port: int
    data_address: DataAddress
    settings: Settings
    public: PublicSpec | None = None  # None: nobody else can join
    content_dir: str = ""  # of what the task worker keeps for others to fetch, see router.contents; empty: of nothing
    stake: StakeSpec | None = None  # what nodes of others need to join; None: nothing
    row_price: int = 0  # what nodes of others are paid, see pay_terms; 0: nothing
    local_experts: bool = False  # the experts in this process: no network, for comparison


class RouterService:
    """``start`` returns when requests can be taken; experts may still be on their way."""

    def __init__(self, spec: RouterSpec) -> None:
        self.spec = spec
        self.source = open_model(spec.model)
        self.tokenizer = ModelTokenizer.load(Path(spec.model))
        self.num_pages, self.context_length = plan_cache(self.source, spec.settings)
        self.directory = Directory(self.source.architecture.num_experts)
        self.failures = Failures()
        token = bytes.fromhex(Path(spec.wire_token_file).read_text().strip())
        self.counters, self._examiner = Counters(), KnownAnswers(self.source)
        self.acceptor = self._acceptor(str(spec.data_address), TokenCredentials(token))
        self.others: Acceptor | None = None  # of nodes of other operators
        self.stakes: StakeThread | None = None
        self.payments: PaymentBook | None = None
        self._token = token
        if spec.public is not None:
            self.stakes = StakeThread(spec.stake) if spec.stake is not None else None
            credentials = SignedCredentials(bytes.fromhex(spec.public.address.tls_cert_sha256), time.time, self.stakes)
            self.payments = PaymentBook(spec.row_price) if spec.row_price else None
            self.others = self._acceptor(str(spec.public.address), credentials, self.payments)
        self.heat = HeatMeter(self.source.architecture.num_experts, monotonic())
        self.engine_thread = EngineThread(
            self._open_engine, spec.settings.router_threads or max(1, (os.cpu_count() or 2) // 2)
        )
        self.started_at = monotonic()

    def start(self) -> FastAPI:
        """Raises what building raises: PortTaken, BadCheckpoint."""
        self.engine = self.engine_thread.start()
        registry = CollectorRegistry()
        registry.register(RouterCollector(self.engine, self.directory, self.counters))
        registry.register(self.failures.counter)
        architecture = self.source.architecture
        gateway_settings = GatewaySettings(self.spec.model_name, self.context_length, architecture.vocab_size)
        return create_app(
            self.engine_thread,
            self.tokenizer,
            gateway_settings,
            self.network,
            self.readiness,
            registry,
            self.failures,
            [*self._routes_for_contents(), *self._routes_for_nodes()],
        )

    def _routes_for_contents(self) -> list[APIRouter]:
        return [content_routes(ContentStore(Path(self.spec.content_dir)))] if self.spec.content_dir else []

    def _routes_for_nodes(self) -> list[APIRouter]:
        """Of other operators."""
        if self.others is None or self.spec.public is None:
            return []
        routes = [
            publication_routes(self.source, Path(self.spec.public.manifest_file)),
            placement_routes(self.others.identity, self.directory, self.heat, self.stakes),
        ]
        if self.payments is not None:
            routes.append(payment_routes(self.payments, self._token, self.engine_thread.call))
        return routes

    def stop(self) -> None:
        self.engine_thread.stop()
        if self.stakes is not None:
            self.stakes.stop()

    def readiness(self) -> list[str]:
        missing = sorted(self.engine.experts.missing())
        return [f"expert {expert} has no replica" for expert in missing]

    def network(self) -> dict[str, Any]:
        """What ``/network`` shows: nodes, experts, replicas, load, data addresses."""
        public = self.spec.public
        now, nodes = monotonic(), dict[tuple[str, str], list[dict[str, Any]]]()
        for uplink in list(self.directory.uplinks.values()):
            if uplink.join is None:
                continue
            state, reason, since = uplink.condition(now)
            replica = {
                "replica_id": uplink.join.replica_id,
                "pid": uplink.join.pid,
                "experts": uplink.join.experts,
                "incarnation": uplink.join.incarnation,
                "state": state,
                "reason": reason,
                "state_s": round(now - since, 1),
                "rows_in_flight": uplink.rows_in_flight,
                "rows_sent": uplink.rows_sent,
                "latency_ms": round(uplink.latency_s * 1000, 3),
                "slowness": round(uplink.pace.slowness, 2),
                "failures": {blame.value: count for blame, count in sorted(dict(uplink.failures).items())},
                "connected_s": round(now - uplink.joined_at, 1),
            }
            nodes.setdefault((uplink.join.signer, uplink.join.node_id), []).append(replica)
        return {
            "network_id": self.spec.settings.network_id,
            "chain_id": self.acceptor.identity.chain_id,
            "stake": stake.terms.model_dump() if (stake := self.spec.stake) is not None else None,
            "model": {
                "name": self.spec.model_name,
                "id": self.source.model_id,
                "numeric_class": self.source.numeric_class,
            },
            "num_experts": self.directory.num_experts,
            "missing_experts": sorted(self.engine.experts.missing()),
            "batch_invariant": not self.variance,
            "batch_variant_parts": self.variance,
            "data_addresses": [str(self.spec.data_address)],
            "public_address": public.address._asdict() if public is not None else None,
            "row_price": self.spec.row_price if self.payments is not None else None,
            "router": {
                "pid": os.getpid(),
                "uptime_s": round(now - self.started_at, 1),
                **self.engine.scheduler.snapshot(),
                "timings": self.engine.timings.snapshot(),
            },
            "refused": self.directory.refusals.snapshot(now),
            "nodes": [
                {"signer": signer, "node_id": node, "faults": self.directory.faults(signer, node), "replicas": replicas}
                for (signer, node), replicas in sorted(nodes.items())
            ],
        }

    def _acceptor(self, router: str, credentials: Credentials, payments: PaymentBook | None = None) -> Acceptor:
        identity = NetworkIdentity(
            network_id=self.spec.settings.network_id,
            model_id=self.source.model_id,
            numeric_class=self.source.numeric_class,
            num_experts=self.source.architecture.num_experts,
            router=router,
            chain_id=self.spec.stake.chain_id if self.spec.stake is not None else 0,
            shard_digests=tuple(known_digests(self.source, range(self.source.architecture.num_experts))),
        )
        return Acceptor(identity, self.directory, credentials, self._examiner, self.failures, self.counters, payments)

    @asynccontextmanager
    async def _open_engine(self) -> AsyncIterator[Engine]:
        """Runs in the engine's loop: the listener's sockets belong to it."""
        settings = self.spec.settings
        backbone = load_backbone(self.source, self.context_length)
        self.variance = find_variance(backbone, self.context_length)
        limits = SchedulerLimits(
            settings.max_running,
            settings.max_waiting,
            settings.max_step_tokens,
            settings.expert_wait_s,
            settings.prefix_cache,
            settings.max_waiting_per_user or max(1, settings.max_waiting // 2),
        )
        async with self._open_experts() as experts:
            yield Engine(
                backbone,
                experts,
                num_pages=self.num_pages,
                context_length=self.context_length,
                limits=limits,
                overlap="off" if self.spec.local_experts else settings.overlap,  # in-process nothing waits
            )

    @asynccontextmanager
    async def _open_experts(self) -> AsyncIterator[ExpertTransport]:
        if self.spec.local_experts:
            yield LocalExperts(self.source)
            return
        servers = await listen(self.acceptor, self.spec.data_address)
        tasks = [asyncio.create_task(self.acceptor.watch())]
        try:
            if self.others is not None and self.spec.public is not None:
                tasks.append(listen_to_others(self.others, self.spec.public))
            if self.stakes is not None:
                tasks.append(asyncio.create_task(put_out(self.directory, self.stakes)))
            yield NetworkExperts(
                self.directory,
                self.counters,
                self.spec.settings.dispatch_timeout_s,
                row_format(self.source.numeric_class),
                heat=self.heat if self.others is not None else None,
            )
        finally:
            for task in tasks:
                task.cancel()
            for server in servers:
                server.close()
            self.directory.close_all("the router is going down")


def listen_to_others(acceptor: Acceptor, public: PublicSpec) -> asyncio.Task[None]:
    """Raises PortTaken, BadSetting."""
    listener = TlsListener(acceptor, server_context(public.certificate_file, public.key_file))
    return listener.start(bind(public.bind_host, public.bind_port, "--public-port"))


def plan_cache(source: ModelSource, settings: Settings) -> tuple[int, int]:
    """Pages that the KV cache's memory holds, and the context length that follows. Raises BadSetting when the wished
    context does not fit."""
    architecture = source.architecture
    num_pages = settings.kv_cache_mb * 2**20 // _page_bytes(architecture)
    wished = settings.context_length or architecture.max_position
    if settings.context_length > architecture.max_position:
        raise BadSetting(f"MORAY_CONTEXT_LENGTH {wished} is above the model's {architecture.max_position}; lower it")
    if num_pages < 1 or (settings.context_length and wished > num_pages * KV_PAGE_SIZE):
        raise BadSetting(
            f"{settings.kv_cache_mb} MiB of KV cache hold {num_pages * KV_PAGE_SIZE} tokens; raise MORAY_KV_CACHE_MB"
        )
    return num_pages, min(wished, num_pages * KV_PAGE_SIZE)


def _page_bytes(architecture: Architecture) -> int:
    return architecture.num_layers * KV_PAGE_SIZE * latent_cache_spec(architecture).total * 4
