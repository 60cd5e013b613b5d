"""How a replica shows a router whose it is, and knows the router in turn."""

from __future__ import annotations

import hmac
import socket
from dataclasses import replace
from typing import Protocol

from moray import wire
from moray.errors import JoinRefused, WireError

SIGNING_TIMEOUT_S = 3.0  # below what makes an uplink's thread look stuck


class Credentials(Protocol):
    def present(self, hello: wire.Hello, join: wire.Join) -> wire.Join:
        """``join`` with all that proves it. Raises JoinRefused, and WireError when that cannot be had."""
        ...

    def check(self, uplink_id: bytes, welcome: wire.Welcome) -> None:
        """Raises WireError when the Welcome is not the router's."""
        ...


class TokenCredentials:
    """Inside one operator's trust domain: both sides know the wire token."""

    def __init__(self, token: bytes) -> None:
        self._token = token

    def present(self, hello: wire.Hello, join: wire.Join) -> wire.Join:
        return replace(join, proof=wire.join_proof(self._token, hello, join))

    def check(self, uplink_id: bytes, welcome: wire.Welcome) -> None:
        if not hmac.compare_digest(welcome.proof, wire.welcome_proof(self._token, uplink_id)):
            raise WireError("this router does not know the operator's wire token")


class SignedCredentials:
    """Between operators: the router is known by its certificate, and another process holds the key and signs."""

    def __init__(self, signing_socket: str, tls_cert_sha256: str) -> None:
        """``signing_socket``: see ``nodes.signing``. ``tls_cert_sha256``: of this session's certificate, hex."""
        self._signing_socket, self._certificate = signing_socket, bytes.fromhex(tls_cert_sha256)

    def present(self, hello: wire.Hello, join: wire.Join) -> wire.Join:
        asked = wire.encode(hello) + wire.encode(replace(join, tls_cert_sha256=self._certificate))
        match ask_agent(self._signing_socket, asked):
            case wire.Join() as signed:
                return signed
            case wire.Reject(code, reason):
                raise JoinRefused(code, reason)
            case other:
                raise WireError(f"the signing process answers with {other.kind}")

    def check(self, uplink_id: bytes, welcome: wire.Welcome) -> None:
        """TLS has shown already that the router is the pinned one."""


def ask_agent(signing_socket: str, frames: bytes) -> wire.Message:
    """What the process that signs for this node answers. Raises WireError."""
    reader = wire.FrameReader(wire.MAX_HANDSHAKE_BYTES)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as signing:
            signing.settimeout(SIGNING_TIMEOUT_S)
            signing.connect(signing_socket)
            signing.sendall(frames)
            while data := signing.recv(wire.MAX_HANDSHAKE_BYTES):
                for payload in reader.feed(data):
                    return wire.decode(payload)
    except OSError as exc:
        raise WireError(f"nobody signs for this node ({exc}): is `moray node join` still running?") from None
    raise WireError("the signing process hung up")
