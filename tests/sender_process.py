"""One of several processes that send from the same account: mints COUNT times from FIRST and waits until all is final.

Usage: sender_process.py RPC_URL DATABASE_URL CURRENCY FIRST COUNT
"""

from __future__ import annotations

import asyncio
import sys

from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from sender_kit import ROUND_S, SIGNER, payee


async def main(url: str, database_url: str, currency_address: str, first: int, count: int) -> None:
    chain, outbox = await Chain.open([url]), Outbox(database_url)
    currency = Currency(chain, currency_address)
    async with Sender(outbox, chain, SIGNER, round_s=ROUND_S) as sender, asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(sender.send(f"mint {number}", currency.mint(payee(number), 1)))
    await chain.close()


if __name__ == "__main__":
    url, database_url, currency, first, count = sys.argv[1:]
    asyncio.run(main(url, database_url, currency, int(first), int(count)))
