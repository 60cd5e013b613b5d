"""What is public is given to everybody, whole or in part, and nothing else leaves the model's folder."""

from __future__ import annotations

import hashlib
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from checkpoint_kit import write_source
from gateway_kit import WAIT_S, served
from moray.experts.manifest import parse_manifest
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.store import ShardStore
from moray.network_manifest import MAX_NETWORK_MANIFEST_BYTES
from moray.router import publication
from moray.router.blame import Failures
from moray.router.http_errors import add_error_handlers
from moray.router.publication import publication_routes


@dataclass(frozen=True)
class Publisher:
    store: ShardStore
    manifest_file: Path
    port: int

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=WAIT_S)

    def raw(self, target: str) -> bytes:
        """The reply to a target that a well-behaved client would tidy up."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            reply = b""
            while part := connection.recv(1 << 16):
                reply += part
            return reply


def assert_not_found(reply: httpx2.Response, told: str) -> None:
    error = reply.json()["error"]
    assert reply.status_code == 404 and told in error["message"] and set(error) == {"message", "type", "param", "code"}


@contextmanager
def publishing(folder: Path, manifest_file: Path) -> Iterator[int]:
    app = FastAPI()
    add_error_handlers(app, 1, Failures())
    app.include_router(publication_routes(open_model(folder), manifest_file))
    with served(app) as port:
        yield port


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``source``, a checkpoint, and ``shards``, the same sharded."""
    root = tmp_path_factory.mktemp("models")
    write_shards(write_source(root / "source"), root / "shards")
    return root


@pytest.fixture
def publisher(pristine: Path, tmp_path: Path) -> Iterator[Publisher]:
    folder = Path(shutil.copytree(pristine / "shards", tmp_path / "model"))
    (tmp_path / "secret").write_text("not yours")
    (folder / "notes.txt").write_text("not the model's")
    with publishing(folder, tmp_path / "network.json") as port:
        yield Publisher(ShardStore.open(folder), tmp_path / "network.json", port)


def test_the_models_manifest_and_every_expert_are_given_as_they_are(publisher: Publisher) -> None:
    content = publisher.get("/model/manifest.json").content
    assert parse_manifest(content, "the reply") == publisher.store.manifest
    experts = publisher.store.manifest.with_role("expert")
    assert len(experts) == publisher.store.architecture.num_experts
    for file in experts:
        assert hashlib.sha256(publisher.get(f"/model/{file.name}").content).hexdigest() == file.sha256


def test_nothing_else_is_given(publisher: Publisher) -> None:
    roles = {file.role: file.name for file in publisher.store.manifest.files}
    assert {"backbone", "config"} <= set(roles)
    for name in [roles["backbone"], roles["config"], "notes.txt", "absent", ".", "MANIFEST.JSON", "manifest.json%00"]:
        assert_not_found(publisher.get(f"/model/{name}"), "")
    expert = publisher.store.manifest.expert_file(0).name
    for target in (
        "/model/../secret",
        "/model/..%2Fsecret",
        "/model/%2e%2e%2fsecret",
        "/model/..%5Csecret",
        f"/model//{expert}",
        f"/model/.%2F{expert}",
        f"/model/x%2F..%2F{expert}",
        f"/model/{publisher.store.folder}/{expert}",
        f"/model/{str(publisher.store.folder / expert).replace('/', '%2F')}",
        "/model/",
        "/model",
    ):
        reply = publisher.raw(target)
        assert reply.startswith(b"HTTP/1.1 404"), target


