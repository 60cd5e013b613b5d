"""HTTP to a gateway that may be anybody's: no reply is longer than was allowed, whatever its header says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import httpx2

MAX_REPLY_BYTES = 32 << 20  # of one reply, a stream's too
TIMEOUT = httpx2.Timeout(600.0, connect=10.0)  # seconds; a queue may be long, a connection is there or not


def open_http(max_reply_bytes: int = MAX_REPLY_BYTES) -> httpx2.AsyncClient:
    """Without redirects, proxies and compression: what is counted is what is read."""
    return httpx2.AsyncClient(
        transport=_Limited(max_reply_bytes),
        timeout=TIMEOUT,
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    )


class _Limited(httpx2.AsyncHTTPTransport):
    def __init__(self, max_reply_bytes: int) -> None:
        super().__init__()
        self._max_reply_bytes = max_reply_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _LimitedStream(response.stream, self._max_reply_bytes)
        return response


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream, self._max_bytes = stream, max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        num_bytes = 0
        pieces = aiter(self._stream)
        try:
            async for piece in pieces:
                num_bytes += len(piece)
                if num_bytes > self._max_bytes:
                    raise httpx2.DecodingError(f"the reply is longer than {self._max_bytes} bytes")
                yield piece
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()
