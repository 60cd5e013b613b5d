"""A development chain with its contracts, and processes that ask for calls of one signer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.deploy import deploy_all
from moray.contracts.intents import IntentState
from moray.contracts.log import as_int
from moray.contracts.outbox import Outbox
from moray.ethereum import to_checksum_address

DEPLOYER, SIGNER = DEVELOPMENT_KEYS[:2]  # two, so that the signer's tx_nonces begin at 0
ROUND_S = 0.02
GWEI = 10**9


@dataclass(frozen=True)
class World:
    anvil: Anvil
    chain: Chain
    currency: Currency

    async def ask(self, method: str, *params: Any) -> Any:
        return await self.chain.endpoints[0].request(method, *params)

    async def num_sent(self) -> int:
        """How many transactions of the signer's the chain has."""
        return as_int(await self.ask("eth_getTransactionCount", SIGNER.address, "latest"))

    async def mine(self, blocks: int = 1) -> None:
        await self.ask("anvil_mine", hex(blocks))

    async def stop_mining(self) -> None:
        await self.ask("evm_setAutomine", False)

    async def have_waiting(self, count: int) -> None:
        """Until so many transactions wait to be mined: an intent is called sent before its bytes are out."""
        async with asyncio.timeout(60.0):
            while as_int((await self.ask("txpool_status"))["pending"]) < count:  # noqa: ASYNC110 - of the chain
                await asyncio.sleep(0.02)

    async def minted(self, number: int) -> int:
        return await self.currency.balance(payee(number))

    def mint(self, number: int) -> Call:
        return self.currency.mint(payee(number), 1)


def payee(number: int) -> str:
    """An account for everything that is minted once."""
    return to_checksum_address(f"0x{0xABCD0000 + number:040x}")


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with Anvil() as anvil:
        chain = await Chain.open([anvil.url])
        try:
            addresses = await deploy_all(chain, DEPLOYER, resolver_members=[DEPLOYER.address], resolver_threshold=1)
            yield World(anvil, chain, Currency(chain, addresses.currency))
        finally:
            await chain.close()


async def until(outbox: Outbox, key: str, is_so: Callable[[IntentState], bool], timeout_s: float = 60.0) -> IntentState:
    """The intent, as soon as somebody put it and it is so."""
    async with asyncio.timeout(timeout_s):
        while True:
            state = outbox.state(key)
            if state is not None and is_so(state):
                return state
            await asyncio.sleep(ROUND_S)


async def mine_until_ended(here: World, outbox: Outbox, *keys: str, timeout_s: float = 60.0) -> None:
    """Blocks, one after another, until nothing of ``keys`` is on its way."""
    async with asyncio.timeout(timeout_s):
        while any((state := outbox.state(key)) is None or not state.has_ended for key in keys):
            await here.mine()
            await asyncio.sleep(2 * ROUND_S)


def start_asking(world: World, database_url: str, first: int, count: int) -> subprocess.Popen[bytes]:
    """A process that mints ``first`` .. and ends with 0 when all of it is final (tests/sender_process.py)."""
    script = Path(__file__).with_name("sender_process.py")
    numbers = [world.anvil.url, database_url, world.currency.address, str(first), str(count)]
    return subprocess.Popen([sys.executable, str(script), *numbers])
