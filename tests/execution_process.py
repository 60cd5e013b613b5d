"""An agent that carries out the intents of a file and is killed again and again.

Usage: execution_process.py FOLDER RPC_URL CURRENCY SPENDER COUNT CONFIRMATIONS

It prints a line for each entry of the journal, at once, and ends with 0 when every intent has ended.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from execution_kit import Lines, leaving_plan, transfer_plan
from moray.agents.execution import Executor
from moray.agents.execution_record import Record
from moray.agents.plan import Plan
from moray.contracts.chain import Chain
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from sender_kit import ROUND_S, SIGNER


class Told(Lines):
    def append(self, kind: str, fields: dict[str, Any]) -> None:
        super().append(kind, fields)
        print(kind, flush=True)


async def planned(chain: Chain, currency: str, spender: str, number: int) -> Plan:
    """Each fifth leaves an allowance, each seventh is of the chain's own currency."""
    if number % 5 == 0:
        return await leaving_plan(chain, currency, spender, number)
    return await transfer_plan(chain, currency, number, "ETH" if number % 7 == 0 else "MTEST")


async def main(folder: Path, url: str, currency: str, spender: str, count: int, confirmations: int) -> None:
    chain, outbox = await Chain.open([url]), Outbox(f"sqlite:///{folder / 'outbox'}")
    record = Record(f"sqlite:///{folder / 'plans'}")
    async with Sender(outbox, chain, SIGNER, confirmations=confirmations, round_s=ROUND_S) as sender:
        executor = Executor(chain, sender, record, Told(folder / "journal"))
        await executor.resume()
        for number in range(count):
            plan = await planned(chain, currency, spender, number)
            if await executor.result(plan.key) is None:
                await executor.execute(plan)
    await chain.close()


if __name__ == "__main__":
    folder, url, currency, spender, count, confirmations = sys.argv[1:]
    asyncio.run(main(Path(folder), url, currency, spender, int(count), int(confirmations)))
