"""What a task worker does and reads: one coroutine for each step of ``task_decisions``, safe to repeat from its start.

A call goes through the outbox under a key that names the step, its task and the attempt. An attempt is over when the
chain has answered; until then whoever tries again gets the same call, not a second one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from moray.architecture import Architecture
from moray.contracts.calls import Call
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.contents import Fetch, content_bytes
from moray.contracts.currency import Currency
from moray.contracts.cursor import EventCursor
from moray.contracts.intents import Mined
from moray.contracts.market import TaskEvent, TaskMarket
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.contracts.tasks import MAX_INLINE_BYTES, Content, Status
from moray.errors import BadInput, CallFailed, ChainRefused, DownloadFailed, OutboxConflict
from moray.router.contents import ContentStore
from moray.router.task_costs import Size
from moray.router.task_decisions import (
    Accept,
    Act,
    Approve,
    CallBack,
    Close,
    Exam,
    Examine,
    GatewayFacts,
    Generate,
    Payment,
    Submit,
)
from moray.router.task_following import catch_up
from moray.router.task_gateway import TaskGateway
from moray.router.task_log import KnownTask
from moray.router.task_request import plan_task
from moray.router.task_store import Delivery, TaskStore
from moray.router.tokenizer import ModelTokenizer
from moray.task_spec import TaskSpec, parse_spec
from moray.transcript import encode_transcript
from moray.types import ModelId

CALL_BACK = "call back"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker works with. ``fetch`` reads specifications from hosts that clients name; others find what is in
    ``contents`` under ``content_url``."""

    chain: Chain
    market: TaskMarket
    currency: Currency
    outbox: Outbox
    sender: Sender
    cursor: EventCursor
    store: TaskStore
    contents: ContentStore
    gateway: TaskGateway
    tokenizer: ModelTokenizer  # of the gateway's model
    architecture: Architecture
    fetch: Fetch
    content_url: str


@dataclass(frozen=True, slots=True)
class Money:
    """Of the account, and what gas costs, now."""

    head: ChainBlock
    gas_price_wei: int
    balance_wei: int
    balance: int
    allowance: int
    owed: int


@dataclass(slots=True)
class Memory:
    """What the store knows, for decisions."""

    exams: dict[bytes, Exam] = field(default_factory=dict)
    delivered: dict[bytes, int] = field(default_factory=dict)
    called_back: set[bytes] = field(default_factory=set)


