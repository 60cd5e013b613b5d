"""A market as it is at one block: a Uniswap v3 pool, its mean price, and the v2 pair beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from moray.agents.prices import Market
from moray.contracts import uniswap_v2, uniswap_v3
from moray.contracts.outside import Read
from moray.errors import PriceDoubtful, Reverted


async def read_market(
    ask: Callable[[Read], Awaitable[Any]],
    pool_address: str,
    pair_address: str,
    asset: str,
    other: str,
    min_depth: int,
    window_s: int,
) -> Market:
    """Of ``asset`` and ``other``, currencies' addresses; ``min_depth``: base units of ``other``. ``ask`` answers at one
    block, and should do so by every endpoint.

    Raises PriceDoubtful where pool or pair are of other currencies or the pool remembers less than the window, and what
    ``ask`` raises. It does not judge the price: see ``check_market``.
    """
    token0, token1 = uniswap_v3.sort_tokens(asset, other)
    for address in (pool_address, pair_address):
        found = [await ask(Read(address, f"token{place}() returns (address)")) for place in (0, 1)]
        if found != [token0, token1]:
            raise PriceDoubtful(f"{address} is of {found[0]} and {found[1]}; correct its address")
    fee = await ask(Read(pool_address, "fee() returns (uint24)"))
    spacing = await ask(Read(pool_address, "tickSpacing() returns (int24)"))
    pool = uniswap_v3.Pool(pool_address, token0, token1, fee, spacing)
    pair = uniswap_v2.Pair(pair_address, token0, token1)
    try:
        mean = uniswap_v3.time_weighted(await ask(uniswap_v3.oracle_read(pool, window_s)), window_s)
    except Reverted:
        raise PriceDoubtful(f"the pool {pool_address} remembers no {window_s} s; wait, or use another") from None
    return Market(
        state=uniswap_v3.pool_state(pool, [await ask(each) for each in uniswap_v3.pool_reads(pool)]),
        mean=mean,
        pair=uniswap_v2.pair_state(pair, [await ask(each) for each in uniswap_v2.pair_reads(pair)]),
        deep_in=other,
        min_depth=min_depth,
    )
