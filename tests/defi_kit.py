"""A development chain with real Uniswap, a vault and a staking contract on it, and one account's way to use them: by
calls, and by plans of an agent's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from execution_kit import Lines
from moray.actions import Action
from moray.agents.development_book import development_book
from moray.agents.execution import Executor, Result
from moray.agents.execution_record import Record
from moray.agents.names import AddressBook, Exchange
from moray.agents.plan import Plan
from moray.agents.planning.planner import plan
from moray.agents.planning.read_world import read_world
from moray.agents.planning.world import PlanSettings, World
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE, STAKING_NAME, VAULT_NAME, deploy_defi
from moray.contracts.deploy import Deployer, transact
from moray.contracts.erc20 import allowance, approve, balance_of, wrap
from moray.contracts.log import Log
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.contracts.uniswap_v3 import Pool, find_pool
from moray.ethereum import keccak
from sender_kit import ROUND_S

DEPLOYER, OWNER, FRIEND = DEVELOPMENT_KEYS[:3]
ETHER, USD = 10**18, 10**6
HELD_WETH, HELD_USD = 100 * ETHER, 1_000_000 * USD  # OWNER's in a market


@dataclass(frozen=True)
class Defi:
    chain: Chain
    addresses: DefiAddresses
    pool: Pool
    book: AddressBook

    async def ask(self, method: str, *params: Any) -> Any:
        return await self.chain.endpoints[0].request(method, *params)

    async def world(self, action: Action, settings: PlanSettings | None = None) -> World:
        return await read_world(self.chain, self.book, OWNER.address, action, settings)

    async def plan(self, action: Action, request_id: str = "1", settings: PlanSettings | None = None) -> Plan:
        return plan(action, await self.world(action, settings), request_id)

    async def send(self, call: Call, key: Deployer = OWNER) -> list[Log]:
        """The event that proves the call is there. Raises Reverted."""
        receipt = await transact(self.chain, key, call.summary, call.to, call.data, call.value_wei)
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
        await self.ask("evm_increaseTime", seconds)
        await self.ask("evm_mine")


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


@asynccontextmanager
async def market() -> AsyncIterator[Defi]:
    """On a chain of its own: OWNER has something of everything, and a book that pins the router's code."""
    with Anvil() as anvil:
        async with defi(anvil) as there:
            await there.fund(HELD_WETH // ETHER, HELD_USD // USD)
            yield replace(there, book=await pinned(there))


async def pinned(there: Defi) -> AddressBook:
    """The development book with the code of the exchange's router, and sites with names of two words."""
    exchange = there.book.venues["Uniswap"]
    assert isinstance(exchange, Exchange)
    code = await there.chain.endpoints[0].data("eth_getCode", exchange.router.address, "latest")
    router = exchange.router.model_copy(update={"code_hash": f"0x{keccak(code).hex()}"})
    venues = {
        "uniswap": exchange.model_copy(update={"router": router}),
        "house vault": there.book.venues[VAULT_NAME],
        "house stake": there.book.venues[STAKING_NAME],
    }
    return there.book.model_copy(update={"venues": venues})


async def carried_out(there: Defi, folder: Path, wanted: Plan) -> Result:
    outbox, record = Outbox(f"sqlite:///{folder / 'outbox'}"), Record(f"sqlite:///{folder / 'plans'}")
    async with Sender(outbox, there.chain, OWNER, round_s=ROUND_S) as sender:
        result = await Executor(there.chain, sender, record, Lines(folder / "journal")).execute(wanted)
    outbox.close()
    record.close()
    return result
