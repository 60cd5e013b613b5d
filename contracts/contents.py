"""Bytes that a task names by their hash: in the chain's events, or behind a URL that a stranger wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from eth_utils.crypto import keccak

from moray.contracts.tasks import Content
from moray.errors import ChainRefused, ContentUnavailable, DownloadFailed, UnsafeAddress
from moray.quoting import quoted

MAX_FETCHED_BYTES = 4 << 20  # of a specification, a result or a transcript that is not on the chain

Fetch = Callable[[str, int], bytes]  # URL, limit in bytes; raises DownloadFailed, UnsafeAddress. See moray.guarded_http


async def content_bytes(content: Content, fetch: Fetch) -> bytes:
    """The bytes that hash to ``content.hash``. Raises ContentUnavailable where nobody gives them, and
    ChainRefused where they are on the chain and its endpoint tells others."""
    if not content.uri:
        if keccak(content.data) != content.hash:  # the market has compared them
            raise ChainRefused("the RPC endpoint tells other bytes than the chain has; replace it")
        return content.data
    try:
        data = await asyncio.to_thread(fetch, content.uri, MAX_FETCHED_BYTES)
    except (DownloadFailed, UnsafeAddress) as error:
        raise ContentUnavailable(f"nothing was fetched from {quoted(content.uri)}: {error}") from None
    if keccak(data) != content.hash:
        raise ContentUnavailable(f"{quoted(content.uri)} gives other bytes than those that were submitted")
    return data
