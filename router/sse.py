"""Server-sent events (WHATWG HTML, section 9.2) over ASGI, ended by whichever side leaves first."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from moray.router.http_body import unless_disconnected

DONE = b"data: [DONE]\n\n"


def event(body: dict[str, Any]) -> bytes:
    """One event; JSON has no raw line breaks, so one data line is enough."""
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


class EventStream(StreamingResponse):
    """Sends each item of ``events`` as one write.

    The response starts with the first item, so that an error before it still becomes a status code. A client
    that leaves ends ``events`` at once, not at the next write.
    """

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await unless_disconnected(receive, self.stream_response(send))

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            chunk = await anext(events)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            async for chunk in events:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def with_error_event(
    events: AsyncGenerator[bytes, None], describe: Callable[[Exception], dict[str, Any]]
) -> AsyncGenerator[bytes, None]:
    """``events``, where an error after the first item becomes a last event made by ``describe``."""
    has_begun = False
    async with aclosing(events):
        try:
            async for chunk in events:
                has_begun = True
                yield chunk
        except Exception as error:
            if not has_begun:
                raise
            yield event(describe(error))
