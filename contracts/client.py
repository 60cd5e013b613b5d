"""The asker's side of the task market: pay for a task, follow it by its id, take its result or the money back.

Before it pays, the client looks: are the contracts there, do all endpoints tell the same, is the model registered, does
it trust the resolver, has the account the fee.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from moray.contracts.addresses import Addresses
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contents import Fetch, content_bytes
from moray.contracts.currency import Currency
from moray.contracts.deploy import check_deployed
from moray.contracts.market import TaskMarket
from moray.contracts.models import ModelRegistry
from moray.contracts.sender import Sender
from moray.contracts.signed_task import SignedTask
from moray.contracts.task_ends import require_refundable, require_result, show_time, what_runs
from moray.contracts.task_record import TaskRecord, read_record
from moray.contracts.task_terms import SALT_BYTES, TaskTerms, task_of
from moray.contracts.tasks import Content, Task
from moray.errors import AuthorizationExpired, BadSetting, BalanceTooLow, CallReverted, TaskNotReady, TermsRefused
from moray.node_key import NodeKey

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task that was checked and that nobody has paid for yet."""

    id: bytes
    task: Task
    spec: bytes  # empty where the task names a URL of it


class TaskClient:
    """One market as one chain file names it. Reading needs no ``sender``; whatever costs gas does.

    ``trusted_resolvers`` are the only judges that a task of this client may name.
    """

    def __init__(
        self,
        chain: Chain,
        addresses: Addresses,
        trusted_resolvers: frozenset[str],
        fetch: Fetch,
        sender: Sender | None = None,
    ) -> None:
        self.chain, self.addresses, self.sender = chain, addresses, sender
        self.market = TaskMarket(chain, addresses.task_market)
        self.currency = Currency(chain, addresses.currency)
        self.models = ModelRegistry(chain, addresses.model_registry)
        self._trusted = frozenset(address.lower() for address in trusted_resolvers)
        self._fetch = fetch
        self._paying = asyncio.Lock()  # an approval is of one task's fee and would be overwritten by the next one's

    # -- asking -------------------------------------------------------------------------------------------------------

    async def submit(self, spec: bytes, terms: TaskTerms, spec_uri: str = "") -> bytes:
        """The id of a task that is paid for. Errors as in ``plan`` and ``create``."""
        planned = await self.plan(spec, terms, self._own().address, spec_uri)
        await self.create(planned)
        return planned.id

    async def plan(self, spec: bytes, terms: TaskTerms, client: str, spec_uri: str = "") -> PlannedTask:
        """What ``client`` would pay for, after every check that can be made before.

        Raises TermsRefused, BalanceTooLow, EndpointsDisagree, and what a contract that is not there raises.
        """
        await self._check(terms, client)
        now_s = (await self.chain.head()).timestamp
        content = Content.of(spec, spec_uri)
        task = task_of(terms, client, content, now_s, secrets.token_bytes(SALT_BYTES))
        return PlannedTask(self.market.id_of(task), task, content.data)

    async def create(self, planned: PlannedTask) -> None:
        """Approve exactly the fee and create the task. Raises CallFailed's kinds."""
        async with self._paying:
            await self._send("approve fee of", planned.id, self.currency.approve(self.market.address, planned.task.fee))
            await self._send("create", planned.id, self.market.create(planned.task, planned.spec))

    async def authorize(self, planned: PlannedTask, key: NodeKey, valid_for_s: int) -> SignedTask:
        """The task signed by its client, for ``relay`` by anybody within ``valid_for_s`` of the newest block."""
        valid_before = (await self.chain.head()).timestamp + valid_for_s
        data = await self.currency.authorization_typed_data(
            planned.task.client, self.market.address, planned.task.fee, 0, valid_before, planned.id
        )
        return SignedTask(
            chain_id=self.chain.chain_id,
            task_market=self.market.address,
            task=planned.task,
            spec=planned.spec,
            valid_after=0,
            valid_before=valid_before,
            signature=key.sign_typed_data(data),
        )

    async def relay(self, signed: SignedTask) -> bytes:
        """Create somebody's task and pay the gas of it. The task's id.

        Raises TermsRefused for another chain or market, AuthorizationExpired, and CallFailed's kinds.
        """
        if (signed.chain_id, signed.task_market.lower()) != (self.chain.chain_id, self.market.address.lower()):
            raise TermsRefused(
                f"the task is signed for market {signed.task_market} on chain {signed.chain_id}, "
                f"not for {self.market.address} on {self.chain.chain_id}; give its own --chain"
            )
        if (await self.chain.head()).timestamp >= signed.valid_before:
            raise AuthorizationExpired(
                f"the authorisation ended at {show_time(signed.valid_before)}; ask its client to sign again"
            )
        call = self.market.create_with_authorization(
            signed.task, signed.spec, signed.valid_after, signed.valid_before, signed.signature
        )
        await self._send("create", signed.id, call)
        return signed.id

    # -- following ----------------------------------------------------------------------------------------------------

    async def record(self, task_id: bytes, agreed: bool = False) -> TaskRecord:
        """``agreed``: as of the newest settled block, by every endpoint. Raises TaskUnknown, EndpointsDisagree."""
        return await read_record(self.chain, self.market, task_id, self.addresses.deployed_at_block, agreed)

    async def wait(self, task_id: bytes) -> TaskRecord:
        """Until the task has ended, in whatever way, and deep enough for ``result``. Raises TaskUnknown."""
        await self.record(task_id)
        while not (await self.market.state(task_id, agreed=True)).status.is_final:  # noqa: ASYNC110 - of the chain
            await asyncio.sleep(POLL_S)
        return await self.record(task_id, agreed=True)

    async def result(self, task_id: bytes, is_early: bool = False) -> bytes:
        """What the task is for, compared with the hash that the market keeps. ``is_early``: also while it can still be
        challenged, when nobody stands in for it yet.

        Raises TaskNotReady, NoResult for a task that ended without one, ContentUnavailable.
        """
        record = await self.record(task_id, agreed=True)
        require_result(record.state, is_early)
        return await content_bytes(record.delivery.result, self._fetch)

    # -- taking money back --------------------------------------------------------------------------------------------

    async def cancel(self, task_id: bytes) -> int:
        """Before anyone accepted it. What was paid out to the client, in base units."""
        record = await self.record(task_id)
        if not record.status.is_final:
            await self._send("cancel", task_id, self.market.cancel(record.task))
        return await self._pay_out(record)

    async def refund(self, task_id: bytes) -> int:
        """After a clock ran out, or a verdict: close the task where that is still to do, and pay out all that its
        client is owed. Anyone may call it for anyone. What was paid out, in base units.

        Raises TaskNotReady while a clock runs, NothingToRefund where the provider delivered.
        """
        record = await self.record(task_id)
        require_refundable(record.state)
        if not record.status.is_final:
            await self._close(record)
        return await self._pay_out(record)

    async def _close(self, record: TaskRecord) -> None:
        try:
            await self._send("close", record.id, self.market.close(record.task))
        except CallReverted as error:
            # The chain judges its clocks: its next block's time is nobody else's to know.
            if error.name == "TooEarly":
                raise TaskNotReady(f"{what_runs(record.state)}; try again then") from None
            if not (await self.market.state(record.id)).status.is_final:  # somebody else may have been faster
                raise

    async def _pay_out(self, record: TaskRecord) -> int:
        client = record.task.client
        owed = await self.market.owed(client)
        if owed:
            at = (await self.chain.head()).number  # what is owed later is another withdrawal
            await self._send(f"withdraw at {at} after", record.id, self.market.withdraw(client))
        return owed

    # -- inside -------------------------------------------------------------------------------------------------------

    def _own(self) -> Sender:
        if self.sender is None:
            raise BadSetting("this costs gas and no account is given; name one with --keystore")
        return self.sender

    async def _send(self, verb: str, task_id: bytes, call: Call) -> None:
        """Once for each account, verb and task, whatever happens to this process."""
        sender = self._own()
        await sender.send(f"{verb} 0x{task_id.hex()} by {sender.address}", call)

    async def _check(self, terms: TaskTerms, client: str) -> None:
        await check_deployed(self.chain, self.addresses)
        if terms.resolver.lower() not in self._trusted:
            raise TermsRefused(f"{terms.resolver} is no resolver that you trust; name it with --resolver if it is")
        if terms.bond < terms.fee:
            raise TermsRefused("the bond is below the fee, so a provider could gain by not delivering; raise it")
        if not await self.models.is_registered(terms.model_id, agreed=True):
            raise TermsRefused(f"model {terms.model_id.hex()} is not registered on this chain; check its id")
        balance = await self.currency.balance(client)
        if balance < terms.fee:
            raise BalanceTooLow(
                f"{client} has {balance} base units of the currency and the fee is {terms.fee}; fund it or offer less"
            )
