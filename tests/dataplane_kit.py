"""A small data plane over real sockets: a router's listener, real replicas, and replicas that misbehave on cue."""

from __future__ import annotations

import asyncio
import functools
import itertools
import multiprocessing
import random
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import uvloop

from moray import wire
from moray.experts.compiled import Ids, Rows
from moray.experts.executor import Answer, Executor
from moray.experts.routes import OwnRoute
from moray.experts.served import ServedExperts, served_experts
from moray.experts.uplink import ReplicaIdentity
from moray.experts.uplink_threads import UplinkThreads
from moray.experts.weights import ExpertWeights, pack_expert
from moray.router.credentials import TokenCredentials
from moray.router.directory import Directory
from moray.router.listener import Acceptor, NetworkIdentity, listen
from moray.router.network_experts import NetworkExperts
from moray.types import DataAddress

WIDTH, INNER, LAYERS, NUM_EXPERTS = 16, 11, (1, 2), 8
TOKEN = b"t" * 32
IDENTITY = NetworkIdentity("test", "model-a", "float32", NUM_EXPERTS, "router-a")
LIMIT_S = 20.0  # after which a wait is a hang

_generator = torch.Generator().manual_seed(0)
WEIGHTS = {
    expert: pack_expert(
        {
            layer: ExpertWeights(
                torch.randn(2 * INNER, WIDTH, generator=_generator), torch.randn(WIDTH, INNER, generator=_generator)
            )
            for layer in LAYERS
        }
    )
    for expert in range(NUM_EXPERTS)
}
_rows = np.random.default_rng(0)
_incarnations = itertools.count(1)


def in_event_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in a loop of the kind that the router uses; a hang is a failure."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(test(*args, **kwargs), LIMIT_S)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())

    return run


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in other threads too
            await asyncio.sleep(0.005)


def reference(layer: int, hidden_states: Rows, expert_ids: Ids) -> Rows:
    """What every transport must answer, row by row."""
    outputs = np.empty((*expert_ids.shape, WIDTH), np.float32)
    for row, column in itertools.product(range(expert_ids.shape[0]), range(expert_ids.shape[1])):
        outputs[row, column] = WEIGHTS[int(expert_ids[row, column])][layer](hidden_states[row : row + 1])[0]
    return outputs


def random_rows(num_rows: int, width: int = WIDTH) -> Rows:
    return _rows.standard_normal((num_rows, width), np.float32)


def random_work(rng: random.Random, num_rows: int, experts: Sequence[int], per_token: int) -> tuple[Rows, Ids]:
    """hidden_states [T, D] and expert_ids [T, K], ascending in every row."""
    chosen = [sorted(rng.sample(list(experts), per_token)) for _ in range(num_rows)]
    return random_rows(num_rows), np.array(chosen)


# -- the router


@dataclass(frozen=True, slots=True)
class Router:
    acceptor: Acceptor
    directory: Directory
    experts: NetworkExperts
    port: int

    async def joined(self, num_uplinks: int) -> None:
        await eventually(lambda: len(self.directory.uplinks) == num_uplinks)


@asynccontextmanager
async def open_router(
    identity: NetworkIdentity = IDENTITY,
    timeout_s: float = LIMIT_S,
    port: int = 0,
    directory: Directory | None = None,
    socket_path: str = "",
    token: bytes = TOKEN,
) -> AsyncIterator[Router]:
    directory = directory or Directory(NUM_EXPERTS)
    acceptor = Acceptor(identity, directory, TokenCredentials(token))
    servers = await listen(acceptor, DataAddress("127.0.0.1", port, socket_path))
    watch = asyncio.create_task(acceptor.watch())
    experts = NetworkExperts(directory, acceptor.counters, timeout_s)
    try:
        yield Router(acceptor, directory, experts, servers[0].sockets[0].getsockname()[1])
    finally:
        watch.cancel()
        for server in servers:
            server.close()
        directory.close_all("the test is over")


# -- replicas as they should be


class SlowExecutor(Executor):
    """Answers after a random delay, so that results of several replicas arrive in any order."""

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        time.sleep(random.random() * 0.004)
        return super().execute(dispatches)


def identity_of(experts: Sequence[int], name: str = "replica") -> ReplicaIdentity:
    return ReplicaIdentity(
        node_id="node",
        replica_id=name,
        experts=tuple(experts),
        shards_digest=wire.digest_of([]),
        model_id=IDENTITY.model_id,
        numeric_class=IDENTITY.numeric_class,
    )


