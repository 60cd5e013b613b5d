"""Routers and gateways for the doctor: real sockets, real certificates, and all that can be wrong with them."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from http_kit import Reply, serving


@dataclass(frozen=True)
class Certificate:
    path: Path  # PEM, the key in it too
    sha256: str


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / "router.pem"
    path.write_bytes(pem)
    return Certificate(path, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest())


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Connections come about, as the system makes them, and nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextmanager
def tls_router(certificate: Certificate, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> Iterator[int]:
    """The port of a router that shakes hands and says no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)
    context.maximum_version = newest

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with suppress(OSError), connection:
                context.wrap_socket(connection, server_side=True).close()

    with listening() as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextmanager
def gateway(pages: Mapping[str, bytes], clock_ahead_s: float = 0.0) -> Iterator[str]:
    """The URL of a gateway with these pages, filled in while it runs, and its clock."""

    def answer(reply: Reply) -> None:
        page = pages.get(reply.request_seen.path)
        reply.send_response_only(404 if page is None else 200)
        reply.send_header("Date", format_datetime(datetime.now(UTC) + timedelta(seconds=clock_ahead_s), usegmt=True))
        reply.send_header("Content-Length", str(len(page or b"")))
        reply.end_headers()
        reply.body(page or b"")

    with serving(answer) as server:
        yield server.url


def free_port() -> int:
    """Where nothing listens."""
    with listening() as listener:
        return int(listener.getsockname()[1])
