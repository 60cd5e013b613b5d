"""Old events, found without a cursor: newest first, so that a search ends where it has what it wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from moray.contracts.chain import Chain
from moray.contracts.log import Log
from moray.errors import ChainRefused

MAX_REQUESTS = 2000  # of one search


async def newest_first(chain: Chain, where: Mapping[str, Any], first_block: int) -> AsyncIterator[list[Log]]:
    """Pieces of what eth_getLogs gives from ``first_block`` to the head, the newest piece first, each in the chain's
    order. A range that the endpoint refuses is halved. Raises ChainRefused for one block that it refuses."""
    ranges = [(first_block, (await chain.head()).number)]
    for _ in range(MAX_REQUESTS):
        first, last = ranges.pop()
        try:
            found = await chain.logs({**where, "fromBlock": hex(first), "toBlock": hex(last)})
        except ChainRefused:
            if first >= last:
                raise
            middle = (first + last) // 2
            ranges += [(first, middle), (middle + 1, last)]
        else:
            yield found
        if not ranges:
            return
    raise ChainRefused(f"{MAX_REQUESTS} requests did not find it: the endpoint answers for few blocks at a time")
