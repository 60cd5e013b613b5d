"""Where nodes of other operators dial: TLS 1.3, ended in this process. What a stranger costs is bounded by address,
from the first byte: how often it connects, and how many of its TLS handshakes wait."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from time import monotonic

from moray.errors import BadSetting
from moray.router.listener import BACKLOG, Acceptor
from moray.router.rate_limit import RateLimits, source_of
from moray.router.uplink import Uplink

CONNECTIONS_PER_S = 20.0  # of one address
CONNECTION_BURST = 512  # a whole network behind one NAT dials at once
MAX_ADDRESSES = 100_000  # whose rate is remembered
MAX_HANDSHAKES = 512  # TLS handshakes at a time, of all
MAX_HANDSHAKES_PER_ADDRESS = 64
HANDSHAKE_TIMEOUT_S = 5.0
ACCEPT_PAUSE_S = 0.1  # when there are no file descriptors left

logger = logging.getLogger(__name__)


class TlsListener:
    def __init__(self, acceptor: Acceptor, context: ssl.SSLContext) -> None:
        self._acceptor, self._context = acceptor, context
        self._rates = RateLimits(CONNECTIONS_PER_S, CONNECTION_BURST, MAX_ADDRESSES)
        self._handshaking: Counter[str] = Counter()  # TLS, by address
        self._tasks = set[asyncio.Task[None]]()

    def start(self, listening: socket.socket) -> asyncio.Task[None]:
        """Accept on a bound socket until the task is cancelled, which closes it."""
        listening.listen(BACKLOG)
        listening.setblocking(False)
        return asyncio.create_task(self._accept(listening))

    async def _accept(self, listening: socket.socket) -> None:
        with listening:
            while True:
                try:
                    connection, address = await asyncio.get_running_loop().sock_accept(listening)
                except OSError as exc:  # gone already, or too many files are open
                    logger.warning("a connection could not be accepted: %s", exc)
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                else:
                    self._receive(connection, source_of(str(address[0])))

    def _receive(self, connection: socket.socket, peer: str) -> None:
        if not self._may_shake_hands(peer):
            connection.close()
            return
        task = asyncio.create_task(self._shake_hands(connection, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _may_shake_hands(self, peer: str) -> bool:
        return (
            len(self._tasks) < MAX_HANDSHAKES
            and self._handshaking[peer] < MAX_HANDSHAKES_PER_ADDRESS
            and self._rates.allow(peer, monotonic())
        )

    async def _shake_hands(self, connection: socket.socket, peer: str) -> None:
        self._handshaking[peer] += 1
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Uplink(self._acceptor), connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
            )
        except OSError as exc:  # not TLS 1.3, too slow, or gone; nobody to tell
            logger.debug("no TLS session with %s: %s", peer, exc)
            connection.close()
        finally:
            self._handshaking[peer] -= 1
            if not self._handshaking[peer]:
                del self._handshaking[peer]


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Raises BadSetting for a certificate that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # every session presents the certificate that its Join names
    try:
        context.load_cert_chain(certificate_file, key_file)
    except OSError as exc:
        raise BadSetting(
            f"{certificate_file} cannot be used ({exc.strerror or exc}); delete it, it is made anew"
        ) from None
    return context
