"""Signing a network: what it takes from the routers, and what it will not sign or write over."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from card_kit import card, router
from moray.cli.publish import next_version, sign
from moray.errors import BadKeystore, BadSetting, ClusterError, WrongPassword
from moray.files import write_private
from moray.network_manifest import DAY_S, NetworkManifest, RouterEntry, encode_manifest, parse_manifest, sign_manifest
from moray.node_key import NodeKey

PASSWORD = b"correct horse battery"
PRIVATE_KEY = bytes(range(1, 33))
OWNER = str(Account.from_key(PRIVATE_KEY).address)
ENTRY = RouterEntry(host="203.0.113.5", port=7000, url="http://203.0.113.5:8000", tls_cert_sha256="ab" * 32)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The owner's key; its password is beside it."""
    folder = tmp_path_factory.mktemp("keys")
    content = create_keyfile_json(PRIVATE_KEY, PASSWORD, kdf="pbkdf2", iterations=600_000)
    write_private(folder / "owner.json", json.dumps(content).encode())
    write_private(folder / "password", PASSWORD)
    write_private(folder / "wrong", b"something else")
    return folder / "owner.json"


def signed_by(key: bytes, **changes: Any) -> NetworkManifest:
    fields: dict[str, Any] = {
        "network_id": "eels",
        "chain_id": 0,
        "version": 7,
        "model_id": "cd" * 32,
        "numeric_class": "int8",
        "issued_at": 1_800_000_000,
        "expires_at": 1_800_000_000 + DAY_S,
        "routers": (ENTRY,),
    }
    return sign_manifest(NodeKey.from_bytes(key), **fields | changes)


def test_several_routers_are_signed_into_a_file_of_its_own(
    keystore: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = card(public_address={"host": "127.0.0.1", "port": 7001, "tls_cert_sha256": "ba" * 32})
    out = tmp_path / "published.json"
    with router() as first, router(other) as second:
        sign(
            router=[first, f"{second}/"],
            mirror=["https://a.example/", "http://b.example/m"],
            days=366,
            keystore=keystore,
            password_file=keystore.with_name("password"),
            out=out,
            state_dir=tmp_path / "state",
            as_json=True,
        )
    shown = capsys.readouterr()
    manifest = parse_manifest(out.read_bytes(), OWNER, time.time())
    assert shown.err == "" and json.loads(shown.out) == {
        "join_string": f"{first}#{OWNER}",
        "manifest": str(out),
        "version": 1,
        "owner": OWNER,
        "expires_at": manifest.expires_at,
        "routers": [
            {"name": name, "host": "127.0.0.1", "port": port, "url": url, "tls_cert_sha256": pin}
            for name, port, url, pin in (
                ("127.0.0.1:7000", 7000, first, "ab" * 32),
                ("127.0.0.1:7001", 7001, second, "ba" * 32),
            )
        ],
    }
    assert [entry.url for entry in manifest.routers] == [first, second]
    assert manifest.mirrors == ("https://a.example", "http://b.example/m")
    assert manifest.expires_at - manifest.issued_at == 366 * DAY_S
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not (tmp_path / "state" / "network.json").exists()


def test_whatever_is_wrong_nothing_is_written(keystore: Path, tmp_path: Path) -> None:
    state, right = tmp_path / "state", keystore.with_name("password")
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (ClusterError, "moray up", {"router": None}),
        (BadSetting, "--router: ", {"router": ["router:8000"]}),
        (BadSetting, "--mirror: ", {"mirror": ["http://user:secret@a"]}),
        (BadSetting, "--public-url: ", {"public_url": "http://a?b"}),
        (BadKeystore, "owner2.json", {"keystore": tmp_path / "owner2.json"}),
        (ClusterError, "does not answer", {"router": ["http://127.0.0.1:1"]}),
    ]
    with router() as url, router(card(public_address=None)) as closed, router(is_sharded=False) as unsharded:
        cases += [
            (BadSetting, "named twice", {"router": [url, url]}),
            (BadSetting, "--public-host", {"router": [closed]}),
            (BadSetting, "moray model shard", {"router": [unsharded]}),
            (BadSetting, "cannot write", {"out": tmp_path / "none" / "network.json"}),
            (BadSetting, "cannot read", {"out": tmp_path}),
            (WrongPassword, "wrong", {"password_file": keystore.with_name("wrong")}),
        ]
        for kind, told, options in cases:
            usual: dict[str, Any] = {"router": [url], "keystore": keystore, "password_file": right, "state_dir": state}
            with pytest.raises(kind, match=told):
                sign(**usual | options)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_versions_rise_from_one_whether_or_not_the_last_has_expired(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    assert next_version(path, OWNER, "eels") == 1
    path.write_bytes(encode_manifest(signed_by(PRIVATE_KEY)))
    assert next_version(path, OWNER, "eels") == 8
    path.write_bytes(encode_manifest(signed_by(PRIVATE_KEY, version=41, issued_at=1, expires_at=2)))
    assert next_version(path, OWNER, "eels") == 42


def test_a_file_that_is_not_this_owners_manifest_of_this_network_is_not_replaced(tmp_path: Path) -> None:
    for content, told in (
        (b"", "malformed"),
        (b"notes", "malformed"),
        (encode_manifest(signed_by(bytes(31) + b"\x07")), "wrong_owner"),
        (encode_manifest(signed_by(PRIVATE_KEY).model_copy(update={"version": 8})), "bad_signature"),
        (encode_manifest(signed_by(PRIVATE_KEY, network_id="rays")), "'rays'"),
    ):
        (tmp_path / "network.json").write_bytes(content)
        with pytest.raises(BadSetting, match=told) as refused:
            next_version(tmp_path / "network.json", OWNER, "eels")
        assert "not replaced" in str(refused.value) and "--out" in str(refused.value)
