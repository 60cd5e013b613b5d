"""Real Uniswap, a vault and a staking contract on a development chain, and an account with something of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from execution_kit import Lines
from moray.actions import Action
from moray.agents.execution import Executor, Result
from moray.agents.execution_record import Record
from moray.agents.names import AddressBook, parse_book
from moray.agents.plan import Plan
from moray.agents.planning.planner import plan
from moray.agents.planning.read_world import read_world
from moray.agents.planning.world import PlanSettings, World
from moray.contracts import erc20, uniswap_v2, uniswap_v3
from moray.contracts.anvil import Anvil
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE, STAKING_NAME, VAULT_NAME, deploy_defi
from moray.contracts.deploy import transact
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.ethereum import keccak
from sender_kit import DEPLOYER, ROUND_S, SIGNER

ETHER, USD = 10**18, 10**6
HELD_WETH, HELD_USD = 100 * ETHER, 1_000_000 * USD


@dataclass
class Market:
    chain: Chain
    addresses: DefiAddresses
    book: AddressBook

    async def world(self, action: Action, settings: PlanSettings | None = None) -> World:
        return await read_world(self.chain, self.book, SIGNER.address, action, settings)

    async def plan(self, action: Action, request_id: str = "1", settings: PlanSettings | None = None) -> Plan:
        return plan(action, await self.world(action, settings), request_id)

    async def balance(self, token: str, account: str = SIGNER.address) -> int:
        return await Currency(self.chain, token).balance(account)

    async def allowance(self, token: str, spender: str) -> int:
        return await Currency(self.chain, token).allowance(SIGNER.address, spender)

    async def send(self, call: Call, key: Any = DEPLOYER) -> None:
        await transact(self.chain, key, call.summary, call.to, call.data, call.value_wei)

    async def ask(self, method: str, *params: Any) -> Any:
        return await self.chain.endpoints[0].request(method, *params)


@asynccontextmanager
async def market() -> AsyncIterator[Market]:
    async with Anvil() as anvil:
        chain = await Chain.open([anvil.url])
        addresses = await deploy_defi(chain, DEPLOYER)
        there = Market(chain, addresses, await book_of(chain, addresses))
        await there.send(erc20.wrap(addresses.weth, SIGNER.address, HELD_WETH), SIGNER)
        await there.send(Currency(chain, addresses.usd).mint(SIGNER.address, HELD_USD), SIGNER)
        try:
            yield there
        finally:
            await chain.close()


async def book_of(chain: Chain, at: DefiAddresses) -> AddressBook:
    pool = await uniswap_v3.find_pool(chain, at.v3, at.weth, at.usd, FEE)
    pair = await uniswap_v2.find_pair(chain, at.v2, at.weth, at.usd)
    code_hash = keccak(await chain.endpoints[0].data("eth_getCode", at.v3_router, "latest")).hex()
    return parse_book(
        f"""
chain: development
chain_id: 31337
tokens:
  ETH: {{address: native, decimals: 18}}
  WETH: {{address: {at.weth}, decimals: 18}}
  USD: {{address: {at.usd}, decimals: 6, is_dollar: true}}
venues:
  uniswap:
    kind: uniswap_v3
    router: {{address: {at.v3_router}, code_hash: "0x{code_hash}"}}
    quoter: {{address: {at.v3_quoter}}}
    factory: {{address: {at.v3_factory}}}
    positions: {{address: {at.v3_position_manager}}}
    wrapped: WETH
  house vault: {{kind: vault, site: {{address: {at.vaults[VAULT_NAME]}}}, asset: USD}}
  house stake: {{kind: staking, site: {{address: {at.stakings[STAKING_NAME]}}}, asset: WETH}}
pools:
  - {{asset: WETH, other: USD, fee: {FEE}, pool: {{address: {pool.address}}}, pair: {{address: {pair.address}}},
     min_depth: "100000"}}
""".encode()
    )


async def carried_out(there: Market, folder: Path, wanted: Plan) -> Result:
    outbox, record = Outbox(f"sqlite:///{folder / 'outbox'}"), Record(f"sqlite:///{folder / 'plans'}")
    async with Sender(outbox, there.chain, SIGNER, round_s=ROUND_S) as sender:
        result = await Executor(there.chain, sender, record, Lines(folder / "journal")).execute(wanted)
    outbox.close()
    record.close()
    return result
