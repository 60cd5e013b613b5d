"""What a node's signing process signs, and how much it does not: real sockets, real keys."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tls_kit
from dataplane_kit import IDENTITY, make_join
from moray import wire
from moray.errors import JoinRefused, WireError
from moray.experts.credentials import SignedCredentials
from moray.join_signature import recover_signer
from moray.nodes.signing import LIFETIME_S, SigningServer, check_join
from moray.types import PublicAddress

ROUTER, OTHER = PublicAddress("10.1.2.3", 7443, "ab" * 32), PublicAddress("10.1.2.4", 7443, "cd" * 32)
MEMBER = tls_kit.membership(ROUTER, OTHER)
HELLO = wire.Hello(2, 2, MEMBER.network_id, 0, IDENTITY.model_id, str(ROUTER), b"c" * 32, [])
JOIN = replace(make_join(HELLO), tls_cert_sha256=bytes.fromhex(ROUTER.tls_cert_sha256), proof=b"")


def test_a_join_of_this_node_to_a_pinned_router_is_signed_for_a_minute(tmp_path: Path) -> None:
    server = SigningServer(tmp_path / "s", tls_kit.KEY, MEMBER, lambda: 1000.9)
    with server:
        signed = server.answer(HELLO, JOIN)
    assert isinstance(signed, wire.Join)
    assert recover_signer(HELLO, signed) == signed.signer == tls_kit.KEY.address
    assert replace(signed, signature=b"", signer="", expires_at=0) == JOIN and signed.expires_at == 1000 + LIFETIME_S


@pytest.mark.parametrize(
    ("hello", "join", "code"),
    [
        ({"network_id": "other"}, {}, "wrong_network"),
        ({"chain_id": 1}, {}, "wrong_network"),
        ({"router": "10.9.9.9:1"}, {"router": "10.9.9.9:1"}, "wrong_router"),
        ({"router": str(OTHER)}, {}, "wrong_router"),
        ({}, {"router": str(OTHER)}, "wrong_router"),
        ({"router": str(OTHER)}, {"router": str(OTHER)}, "wrong_certificate"),  # a router greets as its neighbour
        ({}, {"tls_cert_sha256": bytes(32)}, "wrong_certificate"),
        ({}, {"tls_cert_sha256": b""}, "wrong_certificate"),
        ({"model_id": "other"}, {}, "wrong_model"),
        ({}, {"model_id": "other"}, "wrong_model"),
        ({}, {"numeric_class": "int8"}, "wrong_model"),
        ({}, {"node_id": "another"}, "wrong_node"),
    ],
)
def test_nothing_else_is_signed(hello: dict[str, Any], join: dict[str, Any], code: str, tmp_path: Path) -> None:
    said, asked = replace(HELLO, **hello), replace(JOIN, **join)
    with pytest.raises(JoinRefused) as refused:
        check_join(MEMBER, said, asked)
    assert refused.value.reason_code == code
    with tls_kit.open_signing(tmp_path, MEMBER) as path, pytest.raises(JoinRefused, match=code):  # over the socket too
        SignedCredentials(path, asked.tls_cert_sha256.hex()).present(said, replace(asked, tls_cert_sha256=b""))


def test_a_replica_gets_its_join_signed_over_the_socket(tmp_path: Path) -> None:
    with tls_kit.open_signing(tmp_path, MEMBER) as path:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        signed = SignedCredentials(path, ROUTER.tls_cert_sha256).present(HELLO, replace(JOIN, tls_cert_sha256=b""))
    assert recover_signer(HELLO, signed) == tls_kit.KEY.address
    assert not os.path.lexists(path)
    with pytest.raises(WireError, match="still running"):
        SignedCredentials(path, ROUTER.tls_cert_sha256).present(HELLO, JOIN)


def test_a_socket_left_by_a_killed_process_is_in_nobodys_way(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "signing.sock"))
    with tls_kit.open_signing(tmp_path, MEMBER) as path:
        SignedCredentials(path, ROUTER.tls_cert_sha256).present(HELLO, JOIN)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<I", 5000),
        wire.encode(JOIN) + wire.encode(HELLO),
        wire.encode(HELLO) + wire.encode(wire.Ping(1)),
        wire.encode(HELLO) + struct.pack("<I", 3) + b"\xc1\xc1\xc1",
        wire.encode(HELLO),
    ],
)
def test_whoever_asks_badly_gets_no_answer_and_disturbs_nobody(data: bytes, tmp_path: Path) -> None:
    with tls_kit.open_signing(tmp_path, MEMBER) as path:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(20)
            asking.connect(path)
            asking.sendall(data)
            asking.shutdown(socket.SHUT_WR)
            assert asking.recv(100) == b""
        SignedCredentials(path, ROUTER.tls_cert_sha256).present(HELLO, JOIN)


@pytest.mark.parametrize("answer", [wire.encode(wire.Ping(1)), b"", struct.pack("<I", 5000), b"\x03\0\0\0\xc1\xc1\xc1"])
def test_a_signing_process_that_answers_nonsense_is_told_apart(answer: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(WireError):
            SignedCredentials(str(tmp_path / "s"), ROUTER.tls_cert_sha256).present(HELLO, JOIN)
        thread.join()
