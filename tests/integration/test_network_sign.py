"""`moray network sign` as the owner of a network runs it, beside the network and from another machine."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from card_kit import card, router
from cluster import moray
from moray.files import write_private
from moray.join_string import JoinString, parse_join_string
from moray.network_manifest import DAY_S, NetworkManifest, parse_manifest
from moray.nodes.state import ClusterRecord, write_state

pytestmark = pytest.mark.integration

PASSWORD = b"correct horse battery"
PRIVATE_KEY = bytes(range(1, 33))
OWNER = str(Account.from_key(PRIVATE_KEY).address)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with the owner's key; its password is beside it."""
    directory = tmp_path / "state"
    (directory / "keys").mkdir(parents=True)
    keystore = create_keyfile_json(PRIVATE_KEY, PASSWORD, kdf="pbkdf2", iterations=600_000)
    write_private(directory / "keys" / "owner.json", json.dumps(keystore).encode())
    write_private(tmp_path / "password", PASSWORD)
    return directory


def sign(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    password = ("--password-file", str(state.parent / "password"))
    return moray("network", "sign", "--state-dir", str(state), *password, *options)


def signed(state: Path, *options: str) -> tuple[JoinString, NetworkManifest]:
    """Stdout holds the join string alone, so that a script can take it."""
    done = sign(state, *options)
    assert done.returncode == 0, done.stderr
    manifest = parse_manifest((state / "network.json").read_bytes(), OWNER, time.time())
    for entry in manifest.routers:
        assert f"router {entry.name} with certificate {entry.tls_cert_sha256}" in done.stderr
    assert done.stdout.count("\n") == 1
    return parse_join_string(done.stdout), manifest


def test_the_network_of_the_state_directory_is_signed_and_signed_again(state: Path) -> None:
    with router() as url:
        write_state(ClusterRecord(marker="m", state_dir=state, temp_dir=state, url=url))
        join, first = signed(state)
        _, second = signed(state)
    assert join == JoinString(url, OWNER)
    assert (first.network_id, first.chain_id, first.model_id, first.numeric_class) == ("eels", 0, "cd" * 32, "int8")
    assert [(entry.name, entry.url, entry.tls_cert_sha256) for entry in first.routers] == [
        ("127.0.0.1:7000", url, "ab" * 32)
    ]
    assert first.expires_at - first.issued_at == 30 * DAY_S
    assert (first.version, second.version) == (1, 2)


def test_the_public_url_is_the_one_that_is_handed_out(state: Path) -> None:
    public = card(public_address={"host": "203.0.113.5", "port": 7000, "tls_cert_sha256": "ab" * 32})
    with router(public) as url:
        refused = sign(state, "--router", url)
        assert refused.returncode == 2 and refused.stdout == "" and "--public-url" in refused.stderr
        assert refused.stderr.startswith("moray: ") and refused.stderr.count("\n") == 1
        join, manifest = signed(state, "--router", url, "--public-url", "https://router.example")
    assert join.url == manifest.routers[0].url == "https://router.example"
    assert manifest.routers[0].name == "203.0.113.5:7000"