def make_thread(
    port: int,
    identity: ReplicaIdentity,
    executor: Executor | None = None,
    incarnation: Callable[[], int] | None = None,
    served: ServedExperts | None = None,
    socket_path: str = "",
) -> UplinkThreads:
    weights = {expert: WEIGHTS[expert] for expert in identity.experts if expert in WEIGHTS}
    executor = executor or SlowExecutor(weights, WIDTH, 1000)
    next_incarnation = incarnation or (lambda: next(_incarnations))
    route = OwnRoute(DataAddress("127.0.0.1", port, socket_path), TOKEN)
    return UplinkThreads([route], identity, executor, next_incarnation, served)


@asynccontextmanager
async def open_replica(
    port: int,
    experts: Sequence[int],
    name: str = "replica",
    is_compiled: bool = False,
    capacity: int = 1000,
    **more: Any,
) -> AsyncIterator[UplinkThreads]:
    """``is_compiled``: usual work goes past the executor."""
    if is_compiled:
        weights = {expert: WEIGHTS[expert] for expert in experts}
        more |= {"served": served_experts(weights, capacity), "executor": Executor(weights, WIDTH, capacity)}
    thread = make_thread(port, identity_of(experts, name), **more)
    thread.start()
    try:
        yield thread
    finally:
        await asyncio.to_thread(thread.drain, "the test is over")


def serve_for_ever(port: int, name: str) -> None:
    make_thread(port, identity_of(range(NUM_EXPERTS), name), Executor(WEIGHTS, WIDTH, 1000), time.time_ns).start()
    threading.Event().wait()


@contextmanager
def replica_process(port: int, name: str) -> Iterator[int]:
    """A replica of all experts in a process of its own; its process id."""
    process = multiprocessing.get_context("spawn").Process(target=serve_for_ever, args=(port, name), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        process.kill()
        process.join()


# -- peers that do as the test says


class Peer:
    """One end of a connection, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def dial(cls, port: int) -> Peer:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def read(self) -> wire.Message:
        (size,) = struct.unpack("<I", await self._reader.readexactly(4))
        return wire.decode(await self._reader.readexactly(size))

    async def read_work(self) -> wire.Dispatch:
        """The next Dispatch; pings are answered on the way."""
        while not isinstance(message := await self.read(), wire.Dispatch):
            if isinstance(message, wire.Ping):
                self.send(wire.Pong(message.token, 0, 0))
        return message

    def send(self, *messages: wire.Message) -> None:
        self.send_bytes(b"".join(map(wire.encode, messages)))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def is_closed(self) -> bool:
        """Waits until the other side closes."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        return True

    async def is_closed_after(self, data: bytes) -> bool:
        self.send_bytes(data)
        return await self.is_closed()

    def close(self) -> None:
        self._writer.transport.abort()


async def hangs_up(peer: Peer, work: wire.Dispatch) -> None:
    peer.close()


async def is_busy(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Busy(work.seq))


def make_join(hello: wire.Hello, token: bytes = TOKEN, **changes: Any) -> wire.Join:
    join = wire.Join(
        protocol=wire.PROTOCOL_VERSION,
        node_id="node",
        signer="",
        replica_id="raw",
        incarnation=next(_incarnations),
        experts=[0],
        shards_digest=wire.digest_of([]),
        model_id=IDENTITY.model_id,
        numeric_class=IDENTITY.numeric_class,
        capacity=1000,
        pid=1,
        router=hello.router,
        tls_cert_sha256=b"",
        expires_at=0,
        features=[],
        signature=b"",
        proof=b"",
    )
    join = replace(join, **changes)
    return replace(join, proof=wire.join_proof(token, hello, join))


async def dial_and_join(port: int, **changes: Any) -> tuple[Peer, wire.Message]:
    """A peer that has sent its Join, and what it heard back."""
    peer = await Peer.dial(port)
    hello = await peer.read()
    assert isinstance(hello, wire.Hello)
    peer.send(make_join(hello, **changes))
    return peer, await peer.read()


def answer_to(dispatch: wire.Dispatch, capacity: int = 1000) -> wire.Message:
    (answer,) = Executor(WEIGHTS, WIDTH, capacity).execute([dispatch])
    return answer
