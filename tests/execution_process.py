"""An agent that carries out the intents of a file and is killed again and again.

Usage: execution_process.py FOLDER RPC_URL CURRENCY SPENDER COUNT CONFIRMATIONS

It prints a line for each entry of the journal, at once, and ends with 0 when every intent has ended.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from execution_kit import intent, leaving_plan, transfer_plan
from moray.agents.execution import Executor
from moray.agents.execution_record import Record
from moray.agents.journal import Journal
from moray.agents.plan import Plan, plan_key
from moray.contracts.chain import Chain
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from sender_kit import ROUND_S, SIGNER


class Told:
    """The journal, and a line on the standard output for each entry."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)

    def append(self, kind: str, fields: dict[str, Any]) -> None:
        self._journal.append(kind, fields)
        print(kind, flush=True)


def asset_of(number: int) -> str:
    return "ETH" if number % 7 == 3 else "MTEST"


async def planned(chain: Chain, currency: str, spender: str, number: int) -> Plan:
    """Each fifth approves somebody besides."""
    if leaves(number):
        return await leaving_plan(chain, currency, spender, number)
    return await transfer_plan(chain, currency, number, asset_of(number))


def leaves(number: int) -> bool:
    return number % 5 == 0 and asset_of(number) == "MTEST"


def key_of(number: int, chain_id: int) -> str:
    return plan_key(intent(number, asset_of(number)), SIGNER.address, chain_id, f"intent {number}")


async def main(folder: Path, url: str, currency: str, spender: str, count: int, confirmations: int) -> None:
    chain, outbox = await Chain.open([url]), Outbox(f"sqlite:///{folder / 'outbox'}")
    record = Record(f"sqlite:///{folder / 'plans'}")
    async with Sender(outbox, chain, SIGNER, confirmations=confirmations, round_s=ROUND_S) as sender:
        executor = Executor(chain, sender, record, Told(folder / "journal"))
        await executor.resume()
        for number in range(count):
            if await executor.result(key_of(number, chain.chain_id)) is None:
                await executor.execute(await planned(chain, currency, spender, number))
    await chain.close()


if __name__ == "__main__":
    folder, url, currency, spender, count, confirmations = sys.argv[1:]
    asyncio.run(main(Path(folder), url, currency, spender, int(count), int(confirmations)))
