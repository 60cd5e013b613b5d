"""One streamed completion over HTTP with next to no client: what is measured is the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any


async def stream_completion(host: str, port: int, body: dict[str, Any]) -> AsyncIterator[bytes]:
    """The answer's bytes as they come, head included, to the connection's end."""
    data = json.dumps(body | {"stream": True}).encode()
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nConnection: close\r\n\r\n" + data)
    while piece := await reader.read(1 << 16):
        yield piece
    writer.close()
