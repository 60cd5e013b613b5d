"""The network manifest of a node: from whoever serves it, signed by the owner, never older than one seen."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from http_kit import Reply, Server, serving
from moray.errors import BadSetting, DownloadFailed, ManifestRefused, UnsafeAddress
from moray.guarded_http import Fetcher
from moray.join_string import JoinString
from moray.network_manifest import NetworkManifest, RouterEntry, encode_manifest, sign_manifest
from moray.node_key import NodeKey
from moray.nodes.known_manifest import KnownManifest

OWNER, STRANGER = NodeKey.from_bytes(bytes([1]) * 32), NodeKey.from_bytes(bytes([2]) * 32)
NOW, DAY_S = 1_800_000_000.0, 86_400
FETCHER = Fetcher(allow_private=True, patience_s=10)


class Gateway:
    """Serves ``content``, and an error while there is none."""

    def __init__(self, server: Server) -> None:
        self.server, self.content = server, b""
        server.answer = self._answer

    def _answer(self, reply: Reply) -> None:
        if self.content and reply.request_seen.path == "/network/manifest":
            reply.whole(self.content)
        else:
            reply.error(404, "not_found", "no manifest here")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with serving(lambda reply: None) as server:
        yield Gateway(server)


@pytest.fixture
def other() -> Iterator[Gateway]:
    """Of a second router."""
    with serving(lambda reply: None) as server:
        yield Gateway(server)


def signed(
    version: int, routers: tuple[Gateway, ...], key: NodeKey = OWNER, network_id: str = "net", issued_at: float = NOW
) -> NetworkManifest:
    """It holds for one day."""
    return sign_manifest(
        key,
        network_id=network_id,
        chain_id=0,
        version=version,
        model_id="ab" * 32,
        numeric_class="int8",
        issued_at=int(issued_at),
        expires_at=int(issued_at) + DAY_S,
        routers=tuple(
            RouterEntry(host="127.0.0.1", port=gateway.server.port, url=gateway.server.url, tls_cert_sha256="cd" * 32)
            for gateway in routers
        ),
    )


def known(state_dir: Path, gateway: Gateway, fetcher: Fetcher = FETCHER) -> KnownManifest:
    """As after a restart."""
    return KnownManifest(state_dir, JoinString(gateway.server.url, OWNER.address), fetcher)


def see(state_dir: Path, gateway: Gateway, manifest: NetworkManifest) -> None:
    gateway.content = encode_manifest(manifest)
    assert known(state_dir, gateway).refresh(NOW) == manifest


def test_the_first_manifest_is_taken_and_kept_private(tmp_path: Path, gateway: Gateway) -> None:
    see(tmp_path, gateway, signed(3, (gateway,)))
    (kept,) = tmp_path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_bytes() == gateway.content


def test_a_newer_one_is_taken_and_an_older_one_never_again(tmp_path: Path, gateway: Gateway) -> None:
    see(tmp_path, gateway, signed(3, (gateway,)))
    newer = signed(7, (gateway,))
    see(tmp_path, gateway, newer)
    gateway.content = encode_manifest(signed(6, (gateway,), issued_at=NOW + 60))
    assert known(tmp_path, gateway).refresh(NOW + 60) == newer
    with pytest.raises(ManifestRefused, match="rolled_back"):
        known(tmp_path, gateway).refresh(NOW + DAY_S)  # when version 7 has expired and 6 has not


def test_a_manifest_of_somebody_else_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    manifest = signed(1, (gateway,))
    forged = signed(1, (gateway,), STRANGER).model_copy(update={"owner": OWNER.address})
    for content, reason in (
        (encode_manifest(signed(1, (gateway,), STRANGER)), "wrong_owner"),
        (encode_manifest(forged), "bad_signature"),
        (encode_manifest(manifest.model_copy(update={"model_id": "00" * 32})), "bad_signature"),
        (encode_manifest(manifest)[:-9], "malformed"),
        (encode_manifest(signed(1, (gateway,), issued_at=NOW - 2 * DAY_S)), "expired"),
        (encode_manifest(signed(1, (gateway,), issued_at=NOW + DAY_S)), "not_yet_valid"),
    ):
        gateway.content = content
        with pytest.raises(ManifestRefused) as caught:
            known(tmp_path, gateway).refresh(NOW)
        assert caught.value.reason_code == reason
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_end_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    gateway.content = b" " * (1 << 20)
    with pytest.raises(DownloadFailed, match="sends more than"):
        known(tmp_path, gateway).refresh(NOW)


def test_another_network_of_the_same_owner_does_not_take_its_place(tmp_path: Path, gateway: Gateway) -> None:
    mine = signed(3, (gateway,))
    see(tmp_path, gateway, mine)
    gateway.content = encode_manifest(signed(9, (gateway,), network_id="another", issued_at=NOW + 60))
    assert known(tmp_path, gateway).refresh(NOW) == mine
    with pytest.raises(ManifestRefused) as caught:
        known(tmp_path, gateway).refresh(NOW + DAY_S)  # when that one holds and the own one does not
    assert caught.value.reason_code == "wrong_network"


def test_another_owner_has_a_file_of_its_own(tmp_path: Path, gateway: Gateway) -> None:
    see(tmp_path, gateway, signed(3, (gateway,)))
    theirs = signed(1, (gateway,), STRANGER)
    gateway.content = encode_manifest(theirs)
    stranger = KnownManifest(tmp_path, JoinString(gateway.server.url, STRANGER.address), FETCHER)
    assert stranger.refresh(NOW) == theirs
    assert known(tmp_path, gateway).refresh(NOW).version == 3


def test_a_gateway_that_does_not_answer_is_stood_in_for_until_the_manifest_expires(
    tmp_path: Path, gateway: Gateway
) -> None:
    with pytest.raises(DownloadFailed, match="no manifest here"):
        known(tmp_path, gateway).refresh(NOW)
    manifest = signed(3, (gateway,))
    see(tmp_path, gateway, manifest)
    gateway.content = b""
    assert known(tmp_path, gateway).refresh(NOW + DAY_S - 1) == manifest
    with pytest.raises(DownloadFailed, match="no manifest here"):
        known(tmp_path, gateway).refresh(NOW + DAY_S)


def test_the_other_routers_are_asked_too(tmp_path: Path, gateway: Gateway, other: Gateway) -> None:
    see(tmp_path, gateway, signed(3, (gateway, other)))
    newer = signed(4, (other,))
    gateway.content, other.content = b"", encode_manifest(newer)
    assert known(tmp_path, gateway).refresh(NOW) == newer
    asked_before = len(gateway.server.requests)
    other.content = encode_manifest(signed(3, (gateway, other)))
    assert known(tmp_path, gateway).refresh(NOW) == newer
    assert len(gateway.server.requests) == asked_before + 1


def test_the_version_seen_outlives_the_manifest(tmp_path: Path, gateway: Gateway) -> None:
    see(tmp_path, gateway, signed(5, (gateway,)))
    later = NOW + 3 * DAY_S
    gateway.content = encode_manifest(signed(4, (gateway,), issued_at=later))
    with pytest.raises(ManifestRefused) as caught:
        known(tmp_path, gateway).refresh(later)
    assert caught.value.reason_code == "rolled_back"
    again = signed(5, (gateway,), issued_at=later)
    gateway.content = encode_manifest(again)
    assert known(tmp_path, gateway).refresh(later) == again


def test_a_damaged_file_is_not_taken_for_none(tmp_path: Path, gateway: Gateway) -> None:
    see(tmp_path, gateway, signed(5, (gateway,)))
    (kept,) = tmp_path.iterdir()
    for damaged in (b"", gateway.content.replace(b'"version": 5', b'"version": 1'), gateway.content[:-20]):
        kept.write_bytes(damaged)
        with pytest.raises(ManifestRefused, match=rf"{kept.name} was damaged"):
            known(tmp_path, gateway).refresh(NOW)


def test_a_state_directory_that_cannot_be_used_is_one_clear_line(tmp_path: Path, gateway: Gateway) -> None:
    gateway.content = encode_manifest(signed(1, (gateway,)))
    with pytest.raises(BadSetting, match="--state-dir"):
        known(tmp_path / "absent", gateway).refresh(NOW)
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="--state-dir"):
        known(tmp_path / "file", gateway).refresh(NOW)


def test_a_private_gateway_is_refused_unless_allowed(tmp_path: Path, gateway: Gateway) -> None:
    gateway.content = encode_manifest(signed(1, (gateway,)))
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        known(tmp_path, gateway, Fetcher(allow_private=False)).refresh(NOW)
    assert gateway.server.num_connections == 0
