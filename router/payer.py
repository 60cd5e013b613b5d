"""``moray pay`` as a loop: asks the router what it owes, fills channels, signs vouchers, and hands them to the router.

It runs outside Ray and has the key of the account whose money it is. Every node has a channel of its own, since each is
signed by a key of its own: that follows from the account's, so there is nothing more to keep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import ValidationError

from moray.contracts.channels import Channel, PaymentChannels, Voucher
from moray.contracts.currency import Currency
from moray.contracts.sender import Sender
from moray.errors import DownloadFailed, MorayError
from moray.ethereum import keccak
from moray.node_key import NodeKey, typed_data
from moray.router.pay_decisions import Deposit, PayLimits, Promise, Stop, is_due, next_payment
from moray.router.pay_store import Bill, read_ledger, write_ledger
from moray.router.payment_door import PATH, AllOwed, Handed, Owed, door_secret

POLL_S = 1.0
MAX_REPLY_BYTES = 8 << 20
PATIENCE_S = 5.0
NO_COMMITMENT = bytes(32)  # nodes make none yet

logger = logging.getLogger(__name__)

_VOUCHER_KEY = {"VoucherKey": {"contract": "address", "signer": "string", "node_id": "string"}}


def voucher_key(account: NodeKey, chain_id: int, contract: str, signer: str, node_id: str) -> NodeKey:
    """The key that signs the vouchers for one node: the hash of a signature (deterministic, RFC 6979) that nobody else
    asks this account for."""
    message = {"contract": contract, "signer": signer, "node_id": node_id}
    return NodeKey.from_bytes(
        keccak(account.sign_typed_data(typed_data(chain_id, "VoucherKey", _VOUCHER_KEY, message)))
    )


@dataclass(frozen=True, slots=True)
class Paid:
    """One step, for who watches."""

    step: str  # deposited, promised, stopped, waiting, closing, returned
    node: str  # empty: of all
    amount: int  # base units
    text: str = ""


class RouterDoor:
    """The router's ``/payments``. Raises DownloadFailed; that can be tried again. Belongs to one event loop."""

    def __init__(self, url: str, wire_token: bytes) -> None:
        self._url = url.rstrip("/") + PATH
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {door_secret(wire_token)}"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        )

    async def close(self) -> None:
        await self._session.close()

    async def owed(self) -> AllOwed:
        content = await self._ask("GET", None)
        try:
            return AllOwed.model_validate_json(content)
        except ValidationError:
            raise DownloadFailed(f"{self._url} answers with no accounts; is it of this version?") from None

    async def hand(self, voucher: Handed) -> None:
        await self._ask("POST", voucher.model_dump_json().encode())

    async def _ask(self, method: str, body: bytes | None) -> bytes:
        try:
            async with self._session.request(method, self._url, data=body, allow_redirects=False) as reply:
                content = await reply.content.read(MAX_REPLY_BYTES + 1)
                while len(content) <= MAX_REPLY_BYTES and (more := await reply.content.read(MAX_REPLY_BYTES)):
                    content += more
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise DownloadFailed(f"{self._url} does not answer ({type(problem).__name__}); is the router up?") from None
        if reply.status not in (200, 204) or len(content) > MAX_REPLY_BYTES:
            hint = "start the router with --row-price" if reply.status == 404 else "ask the router of this --state-dir"
            raise DownloadFailed(f"{self._url} answers with status {reply.status}; {hint}", reply.status)
        return content


