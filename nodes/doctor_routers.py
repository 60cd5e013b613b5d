"""What `moray node doctor` measures of a router: can it be dialled, how far is it, and is it who the manifest says."""

from __future__ import annotations

import hashlib
import socket
import ssl
import statistics
import time
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from moray.dialling import dial
from moray.errors import DownloadFailed
from moray.guarded_http import Fetcher
from moray.network_manifest import RouterEntry

NUM_CONNECTS = 3  # few: a router takes few connections from one address at a time
TIMEOUT_S = 5.0  # of a connection, of a handshake and of a page
MAX_NETWORK_PAGE_BYTES = 16 << 20  # which lists every replica
DATE_LAG_S = 0.5  # on average: the Date of HTTP has whole seconds


@dataclass(frozen=True, slots=True)
class RouterProbe:
    """Of one data address. Where ``port_failure`` says why there was no connection, or ``tls_failure`` why there was no
    handshake of TLS 1.3, what would have come of it is empty."""

    port_failure: str = ""
    round_trip_s: float = 0.0  # median of a few TCP connects
    tls_failure: str = ""
    tls_version: str = ""
    cert_sha256: str = ""  # of the DER certificate, 64 hex digits


@dataclass(frozen=True, slots=True)
class GatewayProbe:
    """Of the page ``/network``; ``failure`` says why there is no such page."""

    failure: str = ""
    network_id: str = ""
    clock_offset_s: float | None = None  # by which this machine's clock is ahead; None where no time was told


class _NetworkPage(BaseModel):
    network_id: str


def probe_router(router: RouterEntry, allow_private: bool, timeout_s: float = TIMEOUT_S) -> RouterProbe:
    """Takes at most ``timeout_s`` for each connection and for the handshake. Raises UnsafeAddress."""
    took_s = []
    try:
        for _ in range(NUM_CONNECTS):
            start = time.perf_counter()
            with dial(router.host, router.port, timeout_s, allow_private):
                took_s.append(time.perf_counter() - start)
        with dial(router.host, router.port, timeout_s, allow_private) as connection:
            connection.settimeout(timeout_s)
            return _shake_hands(connection, statistics.median(took_s))
    except OSError as error:
        return RouterProbe(port_failure=_reason(error))


def probe_gateway(url: str, allow_private: bool, timeout_s: float = TIMEOUT_S) -> GatewayProbe:
    """Takes at most ``timeout_s``. Raises UnsafeAddress."""
    asked_s = time.time()
    try:
        content, server_time_s = Fetcher(allow_private, timeout_s).get_dated(f"{url}/network", MAX_NETWORK_PAGE_BYTES)
    except DownloadFailed as error:
        return GatewayProbe(str(error).rpartition("; ")[0])
    halfway_s = (asked_s + time.time()) / 2
    offset_s = None if server_time_s is None else halfway_s - (server_time_s + DATE_LAG_S)
    try:
        return GatewayProbe("", _NetworkPage.model_validate_json(content).network_id, offset_s)
    except ValidationError:
        return GatewayProbe(f"{url}/network is not a network's page", "", offset_s)


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
