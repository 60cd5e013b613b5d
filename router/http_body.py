"""Reading a request body without trusting its length, and noticing a client that leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

from moray.router.http_errors import BodyTooLarge

CLIENT_LEFT = 499  # never reaches anyone; nginx's number

T = TypeVar("T")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises ``BodyTooLarge`` once more has come, ``ClientDisconnect`` if it breaks off."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLarge(f"the body is larger than {max_bytes} bytes: send less")
    return bytes(body)


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None when the client left first; ``work`` is then cancelled and has ended.

    To be called after the body has been read: from there on ``receive`` waits for the disconnection.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnection(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