def test_a_part_is_given_where_a_part_is_asked_for(publisher: Publisher) -> None:
    file = publisher.store.manifest.expert_file(1)
    whole, path, size = (publisher.store.folder / file.name).read_bytes(), f"/model/{file.name}", file.size_bytes
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, size),
        (f"bytes=5-{size * 2}", 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes={size - 1}-", size - 1, size),
    ):
        reply = publisher.get(path, range=asked)
        assert reply.status_code == 206 and reply.content == whole[start:end]
        assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert reply.headers["content-length"] == str(end - start)
    assert publisher.get(path).headers["accept-ranges"] == "bytes"
    beyond = publisher.get(path, range=f"bytes={size}-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{size}"
    assert publisher.get(path, range="bytes=0-3", **{"if-range": '"another"'}).content == whole


def test_an_expert_that_this_router_does_not_have_is_not_found(publisher: Publisher) -> None:
    first, second = (publisher.store.manifest.expert_file(expert).name for expert in (0, 1))
    (publisher.store.folder / first).unlink()
    assert_not_found(publisher.get(f"/model/{first}"), "another router or a mirror")
    (publisher.store.folder / second).unlink()
    (publisher.store.folder / second).mkdir()
    assert_not_found(publisher.get(f"/model/{second}"), "another router or a mirror")


def test_a_reader_that_stops_reading_holds_nobody_up(publisher: Publisher) -> None:
    """A shard far larger than all buffers on the way; sparse, so that it costs no disk."""
    large, small = (publisher.store.manifest.expert_file(expert) for expert in (0, 1))
    with (publisher.store.folder / large.name).open("r+b") as file:
        file.truncate(1 << 30)
    with socket.create_connection(("127.0.0.1", publisher.port), WAIT_S) as stalled:
        stalled.sendall(f"GET /model/{large.name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"content-length: 1073741824" in stalled.recv(4096).lower()
        assert hashlib.sha256(publisher.get(f"/model/{small.name}").content).hexdigest() == small.sha256
        assert_not_found(publisher.get("/network/manifest"), "")
    end = publisher.get(f"/model/{large.name}", range="bytes=1073741820-")
    assert end.status_code == 206 and end.content == bytes(4)


def test_an_address_has_only_so_many_downloads_at_a_time(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else readers that do not read fill the router's memory."""
    monkeypatch.setattr(publication, "MAX_DOWNLOADS_PER_ADDRESS", 1)
    large, small = (publisher.store.manifest.expert_file(expert) for expert in (0, 1))
    with (publisher.store.folder / large.name).open("r+b") as file:
        file.truncate(1 << 30)
    with socket.create_connection(("127.0.0.1", publisher.port), WAIT_S) as stalled:
        stalled.sendall(f"GET /model/{large.name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"200 OK" in stalled.recv(4096)
        reply = publisher.get(f"/model/{small.name}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "overloaded")
        assert reply.headers["retry-after"] == str(publication.RETRY_AFTER_S)
    until = time.monotonic() + WAIT_S
    while publisher.get(f"/model/{small.name}").status_code != 200:  # once the router has noticed that it left
        assert time.monotonic() < until


def test_an_unsharded_checkpoint_is_not_given(pristine: Path, tmp_path: Path) -> None:
    with publishing(pristine / "source", tmp_path / "network.json") as port:
        for name in ("manifest.json", "config.json", "model.safetensors.index.json"):
            reply = httpx2.get(f"http://127.0.0.1:{port}/model/{name}", timeout=WAIT_S)
            assert_not_found(reply, "moray model shard")


def test_the_network_manifest_is_the_files_content_of_that_moment(publisher: Publisher) -> None:
    assert_not_found(publisher.get("/network/manifest"), "moray network sign")
    for content in (b'{"version": 1}', b'{"version": 2}', b"x" * MAX_NETWORK_MANIFEST_BYTES):
        publisher.manifest_file.write_bytes(content)
        reply = publisher.get("/network/manifest")
        assert (reply.status_code, reply.content) == (200, content)
        assert reply.headers["content-type"] == "application/json"
    publisher.manifest_file.write_bytes(b"x" * (MAX_NETWORK_MANIFEST_BYTES + 1))
    assert_not_found(publisher.get("/network/manifest"), "too large")
    publisher.manifest_file.unlink()
    publisher.manifest_file.mkdir()
    assert_not_found(publisher.get("/network/manifest"), "moray network sign")
