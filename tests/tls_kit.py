"""A router's public listener with a real certificate, nodes with real keys, and peers over TLS that do as told."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dataplane_kit import IDENTITY, LIMIT_S, NUM_EXPERTS, WEIGHTS, WIDTH, Peer, Router, identity_of, make_join
from moray import wire
from moray.experts.compiled import Ids
from moray.experts.executor import Executor
from moray.experts.routes import SignedRoute
from moray.experts.uplink_threads import UplinkThreads
from moray.join_signature import sign_join
from moray.node_key import NodeKey
from moray.nodes.signing import SIGNING_SOCKET, Credit, Membership, SigningServer, signing
from moray.nodes.tls_identity import TlsIdentity, ensure_tls_identity
from moray.router.credentials import SignedCredentials
from moray.router.directory import Directory
from moray.router.listener import Acceptor, Examiner
from moray.router.network_experts import NetworkExperts
from moray.router.payments import PaymentBook
from moray.router.sockets import bind
from moray.router.stake import StakeDoor
from moray.router.tls_listener import TlsListener, server_context
from moray.types import PublicAddress

KEY, OTHER_KEY = NodeKey.from_bytes(b"\1" * 32), NodeKey.from_bytes(b"\2" * 32)
NETWORK = IDENTITY.network_id


@dataclass(frozen=True, slots=True)
class PublicRouter(Router):
    address: PublicAddress
    tls: TlsIdentity
    listener: TlsListener


@asynccontextmanager
async def open_public_router(
    folder: Path,
    directory: Directory | None = None,
    clock: Callable[[], float] = time.time,
    stakes: StakeDoor | None = None,
    payments: PaymentBook | None = None,
    examiner: Examiner | None = None,
) -> AsyncIterator[PublicRouter]:
    tls, directory = ensure_tls_identity(folder), directory or Directory(NUM_EXPERTS)
    listening = bind("127.0.0.1", 0, "--public-port")
    address = PublicAddress("127.0.0.1", listening.getsockname()[1], tls.sha256)
    credentials = SignedCredentials(bytes.fromhex(tls.sha256), clock, stakes)
    identity = replace(IDENTITY, router=str(address))
    acceptor = Acceptor(identity, directory, credentials, examiner, payments=payments)
    listener = TlsListener(acceptor, server_context(str(tls.certificate), str(tls.key)))
    tasks = [listener.start(listening), asyncio.create_task(acceptor.watch())]
    try:
        experts = NetworkExperts(directory, acceptor.counters, LIMIT_S)
        yield PublicRouter(acceptor, directory, experts, address.port, address, tls, listener)
    finally:
        for task in tasks:
            task.cancel()
        directory.close_all("the test is over")


def membership(*routers: PublicAddress, **changes: Any) -> Membership:
    pins = {str(router): router.tls_cert_sha256 for router in routers}
    member = Membership(NETWORK, 0, IDENTITY.model_id, IDENTITY.numeric_class, "node", pins)
    return replace(member, **changes)


@contextmanager
def open_signing(folder: Path, member: Membership, key: NodeKey = KEY, credit: Credit | None = None) -> Iterator[str]:
    """The socket's path."""
    path = folder / SIGNING_SOCKET
    with signing(SigningServer(path, key, member, credit=credit)):
        yield str(path)


@asynccontextmanager
async def open_signed_replica(
    router: PublicAddress,
    socket_path: str,
    experts: Sequence[int] = range(NUM_EXPERTS),
    name: str = "replica",
    max_unpaid_rows: int | None = None,
    takes_vouchers: bool = False,
) -> AsyncIterator[UplinkThreads]:
    executor = Executor({expert: WEIGHTS[expert] for expert in experts}, WIDTH, 1000)
    identity = identity_of(experts, name)
    route = SignedRoute(router, socket_path, True, max_unpaid_rows, takes_vouchers)
    threads = UplinkThreads([route], identity, executor, time.time_ns)
    threads.start()
    try:
        yield threads
    finally:
        await asyncio.to_thread(threads.drain, "the test is over")


def pem(router: PublicRouter) -> str:
    return router.tls.certificate.read_text().strip()


def every_expert(num_rows: int) -> Ids:
    """[T, E]: every row goes to all."""
    return np.tile(np.arange(NUM_EXPERTS), (num_rows, 1))


async def dial(port: int, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Peer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return Peer(*await asyncio.open_connection("127.0.0.1", port, ssl=context))


async def greeted(port: int) -> tuple[Peer, wire.Hello]:
    peer = await dial(port)
    hello = await peer.read()
    assert isinstance(hello, wire.Hello)
    return peer, hello


def signed_join(router: PublicRouter, hello: wire.Hello, /, key: NodeKey = KEY, **changes: Any) -> wire.Join:
    """As a node would make it, but for ``changes``, which are signed like the rest."""
    usual: dict[str, Any] = {"tls_cert_sha256": bytes.fromhex(router.tls.sha256), "expires_at": int(time.time()) + 60}
    return sign_join(key, hello, replace(make_join(hello, **(usual | changes)), proof=b""))
