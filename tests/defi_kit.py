"""A development chain with real Uniswap on it, for tests, and one account's way to use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from moray.agents.development_book import development_book
from moray.agents.names import AddressBook
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE, deploy_defi
from moray.contracts.deploy import transact
from moray.contracts.erc20 import allowance, approve, balance_of, wrap
from moray.contracts.log import Log
from moray.contracts.uniswap_v3 import Pool, find_pool

DEPLOYER, OWNER, FRIEND = DEVELOPMENT_KEYS[:3]
ETHER, USD = 10**18, 10**6


@dataclass(frozen=True)
class Defi:
    chain: Chain
    addresses: DefiAddresses
    pool: Pool
    book: AddressBook

    async def send(self, call: Call) -> list[Log]:
        """By OWNER; the event that proves the call is there. Raises Reverted."""
        receipt = await transact(self.chain, OWNER, call.summary, call.to, call.data, call.value_wei)
        logs = [Log.of(fields) for fields in receipt["logs"]]
        assert call.expects is not None and any(call.expects.is_in(log.address, log.topics) for log in logs)
        return logs

    async def balance(self, token: str, account: str = OWNER.address) -> int:
        return int(await balance_of(token, account).ask(self.chain))

    async def allowance(self, token: str, spender: str) -> int:
        return int(await allowance(token, OWNER.address, spender).ask(self.chain))

    async def fund(self, num_ether: int, num_usd: int) -> None:
        """OWNER, with WETH and the currency."""
        await self.send(wrap(self.addresses.weth, OWNER.address, num_ether * ETHER))
        await self.send(Currency(self.chain, self.addresses.usd).mint(OWNER.address, num_usd * USD))

    async def approve(self, token: str, spender: str, amount: int) -> None:
        await self.send(approve(token, OWNER.address, spender, amount))

    async def deadline(self) -> int:
        return (await self.chain.head()).timestamp + 60

    async def later(self, seconds: int) -> None:
        await self.chain.endpoints[0].request("evm_increaseTime", seconds)
        await self.chain.endpoints[0].request("evm_mine")


@asynccontextmanager
async def defi(anvil: Anvil) -> AsyncIterator[Defi]:
    """Deployed anew at each call."""
    chain = await Chain.open([anvil.url])
    try:
        # A deployment takes an eighth of what the account begins with.
        await chain.endpoints[0].request("anvil_setBalance", DEPLOYER.address, hex(10_000 * ETHER))
        addresses = await deploy_defi(chain, DEPLOYER)
        pool = await find_pool(chain, addresses.v3, addresses.weth, addresses.usd, FEE)
        yield Defi(chain, addresses, pool, await development_book(chain, addresses))
    finally:
        await chain.close()
