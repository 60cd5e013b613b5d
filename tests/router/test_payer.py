"""`moray pay`'s loop with a real chain and a real door of a router: what it deposits, signs and hands over, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from chain_kit import CLIENT, PROVIDER, Deployed, deployed
from dataplane_kit import eventually
from moray.contracts.anvil import Anvil
from moray.contracts.channels import Channel, ChannelState, PaymentChannels
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.errors import DownloadFailed
from moray.nodes.credit import NodeCredit, PayRules
from moray.nodes.voucher_book import VoucherBook
from moray.pay_terms import PayTerms
from moray.router.blame import Failures
from moray.router.http_errors import add_error_handlers
from moray.router.payer import Paid, Payer, RouterDoor, voucher_key
from moray.router.payment_door import PATH, payment_routes
from moray.router.payments import NodeAccount, PaidNode, PaymentBook
from moray.router.sockets import bind

TOKEN = b"t" * 32
NODE, TWIN = PaidNode("0xsigner", "node-a"), PaidNode("0xsigner", "node-b")
TERMS = PayTerms(PROVIDER.address, 100)
PRICE, DEPOSIT, BUDGET = 1000, 60, 150


@asynccontextmanager
async def door_of(book: PaymentBook) -> AsyncIterator[str]:
    """The URL of a server that has it."""
    app = FastAPI()
    add_error_handlers(app, 1, Failures())
    app.include_router(payment_routes(book, TOKEN, lambda act: act()))
    listening = bind("127.0.0.1", 0, "--port")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join)


@dataclass
class Desk:
    """A payer that can be killed and started again."""

    there: Deployed
    channels: PaymentChannels
    book: PaymentBook
    folder: Path
    url: str
    steps: list[Paid]

    @asynccontextmanager
    async def payer(self) -> AsyncIterator[Payer]:
        outbox, door = Outbox(f"sqlite:///{self.folder / 'outbox.db'}"), RouterDoor(self.url, TOKEN)
        try:
            async with Sender(outbox, self.there.chain, CLIENT, round_s=0.02) as sender:
                there = self.there
                yield Payer(
                    CLIENT, door, self.channels, there.currency, sender, self.folder, DEPOSIT, BUDGET, self.steps.append
                )
        finally:
            await door.close()
            outbox.close()

    def channel(self, node: PaidNode) -> Channel:
        key = voucher_key(CLIENT, self.channels.chain.chain_id, self.channels.address, *node)
        return Channel(CLIENT.address, key.address, PROVIDER.address)

    async def state(self, node: PaidNode) -> ChannelState:
        return await self.channels.state(self.channels.id_of(self.channel(node)))

    def promised(self, node: PaidNode) -> int:
        return self.book.accounts[node].cumulative

    def said(self) -> list[tuple[str, int]]:
        said = [(step.step, step.amount) for step in self.steps]
        self.steps.clear()
        return said


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    async with Anvil() as anvil, deployed(anvil) as there:
        await there.send(there.currency.mint(CLIENT.address, 10**6), CLIENT.address)
        book = PaymentBook(PRICE)
        book.accounts[NODE] = NodeAccount(TERMS)
        async with door_of(book) as url:
            channels = PaymentChannels(there.chain, there.addresses.payment_channels)
            yield Desk(there, channels, book, folder, url, [])


def test_a_node_is_paid_once_for_each_row_over_lives_of_router_and_payer(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            async with at.payer() as payer:
                at.book.accounts[NODE].rows = 49
                await payer.round()
                assert at.said() == []
                at.book.accounts[NODE].rows = 50
                await payer.round()
                await payer.round()
                assert at.said() == [("deposited", DEPOSIT), ("promised", 50)] and at.promised(NODE) == 50
            at.book.life, at.book.accounts[NODE] = "another", NodeAccount(TERMS, rows=7)  # the router is started again
            async with at.payer() as payer:
                await payer.round()
                assert at.said() == [] and at.promised(NODE) == 50  # shown again, to a router that forgot it
                at.book.accounts[NODE].is_refusing = True
                await payer.round()
                assert at.said() == [("promised", 57)] and at.promised(NODE) == 57
                at.book.accounts[TWIN] = NodeAccount(TERMS, rows=60)  # with the same payee
                await payer.round()
                assert at.said() == [("deposited", DEPOSIT), ("promised", 60)] and at.promised(NODE) == 57
                assert (await at.state(NODE)).deposited == (await at.state(TWIN)).deposited == DEPOSIT
                at.book.accounts[NODE].rows = 10**6
                await payer.round()
                assert at.said() == [("deposited", BUDGET - 2 * DEPOSIT), ("promised", BUDGET - DEPOSIT)]
                await payer.round()
                await payer.round()
                assert [step for step, _ in at.said()] == ["stopped"] and at.promised(NODE) == BUDGET - DEPOSIT
                assert (await at.state(NODE)).deposited == BUDGET - DEPOSIT

    asyncio.run(main())


def test_a_payer_that_was_killed_over_a_deposit_makes_it_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at:
            at.book.accounts[NODE].rows = 50
            async with at.payer() as payer:
                await at.there.chain.endpoints[0].request("evm_setAutomine", False)
                paying = asyncio.create_task(payer.round())
                await eventually(lambda: payer._ledger.bills and next(iter(payer._ledger.bills.values())).depositing)
                paying.cancel()
                await asyncio.wait([paying])
            await at.there.chain.endpoints[0].request("evm_setAutomine", True)
            async with at.payer() as payer:
                await payer.round()
            assert at.said() == [("deposited", DEPOSIT), ("promised", 50)]
            assert (await at.state(NODE)).deposited == DEPOSIT

    asyncio.run(main())


def test_what_it_signs_counts_at_the_node_and_what_is_left_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as at, at.payer() as payer:
            at.book.accounts[NODE].rows = 50
            await payer.round()
            voucher = at.book.accounts[NODE].voucher
            assert voucher is not None
            rules = PayRules(TERMS, (CLIENT.address,), PRICE, at.channels.chain.chain_id, at.channels.address)
            credit = NodeCredit(rules, VoucherBook(tmp_path))
            credit.offer("router", voucher)
            credit.settle({voucher.channel: await at.channels.state(voucher.channel, agreed=True)})
            assert credit.draw("router", 150, 0) == 150 and credit.draw("router", 1, 0) == 0
            await payer.close()
            await payer.close()
            assert [step.step for step in at.steps][-2:] == ["closing", "waiting"]
            at.book.accounts[NODE].rows = 120
            await payer.round()
            assert at.steps[-1].step == "stopped" and at.promised(NODE) == 50
            (held,) = VoucherBook(tmp_path).held()
            claim = at.channels.claim(held.as_channel(), held.as_voucher(), held.signature)
            await at.there.send(claim, PROVIDER.address)
            assert await at.there.currency.balance(PROVIDER.address) == 50
            await at.there.later(24 * 3600)
            await payer.close()
            assert at.steps[-1].step == "returned" and at.steps[-1].amount == DEPOSIT - 50
            assert await at.there.currency.balance(CLIENT.address) == 10**6 - 50

    asyncio.run(main())


def test_the_door_is_for_the_operator_and_takes_nothing_but_vouchers(tmp_path: Path) -> None:
    async def main() -> None:
        book = PaymentBook(PRICE)
        book.accounts[NODE] = NodeAccount(TERMS)
        async with door_of(book) as url:
            stranger = RouterDoor(url, b"x" * 32)
            try:
                with pytest.raises(DownloadFailed, match="403"):
                    await stranger.owed()
            finally:
                await stranger.close()
            own = RouterDoor(url, TOKEN)
            try:
                assert [node.node_id for node in (await own.owed()).nodes] == ["node-a"]
            finally:
                await own.close()
            async with httpx2.AsyncClient() as client:
                secret = own._session.headers["Authorization"]
                for body, status in ((b"{}", 400), (b"x" * 5000, 413), (b'{"signer": "0xsigner"}', 400)):
                    reply = await client.post(url + PATH, content=body, headers={"Authorization": secret})
                    assert reply.status_code == status
                assert (await client.post(url + PATH, content=b"{}")).status_code == 403
                odd = await client.get(url + PATH, headers={b"Authorization": b"Bearer \xe9"})
                assert odd.status_code == 403
        assert book.accounts[NODE].voucher is None

    asyncio.run(main())
