"""A network without Ray for the benchmarks that need to reach into it: the router's engine in this process, replicas in
processes of their own."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from moray import wire
from moray.cli.launch import reserve_port
from moray.experts.executor import Executor
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.routes import OwnRoute, Route, SignedRoute
from moray.experts.row_format import row_format
from moray.experts.served import served_experts
from moray.experts.sharding import write_shards
from moray.experts.source import ModelSource, known_digests, open_model
from moray.experts.threads import row_threads
from moray.experts.uplink import ReplicaIdentity
from moray.experts.uplink_threads import UplinkThreads
from moray.experts.weights import pack_expert
from moray.node_key import NodeKey
from moray.nodes.signing import SIGNING_SOCKET, Membership, SigningServer, signing
from moray.nodes.tls_identity import ensure_tls_identity
from moray.router.backbone import load_backbone
from moray.router.credentials import Credentials, SignedCredentials, TokenCredentials
from moray.router.directory import Directory
from moray.router.engine import Engine
from moray.router.engine_thread import EngineThread
from moray.router.known_answers import KnownAnswers
from moray.router.kv_cache import pages_needed
from moray.router.listener import Acceptor, NetworkIdentity, listen
from moray.router.network_experts import NetworkExperts
from moray.router.scheduler import SchedulerLimits
from moray.router.sockets import bind
from moray.router.tls_listener import TlsListener, server_context
from moray.router.transport import ExpertTransport, LocalExperts
from moray.types import (
    DataAddress,
    GeneratedToken,
    GenerationRequest,
    NumericClass,
    OverlapMode,
    PublicAddress,
    RequestId,
    SamplingParams,
)
from wan_proxy import WanProxy

HOST = "127.0.0.1"
READY_S = 120.0
CAPACITY_ROWS = 8192


@dataclass(frozen=True)
class Plan:
    """``experts``: the experts of each replica; None: all in the engine's process."""

    model: Path
    experts: Sequence[Sequence[int]] | None
    context: int
    streams: int
    threads: int = 1
    overlap: OverlapMode = "off"
    over_tcp: bool = False  # as replicas on other machines; else over a Unix socket, as those on the router's
    over_tls: bool = False  # as nodes of other operators, signed
    over_wan: bool = False  # over TCP through a proxy, ``Rig.wan``, where replica i has line i
    timeout_s: float = 10.0  # for one answer


