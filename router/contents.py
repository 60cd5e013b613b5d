"""Bytes by their hash: the task worker keeps what is too long for the chain, and the gateway gives it to anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from moray.experts.keccak import keccak
from moray.files import write_private

MAX_CONTENT_BYTES = 4 << 20  # a transcript's limit, the longer of the two
CONTENT_FOLDER = "content"  # in the state directory of `moray up`
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class ContentStore:
    folder: Path

    def put(self, data: bytes) -> str:
        """On disk when this returns. Its name, the hash as 64 hex digits. Raises ValueError for too many bytes."""
        if len(data) > MAX_CONTENT_BYTES:
            raise ValueError(f"{len(data)} bytes; at most {MAX_CONTENT_BYTES} are kept")
        name = keccak(data).hex()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.folder / name, data)
        return name

    def get(self, name: str) -> bytes | None:
        """None for what is not here, and for what is no hash."""
        if not _HASH.fullmatch(name):
            return None
        try:
            with (self.folder / name).open("rb") as file:
                data = file.read(MAX_CONTENT_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_CONTENT_BYTES else None


def content_routes(store: ContentStore) -> APIRouter:
    """``GET /content/{hash}``. Whoever asks checks the hash, so nothing more is promised. HTTPException 404."""
    routes = APIRouter()

    @routes.get("/content/{name}")
    def content(name: str) -> Response:  # not async: a disk may be slow
        data = store.get(name)
        if data is None:
            raise HTTPException(404, "nothing here has this hash; ask the task's provider")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(data, media_type="application/octet-stream", headers=headers)

    return routes
