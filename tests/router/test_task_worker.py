"""The task worker against a real chain and a gateway that behaves as a test says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chain_kit import CLIENT, PROVIDER, Deployed, deployed
from gateway_kit import write_tokenizer
from http_kit import Answer, Reply, serving
from moray.architecture import parse_architecture
from moray.contracts.calls import Call
from moray.contracts.cursor import EventCursor
from moray.contracts.log import as_int
from moray.contracts.market import TaskSubmitted
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.contracts.tasks import Content, Status, Task
from moray.experts.random_checkpoint import TINY_CONFIG
from moray.guarded_http import Fetcher
from moray.router.contents import ContentStore
from moray.router.task_acts import Parts, TaskActs
from moray.router.task_costs import (
    GAS_ACCEPT,
    GAS_APPROVE,
    GAS_CALL_BACK,
    GAS_CLOSE,
    GAS_PER_BYTE,
    GAS_SUBMIT,
    GAS_WITHDRAW,
)
from moray.router.task_gateway import TaskGateway
from moray.router.task_store import TaskStore
from moray.router.task_worker import TaskWorker, Told, backoff_s
from moray.router.tokenizer import ModelTokenizer
from moray.task_spec import TaskSpec, encode_spec
from moray.transcript import parse_transcript
from worker_kit import LIMITS, MODEL_ID, UNIT

WAIT_S = 40.0
FEE, BOND = 50 * UNIT, 60 * UNIT
SPEC = encode_spec(TaskSpec(prompt="the quick brown fox", max_tokens=8))


@dataclass
class Network:
    """What the gateway says. ``completion`` is the reply to every prompt."""

    text: str = "jumps"
    model_id: str = MODEL_ID.hex()
    is_up: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    num_asked: int = 0

    def answer(self, reply: Reply) -> None:
        path = reply.request_seen.path
        if not self.is_up:
            reply.error(503, "expert_unavailable", "no experts")
        elif path == "/network":
            reply.whole(json.dumps({"model": {"name": "x", "id": self.model_id}, "missing_experts": []}).encode())
        elif path == "/v1/models":
            reply.whole(json.dumps({"data": [{"id": "x", "max_model_len": 512}]}).encode())
        else:
            self.num_asked += 1
            choice = {"text": self.text, "token_ids": [5, 6], "finish_reason": "stop"}
            reply.whole(json.dumps({"prompt_token_ids": [1, 2, 3], "choices": [choice]} | self.changes).encode())


@dataclass
class World:
    there: Deployed
    network: Network
    folder: Path
    gateway_url: str
    told: list[Told] = field(default_factory=list)

    async def create(self, **changes: Any) -> tuple[bytes, Task]:
        terms: dict[str, Any] = {"fee": FEE, "bond": BOND, "model_id": MODEL_ID, "challenge_window": 60}
        terms |= {"spec_hash": Content.of(SPEC).hash} | changes
        task = await self.there.task(**terms)
        spec = b"" if task.spec_uri else SPEC
        await self.there.send(self.there.market.create(task, spec), CLIENT.address)
        return self.there.market.id_of(task), task

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        url, there = f"sqlite:///{self.folder / 'worker.db'}", self.there
        market = there.market
        with (
            closing(Outbox(url)) as outbox,
            closing(TaskStore(url)) as store,
            closing(EventCursor(there.chain, url, "test", [market.address], market.event_topics())) as cursor,
        ):
            gateway = TaskGateway(self.gateway_url, 5.0)
            async with Sender(outbox, there.chain, PROVIDER, round_s=0.05) as sender:
                parts = Parts(
                    chain=there.chain,
                    market=market,
                    currency=there.currency,
                    outbox=outbox,
                    sender=sender,
                    cursor=cursor,
                    store=store,
                    contents=ContentStore(self.folder / "content"),
                    gateway=gateway,
                    tokenizer=ModelTokenizer.load(self.folder),
                    architecture=parse_architecture(TINY_CONFIG | {"vocab_size": 340}, "here"),
                    fetch=Fetcher(allow_private=True, patience_s=5.0).get,
                    content_url="https://example.org",
                )
                limits = replace(LIMITS, resolvers=frozenset({there.addresses.resolver}), confirmations=0)
                worker = TaskWorker(TaskActs(PROVIDER.address, parts), limits, 0.05, self.told.append)
                running = asyncio.create_task(worker.run())
                try:
                    yield
                    assert not running.done(), "the worker ended by itself"
                finally:
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running
                    await gateway.close()

    async def until(self, is_so: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < deadline_s, self.told
            await asyncio.sleep(0.02)

    async def status(self, task_id: bytes) -> Status:
        return (await self.there.market.state(task_id)).status

    async def until_status(self, task_id: bytes, status: Status) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while await self.status(task_id) != status:
            assert time.monotonic() < deadline_s, self.told
            await asyncio.sleep(0.05)

    def has_told(self, text: str, step: str = "") -> bool:
        return any(text in told.text and step in ("", told.step) for told in self.told)

    async def submissions(self) -> list[TaskSubmitted]:
        where = {"address": self.there.market.address, "fromBlock": "0x0", "toBlock": "latest"}
        events = self.there.market.events(await self.there.chain.logs(where))
        return [event for event in events if isinstance(event, TaskSubmitted)]

    async def gas_used(self) -> dict[str, int]:
        """Of the provider's transactions, by the function's name; the largest of each."""
        rpc, gas = self.there.chain.endpoints[0], dict[str, int]()
        for number in range((await self.there.chain.head()).number + 1):
            block = await rpc.request("eth_getBlockByNumber", hex(number), True)
            for tx in block["transactions"]:
                if tx["from"].lower() == PROVIDER.address.lower():
                    receipt = await rpc.request("eth_getTransactionReceipt", tx["hash"])
                    selector = tx["input"][:10]
                    gas[selector] = max(gas.get(selector, 0), as_int(receipt["gasUsed"]))
        return gas


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    write_tokenizer(folder)
    network = Network()
    answer: Answer = network.answer
    with serving(answer) as server:
        async with deployed() as there:
            await there.fund(CLIENT.address)
            await there.send(there.currency.mint(PROVIDER.address, 1000 * UNIT), PROVIDER.address)
            yield World(there, network, folder, server.url)


def test_a_task_is_served_closed_and_paid_and_costs_no_more_gas_than_reckoned(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            start = await at.there.currency.balance(PROVIDER.address)
            async with at.worker():
                callback = "0x" + "11" * 20
                await at.there.chain.endpoints[0].request("anvil_setCode", callback, "0x00")  # hears all, says nothing
                task_id, task = await at.create(callback=callback, callback_gas=30_000)
                await at.until_status(task_id, Status.SUBMITTED)
                await at.there.later(61)
                await at.until_status(task_id, Status.VALID)
                await at.until(lambda: at.has_told("", "withdraw") and at.has_told("", "call back"))
            done = [told.step for told in at.told if told.step not in ("ignore", "wait")]
            assert done[:6] == ["examine", "approve", "accept", "generate", "submit", "close"]
            assert sorted(done[6:]) == ["call back", "withdraw"]
            assert (await at.there.market.state(task_id)).is_called_back
            (submitted,) = await at.submissions()
            assert submitted.result.data == b"jumps"
            transcript = parse_transcript(submitted.transcript.data)
            assert transcript.output_token_ids == (5, 6) and transcript.spec_hash == task.spec_hash.hex()
            assert await at.there.currency.balance(PROVIDER.address) == start + FEE
            assert await at.there.currency.allowance(PROVIDER.address, at.there.market.address) == 0
            gas, market, currency = await at.gas_used(), at.there.market, at.there.currency
            content = Content.of(b"x")
            reckoned: dict[str, tuple[Call, int]] = {
                "accept": (market.accept(task), GAS_ACCEPT),
                "submit": (market.submit(task, content, content), GAS_SUBMIT + GAS_PER_BYTE * 512),
                "close": (market.close(task), GAS_CLOSE),
                "withdraw": (market.withdraw(PROVIDER.address), GAS_WITHDRAW),
                "call back": (market.call_back(task, b"x", content.hash), GAS_CALL_BACK),
                "approve": (currency.approve(market.address, 1), GAS_APPROVE),
            }
            used = {name: gas[f"0x{call.data[:4].hex()}"] for name, (call, _) in reckoned.items()}
            for name, (_, most) in reckoned.items():
                assert most / 3 < used[name] <= most, f"{name} takes {used[name]} gas, {most} were reckoned with"

    asyncio.run(story())


def test_a_long_answer_is_kept_under_its_hash_and_named_on_the_chain(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.text = "x" * 9000
            async with at.worker():
                task_id, _ = await at.create()
                await at.until_status(task_id, Status.SUBMITTED)
            (submitted,) = await at.submissions()
            assert submitted.result.data == b""
            assert submitted.result.uri == f"https://example.org/content/{submitted.result.hash.hex()}"
            assert ContentStore(tmp_path / "content").get(submitted.result.hash.hex()) == b"x" * 9000
            assert Content.of(b"x" * 9000, "-").hash == submitted.result.hash

    asyncio.run(story())


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.text = ""
            async with at.worker():
                task_id, _ = await at.create()
                await at.until_status(task_id, Status.SUBMITTED)
            (submitted,) = await at.submissions()
            assert ContentStore(tmp_path / "content").get(submitted.result.hash.hex()) == b""

    asyncio.run(story())


def test_while_the_gateway_is_down_nothing_is_accepted_and_then_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.is_up = False
            async with at.worker():
                task_id, _ = await at.create()
                await at.until(lambda: at.has_told("the gateway does not answer", "wait"))
                assert await at.status(task_id) == Status.FUNDED
                at.network.is_up = True
                await at.until_status(task_id, Status.SUBMITTED)

    asyncio.run(story())


@pytest.mark.parametrize(
    "changes",
    [
        {"choices": []},
        {"choices": [{"text": "x", "token_ids": [], "finish_reason": "stop"}]},
        {"choices": [{"text": None, "token_ids": [1], "finish_reason": "stop"}]},
        {"choices": [{"text": "x", "token_ids": [1] * 9, "finish_reason": "length"}]},
        {"choices": [{"text": "x", "token_ids": [1], "finish_reason": None}]},
        {"prompt_token_ids": None},
    ],
    ids=["no choice", "no tokens", "no text", "too many tokens", "not finished", "no prompt"],
)
def test_what_is_no_answer_is_never_submitted(changes: dict[str, Any], tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.changes = changes
            async with at.worker():
                task_id, _ = await at.create()
                await at.until(lambda: at.has_told("tried again", "generate"))
                assert await at.status(task_id) == Status.ACCEPTED
                at.network.changes = {}
                await at.until_status(task_id, Status.SUBMITTED)
            (submitted,) = await at.submissions()
            assert submitted.result.data == b"jumps"

    asyncio.run(story())


def test_a_gateway_whose_model_was_changed_answers_for_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.model_id = bytes(32).hex()
            async with at.worker():
                await at.create()
                await at.until(lambda: at.has_told("of another model", "ignore"))
            assert at.network.num_asked == 0

    asyncio.run(story())


def test_a_specification_that_says_nothing_is_refused_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            async with at.worker():
                task = await at.there.task(fee=FEE, bond=BOND, model_id=MODEL_ID, spec_hash=Content.of(b"{}").hash)
                await at.there.send(at.there.market.create(task, b"{}"), CLIENT.address)
                await at.until(lambda: at.has_told("no task specification", "ignore"))
            assert await at.status(at.there.market.id_of(task)) == Status.FUNDED and at.network.num_asked == 0
            with closing(TaskStore(f"sqlite:///{tmp_path / 'worker.db'}")) as store:
                assert store.spec(at.there.market.id_of(task)) == b"", "a stranger fills the disk for nothing"

    asyncio.run(story())


def test_a_task_whose_creation_a_reorganisation_took_away_is_forgotten(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as at:
            at.network.is_up = False
            async with at.worker():
                task_id, _ = await at.create()
                await at.until(lambda: at.has_told("the gateway does not answer", "wait"))
                await at.there.reorganise(1)
                assert await at.status(task_id) == Status.NONE
                at.network.is_up = True
                other_id, _ = await at.create(salt=bytes(31) + b"\1")
                await at.until_status(other_id, Status.SUBMITTED)
            assert {told.step for told in at.told if told.task_id == task_id} == {"wait"}

    asyncio.run(story())


def test_the_pause_after_failures_grows_to_a_minute() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 3, 6, 7, 10_000)] == [1, 2, 4, 32, 60, 60]