class Rig:
    """``wrap`` may put a transport around the engine's, to look at what passes."""

    def __init__(
        self, plan: Plan, wrap: Callable[[ExpertTransport], ExpertTransport] = lambda experts: experts
    ) -> None:
        self.plan, self._wrap = plan, wrap
        self._source, self.token = open_model(plan.model), secrets.token_bytes(32)
        self._folder = tempfile.TemporaryDirectory()
        is_local = not (plan.over_tcp or plan.over_wan)
        self.address = DataAddress(HOST, 0, f"{self._folder.name}/router.sock" if is_local else "")
        self._undo = ExitStack()
        self.public: PublicAddress | None = self._open_to_others() if plan.over_tls else None
        self.directory = Directory(self._source.architecture.num_experts)
        self._spawn, self.replicas = multiprocessing.get_context("spawn"), dict[int, BaseProcess]()
        self.start_router()
        self.wan = WanProxy(self.address[:2], len(plan.experts or ())) if plan.over_wan else None

    def _open_to_others(self) -> PublicAddress:
        """Where they are to dial, and somebody who signs for them."""
        folder = Path(self._folder.name)
        self._tls = ensure_tls_identity(folder)
        public = PublicAddress(HOST, reserve_port(HOST, 0, "--public-port"), self._tls.sha256)
        source, pins = self._source, {str(public): self._tls.sha256}
        member = Membership("bench", 0, source.model_id, source.numeric_class, "bench", pins)
        server = SigningServer(folder / SIGNING_SOCKET, NodeKey.from_bytes(secrets.token_bytes(32)), member)
        self._undo.enter_context(signing(server))
        return public

    def start_router(self) -> None:
        """Again after ``stop_router``: at the same address, with nobody joined."""
        self.directory = Directory(self._source.architecture.num_experts)
        self.generator = EngineThread(self._open_engine, self.plan.threads)
        self.engine = self.generator.start()

    def stop_router(self) -> None:
        self.generator.stop()

    def start_replica(self, number: int, lies: bool = False) -> None:
        """In the place of the one that was there before, if any."""
        assert self.plan.experts is not None
        route: Route = OwnRoute(self.address, self.token)
        if self.public is not None:
            route = SignedRoute(self.public, f"{self._folder.name}/{SIGNING_SOCKET}", allow_private=True)
        elif self.wan is not None:
            route = OwnRoute(DataAddress(*self.wan.addresses[number]), self.token)
        arguments = self.plan.model, tuple(self.plan.experts[number]), f"replica-{number}", route, lies
        self.replicas[number] = self._spawn.Process(target=run_replica, args=arguments, daemon=True)
        self.replicas[number].start()

    def wait_for_replicas(self) -> None:
        """Raises TimeoutError when not all that were started have joined in good time."""
        late_at = time.monotonic() + READY_S
        while {process.pid for process in self.replicas.values()} - self._joined_pids():
            if time.monotonic() > late_at:
                raise TimeoutError("not all replicas joined")
            time.sleep(0.05)

    def _joined_pids(self) -> set[int]:
        uplinks = list(self.directory.uplinks.values())
        return {uplink.join.pid for uplink in uplinks if uplink.is_usable and uplink.join is not None}

    def stop(self) -> None:
        self.generator.stop()
        for process in self.replicas.values():
            process.kill()
            process.join()
        if self.wan is not None:
            self.wan.stop()
        self._undo.close()
        self._folder.cleanup()

    def complete(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """New tokens of each prompt, all sent at once, greedy."""
        return [[token.token_id for token, _ in stream] for stream in self.streams(prompts, num_tokens)]

    def streams(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[tuple[GeneratedToken, float]]]:
        """The same with the moment at which each token came, in seconds since all were sent."""
        return asyncio.run(self._streams(prompts, num_tokens))

    async def _streams(
        self, prompts: Sequence[Sequence[int]], num_tokens: int
    ) -> list[list[tuple[GeneratedToken, float]]]:
        sampling, started = SamplingParams(max_tokens=num_tokens, temperature=0.0), time.perf_counter()

        async def one(prompt: Sequence[int]) -> list[tuple[GeneratedToken, float]]:
            request = GenerationRequest(RequestId("bench"), tuple(prompt), sampling)
            return [(token, time.perf_counter() - started) async for token in self.generator.generate(request)]

        return await asyncio.gather(*(one(prompt) for prompt in prompts))

    @asynccontextmanager
    async def _open_engine(self) -> AsyncIterator[Engine]:
        plan = self.plan
        backbone = load_backbone(self._source, plan.context)
        num_pages = plan.streams * pages_needed(plan.context)
        limits = SchedulerLimits(
            max_running=plan.streams,
            max_waiting=plan.streams,
            max_waiting_per_user=plan.streams,
            max_step_tokens=max(plan.streams, 256),
        )
        async with self._open_experts() as experts:
            yield Engine(
                backbone,
                self._wrap(experts),
                num_pages=num_pages,
                context_length=plan.context,
                limits=limits,
                overlap=plan.overlap,
            )

    @asynccontextmanager
    async def _open_experts(self) -> AsyncIterator[ExpertTransport]:
        if self.plan.experts is None:
            yield LocalExperts(self._source)
            return
        num_experts, numeric_class = self._source.architecture.num_experts, self._source.numeric_class
        identity = NetworkIdentity(
            "bench", self._source.model_id, numeric_class, num_experts, str(self.public or "bench")
        )
        credentials: Credentials = TokenCredentials(self.token)
        if self.public is not None:
            credentials = SignedCredentials(bytes.fromhex(self.public.tls_cert_sha256), time.time)
        acceptor = Acceptor(identity, self.directory, credentials, KnownAnswers(self._source))
        tasks, servers = [asyncio.create_task(acceptor.watch())], list[asyncio.Server]()
        if self.public is not None:
            listener = TlsListener(acceptor, server_context(str(self._tls.certificate), str(self._tls.key)))
            tasks.append(listener.start(bind(HOST, self.public.port, "--public-port")))
        else:
            servers = await listen(acceptor, self.address)
            self.address = self.address._replace(port=servers[0].sockets[0].getsockname()[1])
        try:
            yield NetworkExperts(self.directory, acceptor.counters, self.plan.timeout_s, row_format(numeric_class))
        finally:
            for task in tasks:
                task.cancel()
            for server in servers:
                server.close()
            self.directory.close_all("the benchmark is over")


@contextmanager
def running(plan: Plan, wrap: Callable[[ExpertTransport], ExpertTransport] = lambda experts: experts) -> Iterator[Rig]:
    """A rig whose experts have all joined."""
    rig = Rig(plan, wrap)
    try:
        for number in range(len(plan.experts or ())):
            rig.start_replica(number)
        rig.wait_for_replicas()
        yield rig
    finally:
        rig.stop()


def run_replica(model: Path, experts: tuple[int, ...], name: str, route: Route, lies: bool) -> None:
    """``lies``: it computes every expert with the weights of the next one, whatever digests it gives."""
    logging.disable(logging.WARNING)  # it dials until it is ended
    torch.set_num_threads(1)
    row_threads.resize(1)
    source: ModelSource = open_model(model)
    num_experts = source.architecture.num_experts
    weights = {expert: pack_expert(source.expert((expert + lies) % num_experts)) for expert in experts}
    rows = row_format(source.numeric_class)
    executor = Executor(weights, source.architecture.hidden_size, CAPACITY_ROWS, rows)
    digests = wire.digest_of(known_digests(source, experts))
    identity = ReplicaIdentity("bench", name, experts, digests, source.model_id, source.numeric_class)
    served = served_experts(weights, CAPACITY_ROWS)
    threads = UplinkThreads([route], identity, executor, time.time_ns, served)
    threads.start()
    parent = multiprocessing.parent_process()
    while threads.are_alive and parent is not None and parent.is_alive():  # however the benchmark ends
        time.sleep(1.0)


def in_sets(num_experts: int, num_replicas: int) -> list[list[int]]:
    """Experts shared out among replicas, neighbours together."""
    size = num_experts // num_replicas
    return [list(range(start, start + size)) for start in range(0, num_experts, size)]


def timed_tokens(rig: Rig, prompts: Sequence[Sequence[int]], num_tokens: int) -> float:
    """New tokens per second, all prompts at once."""
    started = time.perf_counter()
    rig.complete(prompts, num_tokens)
    return len(prompts) * num_tokens / (time.perf_counter() - started)


Streams = Sequence[Sequence[tuple[GeneratedToken, float]]]  # as ``Rig.streams`` gives them


def ms_between_tokens(streams: Streams) -> list[float]:
    """Of every stream, from each token to its next."""
    return [(after - before) * 1000 for stream in streams for (_, before), (_, after) in pairwise(stream)]


def ms_per_step(rig: Rig, prompts: Sequence[Sequence[int]], num_tokens: int) -> float:
    """Median time between two tokens, when all streams decode."""
    return statistics.median(ms_between_tokens(rig.streams(prompts, num_tokens)))


@contextmanager
def demo_models() -> Iterator[dict[NumericClass, Path]]:
    """The demo model's checkpoint, and what quantising makes of it."""
    with tempfile.TemporaryDirectory() as scratch:
        models: dict[NumericClass, Path] = {"float32": Path(scratch) / "float32", "int8": Path(scratch) / "int8"}
        write_random_checkpoint(models["float32"], DEMO_CONFIG, seed=0)
        write_shards(models["float32"], models["int8"], numeric_class="int8")
        yield models
