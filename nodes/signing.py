"""Who signs the Joins of a node's replicas: the process that holds the key, over a Unix socket in the state directory.

Replicas run in Ray, where the key must never be. They ask with the router's Hello and their Join; they get that Join
signed, or a Reject. Nothing else is ever signed here, and a Join only for this node, this network, this model and a
router that the network's owner has pinned: whoever takes over a replica cannot speak for the node elsewhere.

Where the node is paid in vouchers, a replica brings those here that its router sends, and draws rows: see nodes.credit.
Whom they pay is written into the Join here, not by the replica.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Protocol

from moray import wire
from moray.errors import BadSetting, JoinRefused, WireError
from moray.join_signature import Signer, sign_join
from moray.nodes.state import MAX_SOCKET_PATH_BYTES

SIGNING_SOCKET = "signing.sock"  # in the state directory
LIFETIME_S = 60  # of a signed Join: the router takes it at once or never
TIMEOUT_S = 3.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Membership:
    """What this node's Joins may say; ``pins`` has, by router, the SHA-256 of its certificate in hex."""

    network_id: str
    chain_id: int
    model_id: str
    numeric_class: str
    node_id: str
    pins: Mapping[str, str]


class Credit(Protocol):
    """``nodes.credit.NodeCredit``, which needs a chain's libraries; from any thread."""

    @property
    def features(self) -> list[str]:
        """Of every Join."""
        ...

    def draw(self, router: str, asked: int, returned: int) -> int: ...

    def offer(self, router: str, voucher: wire.Voucher) -> None: ...


def signing_socket(state_dir: Path) -> Path:
    """Raises BadSetting where the system has no room for such a name."""
    path = state_dir / SIGNING_SOCKET
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise BadSetting(f"{path} is too long for a socket, {MAX_SOCKET_PATH_BYTES} bytes: give a shorter --state-dir")
    return path


def check_join(member: Membership, hello: wire.Hello, join: wire.Join) -> None:
    """Raises JoinRefused unless this node may say so to this router."""
    pin = member.pins.get(hello.router)
    if hello.network_id != member.network_id or hello.chain_id != member.chain_id:
        raise JoinRefused("wrong_network", f"the router is of network {hello.network_id!r}, chain {hello.chain_id}")
    if pin is None or join.router != hello.router:
        raise JoinRefused("wrong_router", f"{hello.router!r} is no router of this network's manifest")
    if join.tls_cert_sha256.hex() != pin:
        raise JoinRefused("wrong_certificate", f"this is not the certificate that the manifest pins for {hello.router}")
    if (hello.model_id, join.model_id, join.numeric_class) != (member.model_id,) * 2 + (member.numeric_class,):
        raise JoinRefused("wrong_model", "the manifest names another model, or another numeric class")
    if join.node_id != member.node_id:
        raise JoinRefused("wrong_node", f"this process signs for {member.node_id} only")


class SigningServer(socketserver.ThreadingUnixStreamServer):
    """Answers replicas until it is shut down. ``member`` may be replaced when the manifest changes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        path: Path,
        key: Signer,
        member: Membership,
        wall_clock: Callable[[], float] = time,
        credit: Credit | None = None,
    ) -> None:
        """``credit``: None where routers get rows without vouchers; then nobody is asked for any."""
        self.key, self.member, self.wall_clock, self._credit = key, member, wall_clock, credit
        path.unlink(missing_ok=True)  # of a process that was killed; the state directory's lock says that none runs
        super().__init__(str(path), _Handler)
        path.chmod(0o600)

    def answer(self, hello: wire.Hello, join: wire.Join) -> wire.Join | wire.Reject:
        try:
            check_join(self.member, hello, join)
        except JoinRefused as refused:
            logger.warning("not signed: %s", refused)
            return wire.Reject(refused.reason_code, str(refused)[:512])
        lasting = replace(join, expires_at=int(self.wall_clock()) + LIFETIME_S, proof=b"")
        if self._credit is not None:
            lasting = replace(lasting, features=self._credit.features)
        return sign_join(self.key, hello, lasting)

    def lease(self, asked: wire.Lease, voucher: wire.Voucher | None) -> wire.Leased:
        """For a router of the manifest; ``voucher``: what it has sent."""
        if self._credit is None or asked.router not in self.member.pins:
            return wire.Leased(0)
        if voucher is not None:
            self._credit.offer(asked.router, voucher)
        return wire.Leased(self._credit.draw(asked.router, asked.asked, asked.returned))


class _Handler(socketserver.BaseRequestHandler):
    server: SigningServer
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError, WireError):  # whoever asks so badly gets no answer
            self.request.settimeout(TIMEOUT_S)
            if _user_of(self.request) != os.geteuid():
                return
            messages = _read_messages(self.request)
            match next(messages):
                case wire.Hello() as hello if isinstance(join := next(messages), wire.Join):
                    self.request.sendall(wire.encode(self.server.answer(hello, join)))
                case wire.Lease() as lease:
                    self.request.sendall(wire.encode(self.server.lease(lease, None)))
                case wire.Voucher() as voucher if isinstance(asked := next(messages), wire.Lease):
                    self.request.sendall(wire.encode(self.server.lease(asked, voucher)))


@contextmanager
def signing(server: SigningServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, name="signing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        Path(str(server.server_address)).unlink(missing_ok=True)


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user: int = struct.unpack("3i", credentials)[1]
    return user


def _read_messages(connection: socket.socket) -> Iterator[wire.Message]:
    """Raises WireError where the peer hangs up or sends anything that is no message."""
    reader = wire.FrameReader(wire.MAX_HANDSHAKE_BYTES)
    while data := connection.recv(wire.MAX_HANDSHAKE_BYTES):
        for payload in reader.feed(data):
            yield wire.decode(payload)
    raise WireError("it hung up")
