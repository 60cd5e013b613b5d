"""Bytes come back under their hash, whole, and nothing else leaves the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from Crypto.Hash import keccak
from fastapi import FastAPI

from gateway_kit import WAIT_S, served
from moray.router import contents
from moray.router.blame import Failures
from moray.router.contents import ContentStore, content_routes
from moray.router.http_errors import add_error_handlers


def hash_of(data: bytes) -> str:
    return str(keccak.new(digest_bits=256, data=data).hexdigest())


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    (tmp_path / "secret").write_bytes(b"not yours")
    return ContentStore(tmp_path / "content")


@pytest.fixture
def url(store: ContentStore) -> Iterator[str]:
    app = FastAPI()
    add_error_handlers(app, 1, Failures())
    app.include_router(content_routes(store))
    with served(app) as port:
        yield f"http://127.0.0.1:{port}/content"


@pytest.mark.parametrize("data", [b"", b"an answer", bytes(range(256)) * 400])
def test_what_was_kept_is_given_under_its_hash(store: ContentStore, url: str, data: bytes) -> None:
    name = store.put(data)
    assert name == hash_of(data) == store.put(data)
    reply = httpx2.get(f"{url}/{name}", timeout=WAIT_S)
    assert reply.status_code == 200 and reply.content == data
    assert "immutable" in reply.headers["cache-control"]
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "name", ["0" * 64, "0" * 63, "A" * 64, "..%2Fsecret", "%2e%2e/secret", "secret", "x" * 9000, "%00" * 64]
)
def test_other_names_are_not_found(store: ContentStore, url: str, name: str) -> None:
    store.put(b"something")
    assert httpx2.get(f"{url}/{name}", timeout=WAIT_S).status_code == 404


def test_too_much_is_not_kept(store: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_CONTENT_BYTES", 10)
    store.put(b"0123456789")
    with pytest.raises(ValueError, match="11 bytes"):
        store.put(b"0123456789a")
    assert store.get(hash_of(b"0123456789a")) is None


def test_a_file_that_grew_too_long_is_not_given(store: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"0123456789a")
    monkeypatch.setattr(contents, "MAX_CONTENT_BYTES", 10)
    assert store.get(name) is None