class TaskActs:
    def __init__(self, account: str, parts: Parts) -> None:
        self.account, self._parts = account, parts
        store = parts.store
        called_back = {bytes.fromhex(subject) for subject in store.attempted(CALL_BACK)}
        self.memory = Memory(store.exams(), store.result_sizes(), called_back)

    # -- what is read -------------------------------------------------------------------------------------------------

    def all_events(self) -> list[TaskEvent]:
        return self._parts.market.events(self._parts.cursor.logs())

    async def catch_up(self, known: dict[bytes, KnownTask]) -> None:
        """Bring ``known`` up to the chain's head; after a reorganisation it is all that there ever was."""
        await catch_up(known, self._parts.market, self._parts.cursor)

    async def money(self) -> Money:
        chain, market, currency = self._parts.chain, self._parts.market, self._parts.currency
        return Money(
            *await asyncio.gather(
                chain.head(),
                chain.gas_price_wei(),
                chain.balance_wei(self.account),
                currency.balance(self.account),
                currency.allowance(self.account, market.address),
                market.owed(self.account),
            )
        )

    async def gateway_facts(self) -> GatewayFacts | None:
        """None while it does not answer or is not ready: there is always a next look."""
        try:
            return await self._parts.gateway.facts()
        except DownloadFailed:
            return None

    # -- what is done -------------------------------------------------------------------------------------------------

    async def act(self, known: KnownTask, step: Act, gateway: GatewayFacts | None) -> str:
        """One line of what came of it. Raises MorayError for what can be tried again."""
        match step:
            case Examine():
                return await self._examine(known)
            case Accept():
                return await self._accept(known)
            case Generate():
                return await self._generate(known, gateway)
            case Submit():
                return await self._submit(known)
            case Close():
                return _line(await self._send("close", known.id.hex(), self._parts.market.close(known.task)))
            case CallBack():
                return await self._call_back(known)

    async def pay(self, payment: Payment) -> str:
        market = self._parts.market
        if isinstance(payment, Approve):
            call = self._parts.currency.approve(market.address, payment.amount)
            # The amount is in the key: after a restart it may be another, which is another call.
            return _line(await self._send(f"approve {payment.amount}", self.account, call))
        return _line(await self._send("withdraw", self.account, market.withdraw(self.account)))

    async def _examine(self, known: KnownTask) -> str:
        task, parts = known.task, self._parts
        content = await content_bytes(Content(task.spec_hash, known.spec, task.spec_uri), parts.fetch)
        try:
            spec = parse_spec(content)
            planned = await plan_task(spec, parts.tokenizer, parts.architecture)
            exam = Exam(Size(len(planned.request.prompt), spec.max_tokens))
        except BadInput as error:
            exam = Exam(Size(0, 0), str(error))
        parts.store.keep_exam(known.id, b"" if exam.refusal else content, exam)  # nobody reads what was refused
        self.memory.exams[known.id] = exam
        return exam.refusal or f"{exam.size.num_prompt_tokens} tokens, up to {exam.size.max_tokens} more"

    async def _accept(self, known: KnownTask) -> str:
        market = self._parts.market
        state = await market.state(known.id, agreed=True)  # a bond is at stake: one endpoint's word is not enough
        if state.status != Status.FUNDED:
            raise ChainRefused(
                f"the endpoints say that the task is {state.status.name.lower()}, its events that it waits"
            )
        return _line(await self._send("accept", known.id.hex(), market.accept(known.task)))

    async def _generate(self, known: KnownTask, gateway: GatewayFacts | None) -> str:
        facts, store = _present(gateway), self._parts.store
        spec: TaskSpec = parse_spec(store.spec(known.id))
        model_id = ModelId(known.task.model_id.hex())
        done = await self._parts.gateway.complete(spec, facts.model_name, model_id, known.task.spec_hash)
        if await self._parts.gateway.facts() != facts:
            raise DownloadFailed("the gateway has got another model meanwhile; its answer is not used")
        store.keep_delivery(known.id, Delivery(done.result, encode_transcript(done.transcript)))
        self.memory.delivered[known.id] = len(store.delivery(known.id).result)
        return f"{len(done.transcript.output_token_ids)} tokens"

    async def _submit(self, known: KnownTask) -> str:
        delivery = self._parts.store.delivery(known.id)
        call = self._parts.market.submit(known.task, self._content(delivery.result), self._content(delivery.transcript))
        return _line(await self._send("submit", known.id.hex(), call))

    def _content(self, data: bytes) -> Content:
        """In the call, or kept where others can fetch it before the chain says that it is there."""
        if 0 < len(data) <= MAX_INLINE_BYTES:
            return Content.of(data)
        return Content.of(data, f"{self._parts.content_url}/content/{self._parts.contents.put(data)}")

    async def _call_back(self, known: KnownTask) -> str:
        delivery = self._parts.store.delivery(known.id)
        call = self._parts.market.call_back(known.task, delivery.result, self._content(delivery.transcript).hash)
        try:
            return _line(await self._send(CALL_BACK, known.id.hex(), call))
        finally:
            if known.id.hex() in self._parts.store.attempted(CALL_BACK):
                self.memory.called_back.add(known.id)

    async def _send(self, verb: str, subject: str, call: Call) -> Mined:
        """``call``, once for each attempt. Raises CallFailed when the chain refuses it."""
        store = self._parts.store
        number = store.attempt(verb, subject)
        key = f"{verb} {subject} {number}"
        try:
            mined = await self._wait(key, call)
        except CallFailed as error:
            if not error.is_retryable:
                store.end_attempt(verb, subject, number)
            raise
        store.end_attempt(verb, subject, number)
        return mined

    async def _wait(self, key: str, call: Call) -> Mined:
        try:
            return await self._parts.sender.send(key, call)
        except OutboxConflict:  # promised before a restart, with other settings: that promise stands
            return await self._parts.outbox.wait(key)


def _present(gateway: GatewayFacts | None) -> GatewayFacts:
    if gateway is None:
        raise DownloadFailed("the gateway does not answer")
    return gateway


def _line(mined: Mined) -> str:
    return f"0x{mined.tx_hash.hex()} in chain block {mined.block_number}"
