"""A router is measured as it is: its certificate and protocol, and every way of not answering, in bounded time."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from doctor_kit import Certificate, free_port, gateway, listening, make_certificate, tls_router
from moray.errors import UnsafeAddress
from moray.network_manifest import RouterEntry
from moray.nodes.doctor_routers import GatewayProbe, RouterProbe, probe_gateway, probe_router

SHORT_S = 0.3  # patience with who never answers


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def probe(port: int, timeout_s: float = 5.0) -> RouterProbe:
    router = RouterEntry(host="127.0.0.1", port=port, url="http://127.0.0.1:1", tls_cert_sha256="00" * 32)
    return probe_router(router, allow_private=True, timeout_s=timeout_s)


def test_a_routers_certificate_protocol_and_distance_are_measured(certificate: Certificate) -> None:
    with tls_router(certificate) as port:
        found = probe(port)
    assert (found.port_failure, found.tls_failure) == ("", "")
    assert (found.tls_version, found.cert_sha256) == ("TLSv1.3", certificate.sha256)
    assert found.round_trip_s > 0


def test_another_certificate_is_told_apart(certificate: Certificate, tmp_path: Path) -> None:
    with tls_router(make_certificate(tmp_path)) as port:
        found = probe(port)
    assert len(found.cert_sha256) == 64 and found.cert_sha256 != certificate.sha256


def test_a_router_of_older_tls_gets_no_handshake(certificate: Certificate) -> None:
    with tls_router(certificate, newest=ssl.TLSVersion.TLSv1_2) as port:
        found = probe(port)
    assert found.port_failure == "" and found.round_trip_s > 0
    assert "TLS 1.3" in found.tls_failure and found.cert_sha256 == ""


def test_where_nothing_listens_the_port_is_the_failure() -> None:
    assert probe(free_port()) == RouterProbe(port_failure="Connection refused")


def test_who_listens_and_never_answers_is_given_up() -> None:
    with listening() as listener:
        found = probe(listener.getsockname()[1], SHORT_S)
    assert found.port_failure == "" and "no answer in time" in found.tls_failure


def test_a_private_address_is_not_dialled_unless_that_is_meant() -> None:
    router = RouterEntry(host="127.0.0.1", port=1, url="http://127.0.0.1:1", tls_cert_sha256="00" * 32)
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        probe_router(router, allow_private=False)
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        probe_gateway(router.url, allow_private=False)


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 3600.0])
def test_a_gateway_tells_its_network_and_the_time(ahead_s: float) -> None:
    with gateway({"/network": b'{"network_id": "net", "nodes": []}'}, ahead_s) as url:
        found = probe_gateway(url, allow_private=True)
    assert (found.failure, found.network_id) == ("", "net")
    assert found.clock_offset_s == pytest.approx(-ahead_s, abs=600)


@pytest.mark.parametrize("page", [b"", b"[1]", b'{"network_id": 5}', b"\xff"])
def test_what_is_no_networks_page_is_a_failure_with_a_clock(page: bytes) -> None:
    with gateway({"/network": page}) as url:
        found = probe_gateway(url, allow_private=True)
    assert "no" in found.failure and found.network_id == "" and found.clock_offset_s is not None


def test_a_gateway_that_does_not_answer_is_given_up() -> None:
    refused = probe_gateway(f"http://127.0.0.1:{free_port()}", allow_private=True)
    assert "refused" in refused.failure and refused.clock_offset_s is None
    with listening() as listener:
        silent = probe_gateway(f"http://127.0.0.1:{listener.getsockname()[1]}", allow_private=True, timeout_s=SHORT_S)
    assert silent.failure and silent == GatewayProbe(silent.failure)
