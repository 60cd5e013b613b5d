"""What a router gives to everybody who joins: the network manifest, and the model's manifest and experts.

All of it is public and names its own signature or digest, so it is given to whoever asks. The backbone and the
tokenizer are not among it: a node needs neither.
"""

from __future__ import annotations

import stat
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from moray.experts.manifest import MANIFEST_FILE
from moray.experts.source import ModelSource
from moray.experts.store import ShardStore
from moray.network_manifest import MAX_NETWORK_MANIFEST_BYTES


def publication_routes(source: ModelSource, manifest_file: Path) -> APIRouter:
    """``GET /network/manifest``, the content of ``manifest_file`` as it is at that moment, and ``GET /model/{name}``.

    Errors are HTTPException: 404 for what is not there or not given.
    """
    routes = APIRouter()
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
        return _file_reply(source.folder / name)

    return routes


class _File(FileResponse):
    """It answers Range requests, reads in a thread and sends no faster than the client takes it."""

    chunk_size = 1 << 20  # bytes; a shard in the usual 64 KiB costs several times the CPU time, which tokens need


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


def _file_reply(path: Path) -> Response:
    try:
        status = path.stat()
    except OSError:
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        raise HTTPException(404, "this router does not have that file; ask another router or a mirror")
    return _File(path, stat_result=status)