class Payer:
    """One for a router: two with one account would promise past each other, so the caller holds PAY_LOCK."""

    def __init__(
        self,
        account: NodeKey,
        door: RouterDoor,
        channels: PaymentChannels,
        currency: Currency,
        sender: Sender,
        state_dir: Path,
        deposit: int,
        budget: int,
        tell: Callable[[Paid], None],
    ) -> None:
        """``deposit`` base units go into a channel at a time, ``budget`` in all, ever. Raises ClusterError."""
        self._account, self._door, self._channels, self._currency = account, door, channels, currency
        self._sender, self._state_dir, self._tell = sender, state_dir, tell
        self._deposit, self._budget = deposit, budget
        self._ledger = read_ledger(state_dir)
        self._keys = dict[tuple[str, str], NodeKey]()
        self._told = dict[str, str]()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.round()
                self._told.pop("", None)
            except MorayError as problem:
                self._tell_once("waiting", "", str(problem))
            await asyncio.sleep(POLL_S)

    async def round(self) -> None:
        """Everything that is due now. Raises MorayError."""
        owed = await self._door.owed()
        ledger = self._ledger.in_life(owed.life)
        bills = list[tuple[Owed, str]]()
        for node in owed.nodes:
            channel = self._channels.id_of(self._channel(node.signer, node.node_id, node.payee))
            bill = ledger.bills.get(channel.hex()) or Bill(
                signer=node.signer, node_id=node.node_id, payee=node.payee, channel=channel
            )
            ledger = ledger.having(bill.counted(node.rows))
            bills.append((node, channel.hex()))
        if ledger != self._ledger:
            write_ledger(self._state_dir, ledger)
            self._ledger = ledger
        for node, channel_hex in bills:
            await self._pay(node, self._ledger.bills[channel_hex], owed.row_price)

    async def close(self) -> None:
        """Close every channel, so that its payee has 24 h to claim; then, asked again, fetch what is left."""
        for bill in list(self._ledger.bills.values()):
            channel = self._channel(bill.signer, bill.node_id, bill.payee)
            if self._channels.id_of(channel) != bill.channel:
                self._tell(Paid("stopped", bill.node_id, 0, "its channel is another chain's or another account's"))
                continue
            state, head = await self._channels.state(bill.channel), await self._channels.chain.head()
            name = f"{bill.channel.hex()} of {state.deposited} at {state.closes_at}"
            if not state.closes_at and state.deposited > state.paid:
                await self._sender.send(f"close {name}", self._channels.close(channel))
                self._tell(Paid("closing", bill.node_id, state.deposited - state.paid))
            elif state.closes_at and head.timestamp >= state.closes_at:
                await self._sender.send(f"settle {name}", self._channels.settle(channel))
                self._tell(Paid("returned", bill.node_id, state.deposited - state.paid))
            elif state.closes_at:
                self._tell(Paid("waiting", bill.node_id, 0, f"its payee may claim until {state.closes_at} (Unix time)"))

    async def _pay(self, node: Owed, bill: Bill, row_price: int) -> None:
        if bill.depositing:  # when this process was ended
            bill = await self._fill(bill)
        debt = bill.debt(node.max_unpaid_rows, node.is_refusing)
        while is_due(debt, row_price):
            limits = PayLimits(row_price, self._deposit, self._budget - self._ledger.deposited)
            match next_payment(debt, await self._channels.state(bill.channel, agreed=True), limits):
                case Deposit(amount):
                    bill = self._keep(bill, depositing=amount)
                    bill = await self._fill(bill)
                    continue
                case Promise(cumulative, rows):
                    bill = self._sign(bill, cumulative, rows)
                    self._told.pop(bill.node_id, None)
                    self._tell(Paid("promised", bill.node_id, cumulative))
                case Stop(reason):
                    self._tell_once("stopped", bill.node_id, reason)
            break
        if node.cumulative < bill.promised:  # also after a new start of the router
            await self._door.hand(self._handed(bill))

    async def _fill(self, bill: Bill) -> Bill:
        """The deposit that the bill says is on its way: doing it again after a crash does nothing twice."""
        channel, amount = self._channel(bill.signer, bill.node_id, bill.payee), bill.depositing
        name = f"{bill.channel.hex()} #{bill.num_deposits}"
        await self._sender.send(f"approve for {name}", self._currency.approve(self._channels.address, amount))
        await self._sender.send(f"deposit into {name}", self._channels.deposit(channel, amount))
        self._tell(Paid("deposited", bill.node_id, amount))
        return self._keep(bill, amount, depositing=0, num_deposits=bill.num_deposits + 1)

    def _sign(self, bill: Bill, cumulative: int, rows: int) -> Bill:
        voucher = Voucher(bill.channel, cumulative, bill.epoch + 1, NO_COMMITMENT)
        signature = self._key(bill.signer, bill.node_id).sign_typed_data(self._channels.voucher_typed_data(voucher))
        return self._keep(bill, promised=cumulative, promised_rows=rows, epoch=voucher.epoch, signature=signature)

    def _keep(self, bill: Bill, more_deposited: int = 0, **changes: object) -> Bill:
        """On disk when this returns."""
        bill = bill.model_copy(update=changes)
        self._ledger = self._ledger.having(bill, more_deposited)
        write_ledger(self._state_dir, self._ledger)
        return bill

    def _handed(self, bill: Bill) -> Handed:
        return Handed(
            signer=bill.signer,
            node_id=bill.node_id,
            channel=bill.channel,
            cumulative=bill.promised,
            epoch=bill.epoch,
            commitment=NO_COMMITMENT,
            signature=bill.signature,
        )

    def _channel(self, signer: str, node_id: str, payee: str) -> Channel:
        return Channel(self._account.address, self._key(signer, node_id).address, payee)

    def _key(self, signer: str, node_id: str) -> NodeKey:
        node = signer, node_id
        if node not in self._keys:
            chain_id, contract = self._channels.chain.chain_id, self._channels.address
            self._keys[node] = voucher_key(self._account, chain_id, contract, signer, node_id)
        return self._keys[node]

    def _tell_once(self, step: str, node: str, text: str) -> None:
        if self._told.get(node) != text:
            self._told[node] = text
            self._tell(Paid(step, node, 0, text))
