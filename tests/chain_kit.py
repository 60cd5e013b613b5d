"""A chain of its own with Moray's contracts, for tests; and an endpoint in front of it that can be made to lie."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession, web

from moray.contracts.addresses import Addresses
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.deploy import deploy_all, receipt_of
from moray.contracts.log import Log
from moray.contracts.market import TaskMarket
from moray.contracts.tasks import NOBODY, Content, Task
from moray.errors import ChainError

DEPLOYER, CLIENT, PROVIDER, CHALLENGER, *MEMBERS = DEVELOPMENT_KEYS[:7]
SPEC = b'{"prompt":"hi"}'
FEE, BOND = 1_000_000, 3_000_000

Tamper = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]  # (request, honest reply) -> reply


@dataclass(frozen=True)
class Deployed:
    chain: Chain
    addresses: Addresses
    market: TaskMarket
    currency: Currency

    async def send(self, call: Call, sender: str) -> list[Log]:
        """By an account of anvil's, which signs for it. Raises Reverted."""
        rpc = self.chain.endpoints[0]
        fields = {"from": sender, "to": call.to, "data": f"0x{call.data.hex()}"}
        await rpc.request("eth_call", fields, "pending")  # anvil mines what is refused without a reason
        tx_hash = await rpc.request("eth_sendTransaction", fields)
        receipt = await receipt_of(rpc, tx_hash)
        if receipt["status"] != "0x1":
            raise ChainError(f"{call.summary} was mined and refused")
        logs = [Log.of(fields) for fields in receipt["logs"]]
        assert call.expects is None or any(call.expects.is_in(log.address, log.topics) for log in logs), call.summary
        return logs

    async def fund(self, account: str, amount: int = 10**12) -> None:
        """Currency, and leave for the market to take it."""
        await self.send(self.currency.mint(account, amount), account)
        await self.send(self.currency.approve(self.market.address, amount), account)

    async def task(self, **changes: Any) -> Task:
        now = (await self.chain.head()).timestamp
        return replace(plain_task(self.addresses.resolver, now), **changes)

    async def later(self, seconds: int) -> None:
        await self.chain.endpoints[0].request("evm_increaseTime", seconds)
        await self.mine(1)

    async def mine(self, num_blocks: int) -> None:
        await self.chain.endpoints[0].request("anvil_mine", hex(num_blocks))

    async def reorganise(self, depth: int) -> None:
        """Replace the newest ``depth`` blocks by empty ones."""
        await self.chain.endpoints[0].request("anvil_reorg", depth, [])


def plain_task(resolver: str, now: int) -> Task:
    return Task(
        client=CLIENT.address,
        provider=NOBODY,
        model_id=bytes(31) + b"\1",
        spec_hash=Content.of(SPEC).hash,
        spec_uri="",
        fee=FEE,
        bond=BOND,
        accept_by=now + 3600,
        submit_within=600,
        challenge_window=300,
        resolve_within=900,
        resolver=resolver,
        callback=NOBODY,
        callback_gas=0,
        salt=bytes(32),
    )


@asynccontextmanager
async def deployed(anvil: Anvil | None = None) -> AsyncIterator[Deployed]:
    """On ``anvil``, or on one that ends with this."""
    if anvil is None:
        async with Anvil() as own, deployed(own) as there:
            yield there
        return
    chain = await Chain.open([anvil.url])
    try:
        members = [key.address for key in MEMBERS]
        addresses = await deploy_all(chain, DEPLOYER, resolver_members=members, resolver_threshold=2)
        yield Deployed(chain, addresses, TaskMarket(chain, addresses.task_market), Currency(chain, addresses.currency))
    finally:
        await chain.close()


@asynccontextmanager
async def proxy(url: str, tamper: Tamper) -> AsyncIterator[str]:
    """The URL of an endpoint that asks ``url`` and gives what ``tamper`` makes of the answer."""
    async with ClientSession() as session:

        async def handle(request: web.Request) -> web.Response:
            asked = json.loads(await request.read())
            async with session.post(url, json=asked) as response:
                honest = await response.json()
            return web.json_response(tamper(asked, honest))

        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
