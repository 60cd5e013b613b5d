"""Tasks from the chain, whole: a real chain, a network of nodes, a worker that serves it, and all that goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chain_kit import CHALLENGER, CLIENT, DEPLOYER, MEMBERS, PROVIDER, Deployed, deployed
from cluster import MORAY, Network, moray, network_of
from moray.contracts.addresses import Addresses
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.chain import Chain
from moray.contracts.client import TaskClient
from moray.contracts.currency import Currency
from moray.contracts.market import TaskMarket
from moray.contracts.models import ModelRecord, ModelRegistry
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.contracts.task_terms import TaskTerms
from moray.contracts.tasks import Content, Status, Task
from moray.errors import NothingToRefund, TaskNotReady
from moray.experts.manifest import identity_of, read_manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.guarded_http import Fetcher
from moray.router.task_answer import finished_task
from moray.router.task_request import completion_body, completion_path
from moray.task_spec import TaskSpec, encode_spec
from moray.transcript import encode_transcript

pytestmark = pytest.mark.integration

UNIT = 10**6
FEE, BOND = 20 * UNIT + 1, 30 * UNIT  # an odd unit, so that it shows who gets it
BURN = "0x000000000000000000000000000000000000dEaD"
CHEAT = DEPLOYER  # a provider of the tests' own
WAIT_S = 120.0
SETTINGS = {"MORAY_TASK_INCLUSION_S": "2", "MORAY_TASK_POLL_S": "0.3", "MORAY_TASK_SECONDS_PER_TOKEN": "0.05"}
AS_CLIENT = "--dev-account", str(DEVELOPMENT_KEYS.index(CLIENT))
SPEC = TaskSpec(prompt="A moray waits", max_tokens=12)


@dataclass(frozen=True)
class Stage:
    """What the tests of this file share: one chain, one network, folders of its people."""

    folder: Path
    url: str  # of the chain
    addresses: Addresses
    network: Network
    model: Path

    @property
    def chain_file(self) -> str:
        return str(self.folder / "chain.json")

    @property
    def model_id(self) -> bytes:
        return bytes.fromhex(read_manifest(self.model).model_id)

    def home(self, name: str) -> str:
        return str(self.folder / name)

    def terms(self, **changes: Any) -> TaskTerms:
        plain = TaskTerms(self.model_id, FEE, BOND, self.addresses.resolver, submit_within_s=60, challenge_window_s=3)
        return replace(plain, **changes)

    def task(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`moray task` in the client's home."""
        return moray("task", *arguments, "--chain", self.chain_file, "--state-dir", self.home("client"))

    @contextmanager
    def process(self, name: str, account: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`moray task` as somebody who stays: ended at the end."""
        command = [*MORAY, "task", *arguments, "--json", "--chain", self.chain_file, "--state-dir", self.home(name)]
        command += ["--dev-account", str(account)]
        with (
            (self.folder / f"{name}.log").open("a") as log,
            subprocess.Popen(command, stdout=log, stderr=log, text=True, env=os.environ | SETTINGS) as running,
        ):
            try:
                yield running
            finally:
                running.terminate()

    def worker(self, name: str, account: int) -> Any:
        money = "--eth-price", "1000", "--max-bond", "30"
        return self.process(name, account, "work", "--gateway", self.network.url, "--model", str(self.model), *money)

    @asynccontextmanager
    async def there(self) -> AsyncIterator[Deployed]:
        chain = await Chain.open([self.url])
        try:
            market = TaskMarket(chain, self.addresses.task_market)
            yield Deployed(chain, self.addresses, market, Currency(chain, self.addresses.currency))
        finally:
            await chain.close()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[TaskClient, Deployed]]:
        outbox = Outbox(f"sqlite:///{self.home('client')}/outbox.db")  # as the command's
        async with self.there() as there, Sender(outbox, there.chain, CLIENT) as sender:
            trusted = frozenset({self.addresses.resolver})
            yield TaskClient(there.chain, self.addresses, trusted, Fetcher(allow_private=True).get, sender), there
        outbox.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("tasks")
    write_random_checkpoint(folder / "checkpoint", TINY_CONFIG, seed=6)
    write_shards(folder / "checkpoint", folder / "shards")
    with ExitStack() as stack:
        anvil = stack.enter_context(Anvil(block_time_s=1))
        addresses = asyncio.run(furnish(anvil, folder))
        nodes = "--nodes", "1", "--experts-per-replica", "8"
        network = stack.enter_context(network_of(folder / "shards", folder / "network", *nodes))
        (folder / "client").mkdir()
        yield Stage(folder, anvil.url, addresses, network, folder / "shards")


async def furnish(anvil: Anvil, folder: Path) -> Addresses:
    """Contracts, money and the model on the chain."""
    async with deployed(anvil) as there:
        for key in (CLIENT, PROVIDER, CHALLENGER, CHEAT):
            await there.send(there.currency.mint(key.address, 10_000 * UNIT), key.address)
        registry = ModelRegistry(there.chain, there.addresses.model_registry)
        record = ModelRecord(*identity_of(read_manifest(folder / "shards")))
        await there.send(registry.register(record), DEPLOYER.address)
        there.addresses.write(folder / "chain.json")
        return there.addresses


def ask(network: Network, spec: TaskSpec) -> bytes:
    """What the gateway itself answers."""
    reply = httpx2.post(network.url + completion_path(spec), json=completion_body(spec, network.model), timeout=60)
    reply.raise_for_status()
    return reply.content


async def until_status(there: Deployed, task_id: bytes, status: Status) -> None:
    until = time.monotonic() + WAIT_S
    while (found := (await there.market.state(task_id)).status) is not status:
        assert time.monotonic() < until and not found.is_final, found
        await asyncio.sleep(0.05)


async def deliver_wrong(stage: Stage, there: Deployed, task: Task) -> None:
    """Accept and submit as somebody who saves the work: the tokens are the model's, but drawn, not the likeliest."""
    lazy = SPEC.model_copy(update={"temperature": "2", "seed": 5})
    spec_hash = Content.of(encode_spec(SPEC)).hash
    answer = finished_task(ask(stage.network, lazy), stage.model_id.hex(), spec_hash)  # type: ignore[arg-type]
    await there.send(there.currency.approve(there.market.address, task.bond), CHEAT.address)
    await there.send(there.market.accept(task), CHEAT.address)
    result, transcript = Content.of(answer.result), Content.of(encode_transcript(answer.transcript))
    await there.send(there.market.submit(task, result, transcript), CHEAT.address)


async def balances(there: Deployed, *accounts: str) -> list[int]:
    """What each has or can withdraw."""
    return [await there.currency.balance(each) + await there.market.owed(each) for each in accounts]


def gained(before: list[int], after: list[int]) -> list[int]:
    return [new - old for old, new in zip(before, after, strict=True)]


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


def test_a_task_is_served_by_the_network_and_paid(stage: Stage) -> None:
    with stage.worker("worker", DEVELOPMENT_KEYS.index(PROVIDER)):
        money = "--fee", "20", "--bond", "30", "--challenge-window", "3s", "--submit-within", "1m"
        asked = "--model", str(stage.model), "--max-tokens", "12", "--yes", "--json", "--wait"
        before = asyncio.run(_balances(stage))
        done = stage.task("submit", "A moray waits", *money, *asked, *AS_CLIENT)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        served = json.loads(ask(stage.network, SPEC))["choices"][0]["text"]
        assert told["status"] == "valid" and told["provider"] == PROVIDER.address
        assert told["result"] == served != ""
        assert json.loads(stage.task("result", told["id"], "--json").stdout)["result"] == served
        assert gained(before, asyncio.run(_balances(stage))) == [-20 * UNIT, 20 * UNIT]

    async def nothing_comes_back() -> None:
        async with stage.client() as (client, _):
            with pytest.raises(NothingToRefund, match="delivered"):
                await client.refund(bytes.fromhex(told["id"][2:]))

    run(nothing_comes_back)


async def _balances(stage: Stage) -> list[int]:
    async with stage.there() as there:
        return await balances(there, CLIENT.address, PROVIDER.address)


def test_a_callback_that_fails_does_not_keep_the_provider_from_its_pay_and_can_be_tried_again(stage: Stage) -> None:
    callback, fails, succeeds = "0x00000000000000000000000000000000000CA11b", "0x60006000fd", "0x00"

    async def inside() -> None:
        async with stage.client() as (client, there):
            rpc = there.chain.endpoints[0]
            await rpc.request("anvil_setCode", callback, fails)
            before = await balances(there, PROVIDER.address)
            terms = stage.terms(callback=callback, callback_gas=50_000, provider=PROVIDER.address)
            with stage.worker("worker", DEVELOPMENT_KEYS.index(PROVIDER)):
                task_id = await client.submit(encode_spec(SPEC), terms)
                record = await client.wait(task_id)
            assert record.status is Status.VALID and not record.state.is_called_back
            assert gained(before, await balances(there, PROVIDER.address)) == [FEE]
            await rpc.request("anvil_setCode", callback, succeeds)
            result, transcript_hash = await client.result(task_id), record.delivery.transcript.hash
            await there.send(there.market.call_back(record.task, result, transcript_hash), CLIENT.address)
            assert (await there.market.state(task_id)).is_called_back

    run(inside)


def test_a_task_that_nobody_accepts_is_refunded(stage: Stage) -> None:
    async def inside() -> None:
        async with stage.client() as (client, there):
            before = await balances(there, CLIENT.address)
            task_id = await client.submit(encode_spec(SPEC), stage.terms(provider=CHALLENGER.address))
            assert gained(before, await balances(there, CLIENT.address)) == [-FEE]
            with pytest.raises(TaskNotReady, match="may be accepted until"):
                await client.refund(task_id)
            await there.later(601)
            assert await client.refund(task_id) == FEE
            assert await there.currency.balance(CLIENT.address) == before[0]
            assert (await client.record(task_id)).status is Status.CANCELLED

    run(inside)


def test_a_client_cancels_what_nobody_accepted(stage: Stage) -> None:
    money = "--fee", "20", "--bond", "30", "--provider", CHALLENGER.address
    done = stage.task("submit", "A moray waits", *money, "--model", str(stage.model), "--yes", *AS_CLIENT)
    assert done.returncode == 0, done.stderr
    assert "public" in done.stderr
    task_id = done.stdout.strip()
    cancelled = stage.task("cancel", task_id, *AS_CLIENT)
    assert cancelled.stdout.strip() == "20 mtest paid to the client", cancelled.stderr
    status = stage.task("status", task_id, "--json")
    assert json.loads(status.stdout)["status"] == "cancelled"


def test_a_worker_that_is_killed_before_it_delivers_loses_its_bond_to_the_client(stage: Stage) -> None:
    async def inside() -> None:
        async with stage.client() as (client, there):
            before = await balances(there, CLIENT.address, CHALLENGER.address)
            long = SPEC.model_copy(update={"max_tokens": 200})
            with stage.worker("killed", DEVELOPMENT_KEYS.index(CHALLENGER)) as worker:
                task_id = await client.submit(encode_spec(long), stage.terms(provider=CHALLENGER.address))
                await until_status(there, task_id, Status.ACCEPTED)
                worker.kill()
                worker.wait()
            await there.later(61)
            assert await client.refund(task_id) == FEE + BOND
            assert (await client.record(task_id)).status is Status.EXPIRED
            assert gained(before, await balances(there, CLIENT.address, CHALLENGER.address)) == [BOND, -BOND]

    run(inside)


def test_a_wrong_answer_is_challenged_by_a_watcher_and_judged_by_two_members(stage: Stage) -> None:
    people = CLIENT.address, CHEAT.address, CHALLENGER.address, BURN
    verdicts = stage.folder / "verdicts"
    verdicts.mkdir()
    model = "--model", str(stage.model)
    judging = "judge", *model, "--verdicts", str(verdicts)

    async def inside() -> None:
        async with stage.client() as (client, there):
            before = await balances(there, *people)
            terms = stage.terms(provider=CHEAT.address, challenge_window_s=600)
            task_id = await client.submit(encode_spec(SPEC), terms)
            await deliver_wrong(stage, there, (await client.record(task_id)).task)
            await until_status(there, task_id, Status.INVALID)
            assert await client.refund(task_id) == FEE
            bounty = BOND // 5
            assert gained(before, await balances(there, *people)) == [0, -BOND, bounty, BOND - bounty]

    watching = "watch", *model, "--challenge", "--max-bond", "30"
    with (
        stage.process("watcher", DEVELOPMENT_KEYS.index(CHALLENGER), *watching),
        stage.process("judge-a", DEVELOPMENT_KEYS.index(MEMBERS[0]), *judging),
        stage.process("judge-b", DEVELOPMENT_KEYS.index(MEMBERS[2]), *judging),
    ):
        run(inside)
    assert len(list(verdicts.glob("*.json"))) == 2


def test_a_resolver_that_stays_silent_leaves_both_sides_with_the_same_small_loss(stage: Stage) -> None:
    people = CLIENT.address, CHEAT.address, CHALLENGER.address, BURN

    async def inside() -> None:
        async with stage.client() as (client, there):
            before = await balances(there, *people)
            task_id = await client.submit(
                encode_spec(SPEC), stage.terms(provider=CHEAT.address, challenge_window_s=600)
            )
            task = (await client.record(task_id)).task
            await deliver_wrong(stage, there, task)
            await there.send(there.currency.approve(there.market.address, task.bond), CHALLENGER.address)
            submitted = (await client.record(task_id)).delivery
            challenge = there.market.challenge(task, submitted.result.hash, submitted.transcript.hash)
            await there.send(challenge, CHALLENGER.address)
            with pytest.raises(TaskNotReady, match="waits for its resolver"):
                await client.refund(task_id)
            await there.later(86_401)
            half, rest = (FEE + 1) // 2, FEE // 2
            assert await client.refund(task_id) == half
            assert (await client.record(task_id)).status is Status.INCONCLUSIVE
            assert gained(before, await balances(there, *people)) == [half - FEE, rest - half, -half, 2 * half]

    run(inside)
