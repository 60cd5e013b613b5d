"""A worker that is killed at any moment goes on where it was: every task ends once, and no money is lost or made."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from chain_kit import CHALLENGER, CLIENT, DEPLOYER, PROVIDER, Deployed, deployed
from cluster import MORAY
from local_gateway import local_gateway, tiny_model
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.log import as_int
from moray.contracts.market import TaskAccepted, TaskClosed, TaskEvent, TaskSubmitted
from moray.contracts.task_record import read_record
from moray.contracts.tasks import Content, Status, Task, short
from moray.experts.source import open_model
from moray.router.task_costs import GAS_ACCEPT, GAS_APPROVE, GAS_CLOSE, GAS_PER_BYTE, GAS_SUBMIT, GAS_WITHDRAW
from moray.task_spec import TaskSpec, encode_spec
from moray.transcript import parse_transcript

pytestmark = pytest.mark.integration
BURN = "0x000000000000000000000000000000000000dEaD"
UNIT = 10**6
FEE, BOND = 20 * UNIT, 30 * UNIT
PROVIDER_INDEX = DEVELOPMENT_KEYS.index(PROVIDER)
STEPS = ("examine", "approve", "accept", "generate", "submit", "close", "withdraw")
PATIENCE_S = 240.0
SETTINGS = {"MORAY_TASK_INCLUSION_S": "2", "MORAY_TASK_POLL_S": "0.3", "MORAY_TASK_SECONDS_PER_TOKEN": "0.05"}
ACCOUNTS = [key.address for key in (DEPLOYER, CLIENT, PROVIDER, CHALLENGER)]


@contextmanager
def working(folder: Path, gateway_url: str, model: Path) -> Iterator[tuple[subprocess.Popen[str], Queue[str]]]:
    """`moray task work` as a process, and the steps that it tells of. Killed at the end."""
    command = [*MORAY, "task", "work", "--json", "--state-dir", str(folder), "--dev-account", str(PROVIDER_INDEX)]
    command += ["--gateway", gateway_url, "--model", str(model), "--eth-price", "1000", "--max-bond", "30"]
    command += ["--max-tasks", "8"]
    steps: Queue[str] = Queue()
    with (
        (folder / "worker.log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | SETTINGS) as process,
    ):

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                steps.put(json.loads(line)["step"])

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield process, steps
        finally:
            process.kill()
            reader.join()


def kill_somewhere(process: subprocess.Popen[str], steps: Queue[str], chance: random.Random) -> str:
    """A moment after some step that chance chose, or when nothing happens any more. Which step it was."""
    target, delay_s, step = chance.choice(STEPS), chance.random() * 0.6, "start"
    silence_s = PATIENCE_S  # until its first line
    while step != target:
        try:
            step, silence_s = steps.get(timeout=silence_s), 4.0
        except Empty:
            break
    time.sleep(delay_s)
    assert process.poll() is None, "the worker ended by itself"
    process.send_signal(signal.SIGKILL)
    process.wait()
    return step


@dataclass
class Market:
    """Tasks of four kinds in turn: two good ones, one whose time is so short that a crash misses it, one that somebody
    challenges, and one for another provider."""

    there: Deployed
    model_id: bytes
    first_block: int
    tasks: dict[bytes, Task]

    async def create(self, count: int) -> None:
        for _ in range(count):
            number = len(self.tasks)
            spec = encode_spec(TaskSpec(prompt=f"task {number}", max_tokens=4 + number % 5, seed=number))
            task = await self.there.task(
                model_id=self.model_id,
                spec_hash=Content.of(spec).hash,
                fee=FEE,
                bond=BOND,
                salt=number.to_bytes(32),
                submit_within=6 if number % 5 == 2 else 600,
                challenge_window=25 if number % 5 == 3 else 3,
                resolve_within=5,
                provider=DEPLOYER.address if number % 5 == 4 else "0x" + "0" * 40,
            )
            await self.there.send(self.there.market.create(task, spec), CLIENT.address)
            self.tasks[self.there.market.id_of(task)] = task

    async def challenge(self) -> None:
        """Every one of the third kind that can be."""
        for task_id, task in self.tasks.items():
            if task.challenge_window == 25:
                chain, market = self.there.chain, self.there.market
                state, now_s = await market.state(task_id), (await chain.head()).timestamp
                if state.status == Status.SUBMITTED and now_s + 3 < state.until:
                    record = await read_record(chain, market, task_id, self.first_block, agreed=False)
                    done = record.delivery
                    call = market.challenge(task, done.result.hash, done.transcript.hash)
                    await self.there.send(call, CHALLENGER.address)

    async def is_served(self) -> bool:
        """All that the worker has to do with is over, and paid out."""
        for task_id, task in self.tasks.items():
            status = (await self.there.market.state(task_id)).status
            is_missed = status == Status.ACCEPTED and task.submit_within == 6
            if task.provider != DEPLOYER.address and not status.is_final and not is_missed:
                return False
        return not await self.there.market.owed(PROVIDER.address)

    async def close_the_rest(self) -> None:
        """What no worker serves: anyone can, when the clock has run out."""
        await self.there.later(7200)
        for task_id, task in self.tasks.items():
            if not (await self.there.market.state(task_id)).status.is_final:
                await self.there.send(self.there.market.close(task), CLIENT.address)
        for account in (CLIENT.address, CHALLENGER.address, BURN):
            if await self.there.market.owed(account):
                await self.there.send(self.there.market.withdraw(account), CLIENT.address)

    async def events(self) -> list[TaskEvent]:
        where = {"address": self.there.market.address, "fromBlock": hex(self.first_block), "toBlock": "latest"}
        return self.there.market.events(await self.there.chain.logs(where))

    async def receipts(self) -> list[dict[str, Any]]:
        rpc, head = self.there.chain.endpoints[0], await self.there.chain.head()
        blocks = range(self.first_block, head.number + 1)
        return [each for block in blocks for each in await rpc.request("eth_getBlockReceipts", hex(block))]

    async def ether_wei(self, block: int | str) -> dict[str, int]:
        rpc, at = self.there.chain.endpoints[0], block if isinstance(block, str) else hex(block)
        return {account: as_int(await rpc.request("eth_getBalance", account, at)) for account in ACCOUNTS}

    async def currency(self) -> dict[str, int]:
        accounts = [*ACCOUNTS, BURN, self.there.market.address]
        return {account: await self.there.currency.balance(account) for account in accounts}


@pytest.mark.parametrize(
    ("num_tasks", "num_kills"), [(5, 2), pytest.param(50, 30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_whatever_moment_the_worker_is_killed_at_every_task_ends_once_and_no_money_is_lost(
    num_tasks: int, num_kills: int, tmp_path: Path
) -> None:
    asyncio.run(crash(num_tasks, num_kills, tmp_path))


async def crash(num_tasks: int, num_kills: int, tmp_path: Path) -> None:
    chance = random.Random(num_tasks)
    model = tiny_model(tmp_path)
    with local_gateway(model, tmp_path) as url, Anvil(block_time_s=1) as anvil:
        async with deployed(anvil) as there:
            there.addresses.write(tmp_path / "chain.json")
            await there.fund(CLIENT.address, 10_000 * UNIT)
            await there.fund(CHALLENGER.address, 10_000 * UNIT)
            await there.send(there.currency.mint(PROVIDER.address, 12 * BOND), PROVIDER.address)
            first_block = (await there.chain.head()).number + 1
            market = Market(there, bytes.fromhex(open_model(model).model_id), first_block, {})
            ether_before, currency_before = await market.ether_wei(first_block - 1), await market.currency()
            killed_after = Counter[str]()
            for kill in range(num_kills):
                wanted = num_tasks * (kill + 1) // num_kills
                await market.create(wanted - len(market.tasks))
                with working(tmp_path, url, model) as (process, steps):
                    killed_after[await asyncio.to_thread(kill_somewhere, process, steps, chance)] += 1
                await market.challenge()
            with working(tmp_path, url, model) as (process, _):
                until = time.monotonic() + PATIENCE_S
                while not await market.is_served():
                    assert process.poll() is None and time.monotonic() < until, "the worker does not finish"
                    await market.challenge()
                    await asyncio.sleep(1)
            await market.close_the_rest()
            assert not killed_after["start"], "killed before it had told anything"
            check_ends(market, await market.events())
            await check_money(market, ether_before, currency_before)


def check_ends(market: Market, events: list[TaskEvent]) -> None:
    """Each task once, and the money of each to the last unit."""
    accepted = {event.id for event in events if isinstance(event, TaskAccepted)}
    ends = [event for event in events if isinstance(event, TaskClosed)]
    assert sorted(event.id for event in ends) == sorted(market.tasks)
    for end in ends:
        held = FEE + (BOND if end.id in accepted else 0)
        is_challenged = end.status == Status.INCONCLUSIVE
        shares = end.to_client, end.to_provider, end.to_challenger, end.burned
        assert sum(shares) == held + (BOND if is_challenged else 0), short(end.id)
        expected = {
            Status.CANCELLED: (FEE, 0, 0, 0),
            Status.EXPIRED: (FEE + BOND, 0, 0, 0),
            Status.VALID: (0, FEE + BOND, 0, 0),
            Status.INCONCLUSIVE: (FEE // 2, FEE // 2 + BOND - FEE // 2, BOND - FEE // 2, FEE),
        }
        assert shares == expected[end.status]
    ours = {id: task for id, task in market.tasks.items() if task.provider != DEPLOYER.address}
    patient = {id for id, task in ours.items() if task.submit_within == 600}
    assert patient <= accepted, "a good task was left"
    assert all(end.status != Status.EXPIRED for end in ends if end.id in patient), "a bond was lost"
    for event in events:
        if isinstance(event, TaskSubmitted):
            transcript = parse_transcript(event.transcript.data)
            assert transcript.spec_hash == market.tasks[event.id].spec_hash.hex() and event.result.data


async def check_money(market: Market, ether_before: dict[str, int], currency_before: dict[str, int]) -> None:
    receipts, events = await market.receipts(), await market.events()
    spent = Counter[str]()
    for receipt in receipts:
        sender = next(account for account in ACCOUNTS if account.lower() == receipt["from"].lower())
        spent[sender] += as_int(receipt["gasUsed"]) * as_int(receipt["effectiveGasPrice"])
    assert await market.ether_wei("latest") == {
        account: before - spent[account] for account, before in ether_before.items()
    }
    after = await market.currency()
    assert sum(after.values()) == sum(currency_before.values()) and after[market.there.market.address] == 0
    earned = sum(event.to_provider for event in events if isinstance(event, TaskClosed))
    bonds = BOND * sum(isinstance(event, TaskAccepted) for event in events)
    assert after[PROVIDER.address] - currency_before[PROVIDER.address] == earned - bonds
    sent = [receipt for receipt in receipts if receipt["from"].lower() == PROVIDER.address.lower()]
    most_gas = max(GAS_APPROVE, GAS_ACCEPT, GAS_SUBMIT + GAS_PER_BYTE * 1024, GAS_CLOSE, GAS_WITHDRAW)
    assert all(as_int(receipt["gasUsed"]) <= most_gas for receipt in sent)
    assert all(receipt["status"] == "0x1" for receipt in sent), "gas was spent on a call that the market refused"
