"""What `moray node doctor` measures of a router: can it be dialled, how far is it, and is it who the manifest says."""

from __future__ import annotations

import hashlib
import socket
import ssl
import statistics
import time
from dataclasses import dataclass

NUM_CONNECTS = 3  # few: a router takes few connections from one address at a time
TIMEOUT_S = 5.0  # of a connection and of a handshake


@dataclass(frozen=True, slots=True)
class RouterProbe:
    """Of one data address. Where ``port_failure`` says why there was no connection, or ``tls_failure`` why there was no
    handshake of TLS 1.3, what would have come of it is empty."""

    port_failure: str = ""
    round_trip_s: float = 0.0  # median of a few TCP connects
    tls_failure: str = ""
    tls_version: str = ""
    cert_sha256: str = ""  # of the DER certificate, 64 hex digits


def probe_router(host: str, port: int, allow_private: bool, timeout_s: float = TIMEOUT_S) -> RouterProbe:
    """Takes at most ``timeout_s`` for each connection and for the handshake. Raises UnsafeAddress."""
    took_s = []
    try:
        for _ in range(NUM_CONNECTS):
            start = time.perf_counter()
            with _connect(host, port, allow_private, timeout_s):
                took_s.append(time.perf_counter() - start)
        with _connect(host, port, allow_private, timeout_s) as connection:
            return _shake_hands(connection, statistics.median(took_s))
    except OSError as error:
        return RouterProbe(port_failure=_reason(error))


def _shake_hands(connection: socket.socket, round_trip_s: float) -> RouterProbe:
    """The certificate is not verified but reported: the manifest's pin decides, not an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        with context.wrap_socket(connection) as secured:
            certificate, version = secured.getpeercert(binary_form=True), secured.version()
    except OSError as error:  # ssl.SSLError is one
        return RouterProbe("", round_trip_s, f"no handshake of TLS 1.3 ({_reason(error)})")
    assert certificate is not None and version is not None  # after a handshake
    return RouterProbe("", round_trip_s, "", version, hashlib.sha256(certificate).hexdigest())


def _reason(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
