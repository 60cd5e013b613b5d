"""What a router gives to everybody who joins: the network manifest, and the model's manifest and experts.

All of it is public and names its own signature or digest, so it is given to whoever asks. The backbone and the
tokenizer are not among it: a node needs neither.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from moray.errors import Overloaded
from moray.experts.manifest import MANIFEST_FILE
from moray.experts.source import ModelSource
from moray.experts.store import ShardStore
from moray.network_manifest import MAX_NETWORK_MANIFEST_BYTES
from moray.router.rate_limit import source_of

MAX_DOWNLOADS = 256  # at a time: each holds a file and CHUNK_BYTES for as long as its reader likes
MAX_DOWNLOADS_PER_ADDRESS = 32
CHUNK_BYTES = 1 << 20  # a shard in the usual 64 KiB costs several times the CPU time, which tokens need
RETRY_AFTER_S = 5


def publication_routes(source: ModelSource, manifest_file: Path) -> APIRouter:
    """``GET /network/manifest``, the content of ``manifest_file`` as it is at that moment, and ``GET /model/{name}``.

    Errors are HTTPException: 404 for what is not there or not given; Overloaded.
    """
    routes, downloads = APIRouter(), _Downloads()
    names = _given_names(source)

    # Not async, so that they run in a thread: a disk may be slow.

    @routes.get("/network/manifest")
    def network_manifest() -> Response:
        return Response(_read_network_manifest(manifest_file), media_type="application/json")

    @routes.get("/model/{name}")
    def model_file(name: str) -> Response:
        if not names:
            raise HTTPException(404, "this router's model is not sharded; its operator can `moray model shard` it")
        if name not in names:
            raise HTTPException(404, f"nothing here has this name; {MANIFEST_FILE} lists the experts")
        return _file_reply(source.folder / name, downloads)

    return routes


class _Downloads:
    """Those that go on, by address. Owned by one event loop."""

    def __init__(self) -> None:
        self._num: Counter[str] = Counter()

    @contextmanager
    def one_of(self, address: str) -> Iterator[None]:
        """Raises Overloaded."""
        source = source_of(address)
        if self._num.total() >= MAX_DOWNLOADS or self._num[source] >= MAX_DOWNLOADS_PER_ADDRESS:
            raise Overloaded("too many downloads go on; try again later, or ask a mirror", RETRY_AFTER_S)
        self._num[source] += 1
        try:
            yield
        finally:
            self._num[source] -= 1
            if not self._num[source]:
                del self._num[source]


class _File(FileResponse):
    """It answers Range requests, reads in a thread and sends no faster than the client takes it."""

    chunk_size = CHUNK_BYTES

    def __init__(self, path: Path, status: os.stat_result, downloads: _Downloads) -> None:
        super().__init__(path, stat_result=status)
        self._downloads = downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._downloads.one_of(scope["client"][0] if scope.get("client") else ""):
            await super().__call__(scope, receive, send)


def _given_names(source: ModelSource) -> frozenset[str]:
    """Of files in the model's folder; none of an unsharded checkpoint."""
    if not isinstance(source, ShardStore):
        return frozenset()
    return frozenset({MANIFEST_FILE} | {file.name for file in source.manifest.with_role("expert")})


def _read_network_manifest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_NETWORK_MANIFEST_BYTES + 1)
    except OSError:
        raise HTTPException(
            404, "this router has no network manifest; its operator can `moray network sign` one"
        ) from None
    if len(content) > MAX_NETWORK_MANIFEST_BYTES:
        raise HTTPException(
            404, "this router's network manifest is too large to be one; its operator can sign it again"
        )
    return content


def _file_reply(path: Path, downloads: _Downloads) -> Response:
    try:
        status = path.stat()
    except OSError:
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        raise HTTPException(404, "this router does not have that file; ask another router or a mirror")
    return _File(path, status, downloads)
