"""One RPC endpoint over HTTP: JSON-RPC 2.0 with a time limit, a limit on the size of replies, and no URL in any text.

An endpoint's URL may hold an API key in its path or query, so messages and logs name its host and port only. That is
also why web3's own HTTP provider is not used: it logs whole URLs.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from moray.contracts.log import as_bytes, as_int
from moray.contracts.reverts import decode_revert, revert_data
from moray.contracts.web3_here import AsyncJSONBaseProvider, RPCEndpoint, RPCResponse
from moray.errors import BadSetting, ChainRefused, ChainUnreachable

REQUEST_TIMEOUT_S = 20.0
MAX_REPLY_BYTES = 16 * 2**20  # 250 results of two contents of 8 KiB each are about as much
MAX_ERROR_CHARACTERS = 200  # of an endpoint's own words


class Endpoint(AsyncJSONBaseProvider):
    """``name`` is the host and port. Bound to the event loop that it first sends a request in."""

    def __init__(self, url: str, max_reply_bytes: int = MAX_REPLY_BYTES, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        super().__init__()
        self.name = endpoint_name(url)
        self.url = url  # never shown
        self._max_reply_bytes = max_reply_bytes
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, *params: Any) -> Any:
        """The reply's result. Raises ChainUnreachable, ChainRefused, and Reverted for a refused call."""
        reply = await self.make_request(RPCEndpoint(method), list(params))
        if "error" not in reply:
            return reply["result"]
        error: Any = reply["error"]
        if (data := revert_data(error)) is not None:
            raise decode_revert(data)
        words = str(error.get("message", "no reason"))[:MAX_ERROR_CHARACTERS]
        raise ChainRefused(
            f"the RPC endpoint {self.name} refused {method}: {one_line(words)}", as_code(error.get("code"))
        )

    async def number(self, method: str, *params: Any) -> int:
        """Of a request whose result is one."""
        try:
            return as_int(await self.request(method, *params))
        except (TypeError, ValueError):
            raise self._nonsense(method, "number") from None

    async def data(self, method: str, *params: Any) -> bytes:
        """Of a request whose result is bytes."""
        try:
            return as_bytes(await self.request(method, *params))
        except (TypeError, ValueError):
            raise self._nonsense(method, "string of bytes") from None

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The whole reply, for web3. Raises ChainUnreachable."""
        body = self.encode_rpc_request(method, params)
        try:
            raw = await self._post(body)
        except aiohttp.ServerDisconnectedError:
            raw = await self._again(body)  # it had closed an idle connection
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from None
        try:
            reply = json.loads(raw)
        except (ValueError, RecursionError):
            raise ChainUnreachable(
                f"the RPC endpoint {self.name} answered with no JSON; is it one of a chain?"
            ) from None
        if not isinstance(reply, dict) or not ("result" in reply or isinstance(reply.get("error"), dict)):
            raise ChainUnreachable(f"the RPC endpoint {self.name} answered with no JSON-RPC; is it one of a chain?")
        return reply  # type: ignore[return-value]

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _again(self, body: bytes) -> bytes:
        try:
            return await self._post(body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with asyncio.timeout(self._timeout_s):
            async with self._session.post(
                self.url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as response:
                raw = bytearray()
                async for part in response.content.iter_any():
                    raw += part
                    if len(raw) > self._max_reply_bytes:
                        raise ChainRefused(
                            f"the RPC endpoint {self.name} sent more than {self._max_reply_bytes} bytes; ask for less"
                        )
        if response.status != 200 and not raw.lstrip().startswith(b"{"):
            raise ChainUnreachable(f"the RPC endpoint {self.name} answered with HTTP {response.status}; check its URL")
        return bytes(raw)

    def _nonsense(self, method: str, wanted: str) -> ChainRefused:
        return ChainRefused(f"the RPC endpoint {self.name} answered {method} with a {wanted} that is none; use another")

    def _unreachable(self, error: Exception) -> ChainUnreachable:
        # Not the error's own words: aiohttp puts the URL into some.
        reason = f"no answer within {self._timeout_s:g} s" if isinstance(error, TimeoutError) else type(error).__name__
        return ChainUnreachable(
            f"the RPC endpoint {self.name} does not answer ({reason}); start it, or name another one"
        )


def endpoint_name(url: str) -> str:
    """Host and port of an RPC URL. Raises BadSetting, without the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise BadSetting("an RPC endpoint's URL must look like http://host:port or https://host/path; correct it")
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def as_code(value: object) -> int:
    return value if isinstance(value, int) else 0
