"""A replica's connection to a router: plain inside one operator's trust domain, TLS 1.3 between operators."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import struct
from contextlib import suppress
from typing import Protocol

from moray.dialling import dial
from moray.errors import WireError
from moray.types import PublicAddress

READ_TIMEOUT_S = 0.1  # how often a thread without work looks whether it is to stop
SEND_TIMEOUT_S = 3.0  # for a router that does not read; then the uplink ends
RECEIVE_BYTES = 1 << 18


class Connection(Protocol):
    @property
    def bare_fd(self) -> int:
        """A socket whose bytes are frames as they are; -1 where they are encrypted."""
        ...

    def receive(self) -> bytes | None:
        """Some bytes; none at the connection's end; None when nothing came in READ_TIMEOUT_S."""
        ...

    def send(self, data: bytes | memoryview) -> None:
        """All of it. Raises TimeoutError for a peer that does not read, OSError for one that is gone."""
        ...

    def close(self) -> None: ...


class PlainConnection:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setblocking(True)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, seconds in ((socket.SO_RCVTIMEO, READ_TIMEOUT_S), (socket.SO_SNDTIMEO, SEND_TIMEOUT_S)):
            connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))

    @property
    def bare_fd(self) -> int:
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def send(self, data: bytes | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise TimeoutError from None

    def close(self) -> None:
        self._socket.close()


class TlsConnection:
    bare_fd = -1

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._socket = connection

    def receive(self) -> bytes | None:
        self._socket.settimeout(READ_TIMEOUT_S)
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            return None
        except OSError:  # a broken TLS stream too
            return b""

    def send(self, data: bytes | memoryview) -> None:
        self._socket.settimeout(SEND_TIMEOUT_S)
        self._socket.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


def dial_tls(router: PublicAddress, timeout_s: float, allow_private: bool) -> TlsConnection:
    """A TLS 1.3 session with whoever holds the key of the pinned certificate: no name in it and no authority decides.

    Raises OSError, UnsafeAddress, WireError for another certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin below is stricter
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    plain = dial(router.host, router.port, timeout_s, allow_private)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(timeout_s)
        connection = context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise
    found = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(found, router.tls_cert_sha256):
        connection.close()
        raise WireError(f"{router} presents certificate {found[:16]}, not the pinned {router.tls_cert_sha256[:16]}")
    return TlsConnection(connection)
