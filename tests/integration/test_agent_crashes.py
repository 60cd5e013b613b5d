"""An agent and its signer are killed at any moment, on a chain that reorganises: every payment is made once, and no
allowance is left."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from execution_process import READY, asset_of, key_of, leaves, run_agent, run_signer, write_signer
from forked import Forked, import_beforehand
from moray.agents.execution_record import PlanStatus, Record
from moray.agents.journal import read_entries, verify
from moray.agents.signer.book import Book
from moray.contracts.contract import address_topic
from moray.contracts.intents import IntentStatus
from moray.contracts.outbox import Outbox
from moray.ethereum import to_checksum_address
from sender_kit import DEPLOYER, SIGNER, World, payee, world

pytestmark = pytest.mark.integration
SPENDER = to_checksum_address("0x" + "5b" * 20)
REORG_BLOCKS, CONFIRMATIONS = 5, 6
BLOCK_S = 0.03  # of real time; the chain's own clock goes a second for each
MINTED = 10**9
PATIENCE_S = 300.0
ENTRIES_PER_PLAN = 5  # of the journal, at least
SPARE_KILLS = 4  # so that nobody has ended before the last kill
VICTIMS = (("agent",), ("signer",), ("agent", "signer"))
import_beforehand(
    (
        "execution_process",
        "moray.agents.policy.judge",
        "moray.agents.policy.policy_reading",
        "moray.agents.signer.process",
        "moray.agents.signer.remote",
        "moray.key_file",
    )
)


@pytest.mark.parametrize(
    ("num_intents", "num_kills"), [(8, 6), pytest.param(100, 50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_whoever_is_killed_at_whatever_moment_every_payment_is_made_once(
    num_intents: int, num_kills: int, tmp_path: Path
) -> None:
    asyncio.run(crash(num_intents, num_kills, tmp_path))


async def crash(num_intents: int, num_kills: int, folder: Path) -> None:
    chance, begun = random.Random(num_intents), time.monotonic()
    async with world() as there:
        await there.ask("anvil_impersonateAccount", DEPLOYER.address)
        mint = there.currency.mint(SIGNER.address, MINTED)
        await there.ask(
            "eth_sendTransaction", {"from": DEPLOYER.address, "to": mint.to, "data": f"0x{mint.data.hex()}"}
        )
        await there.mine(2 * REORG_BLOCKS)
        first_block = (await there.chain.head()).number
        await there.stop_mining()
        write_signer(folder, there.currency.address, SPENDER, num_intents)
        killed, num_reorganised = Counter[str](), 0
        async with Pair(there, folder, num_intents).running() as pair:
            for kill in range(num_kills):
                victims = VICTIMS[kill % len(VICTIMS)]
                moment = await pair.kill_somewhere(victims, chance, num_kills - kill)
                killed[f"{' and '.join(victims)} after {moment}"] += 1
                if kill == 0 or chance.random() < 0.7:
                    num_reorganised += await reorganise(there, first_block)
                await pair.start()
            async with asyncio.timeout(PATIENCE_S):
                num_reorganised += await reorganise(there, first_block)
                assert await pair.processes["agent"].end() == 0, pair.log("agent")
            await pair.end()
        tx_hashes = await check_each_once(there, folder, num_intents, first_block)
        check_what_was_signed(folder, tx_hashes)
    assert killed.total() == num_kills and num_reorganised > 0
    facts = {"intents": num_intents, "kills": dict(sorted(killed.items())), "reorganisations": num_reorganised}
    print(json.dumps(facts | {"transactions": len(tx_hashes), "seconds": round(time.monotonic() - begun, 1)}))


class Pair:
    """The agent's process and its signer's, and blocks while both run."""

    def __init__(self, there: World, folder: Path, count: int) -> None:
        self._there, self._folder, self._count = there, folder, count
        self._both_run = asyncio.Event()
        self.processes: dict[str, Forked] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pair]:
        mining = asyncio.create_task(self._mine())
        try:
            await self.start()
            yield self
        finally:
            mining.cancel()
            await self.end()

    async def start(self) -> None:
        """Whoever does not run."""
        async with asyncio.timeout(PATIENCE_S):
            if "signer" not in self.processes:
                signer = await Forked.begin(
                    run_signer, str(self._folder), self._there.anvil.url, log=self._folder / "signer.log"
                )
                self.processes["signer"] = signer
                assert await signer.line() == f"signing as {SIGNER.address}", self.log("signer")
            if "agent" not in self.processes:
                where = [str(self._folder), self._there.anvil.url, self._there.currency.address, SPENDER]
                what = [str(self._count), str(CONFIRMATIONS)]
                agent = await Forked.begin(run_agent, *where, *what, log=self._folder / "agent.log")
                self.processes["agent"] = agent
                assert await agent.line() == READY, self.log("agent")
        self._both_run.set()

    async def end(self) -> None:
        self._both_run.clear()
        for process in self.processes.values():
            process.kill()
            await process.end()
        self.processes.clear()

    async def kill_somewhere(self, names: tuple[str, ...], chance: random.Random, num_to_come: int) -> str:
        """Some moment after one of the agent's next entries; kills are spread over what is left to do. Which it was:
        the last entries of both journals."""
        agent = self.processes["agent"]
        left = ENTRIES_PER_PLAN * (self._count - self._kinds("journal").count("end"))
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(chance.randrange(max(1, 3 * left // (2 * (num_to_come + SPARE_KILLS))))):
                assert await agent.line(), self.log("agent")
        if chance.random() < 0.3:
            await self._signer_writes()
        await asyncio.sleep(chance.random() * chance.choice((0.002, 0.02, 0.3)))  # entries come within ms of another
        self._both_run.clear()
        killed = [self.processes.pop(name) for name in names]
        for process in killed:
            process.kill()
        for process in killed:
            assert await process.end() == -signal.SIGKILL, self.log(*names)
        return " / ".join((self._kinds(name) or ["nothing"])[-1] for name in ("journal", "signer-journal"))

    def log(self, *names: str) -> str:
        return "\n".join((self._folder / f"{name}.log").read_text()[-2000:] for name in names)

    def _kinds(self, journal: str) -> list[str]:
        path = self._folder / journal
        return [entry.kind for entry, _ in read_entries(path)] if path.exists() else []

    async def _signer_writes(self) -> None:
        """Until it has decided something, or had nothing to decide: what it signs is out a few ms later."""
        journal = self._folder / "signer-journal"
        size = journal.stat().st_size
        for _ in range(500):
            if journal.stat().st_size != size:
                break
            await asyncio.sleep(0.001)

    async def _mine(self) -> None:
        while True:
            await self._both_run.wait()
            await self._there.mine()
            await asyncio.sleep(BLOCK_S)


async def reorganise(there: World, first_block: int) -> bool:
    """Whether there was anything to take away."""
    depth = min(REORG_BLOCKS, (await there.chain.head()).number - first_block)
    if depth > 0:
        await there.ask("anvil_reorg", depth, [])
    return depth > 0


async def check_each_once(there: World, folder: Path, num_intents: int, first_block: int) -> set[str]:
    """The hashes of the transactions that it took."""
    record, outbox = Record(f"sqlite:///{folder / 'plans'}"), Outbox(f"sqlite:///{folder / 'outbox'}")
    tx_hashes, num_calls, paid = set[str](), 0, 0
    for number in range(num_intents):
        recorded = record.find(key_of(number, there.chain.chain_id))
        assert recorded is not None and recorded.status is PlanStatus.ENDED, number
        assert recorded.result is not None and '"is_done":true' in recorded.result, recorded.result
        for place in range(len(recorded.plan.calls)):
            state = outbox.state(recorded.outbox_key(str(place)))
            assert state is not None and state.status is IntentStatus.FINAL and state.mined is not None
            tx_hashes.add(f"0x{state.mined.tx_hash.hex()}")
        num_calls += 3 if leaves(number) else 1
        if asset_of(number) == "ETH":
            assert await there.chain.balance_wei(payee(number)) == (number + 1) * 10**12
        else:
            assert await there.minted(number) == number + 1
            paid += number + 1
    assert await there.num_sent() == num_calls == len(tx_hashes)
    assert await there.currency.balance(SIGNER.address) == MINTED - paid
    assert await there.currency.allowance(SIGNER.address, SPENDER) == 0
    transfers = await there.chain.logs(
        {
            "address": there.currency.address,
            "fromBlock": hex(first_block),
            "topics": [f"0x{there.currency.contract.event_topic('Transfer').hex()}", hex_of(SIGNER.address)],
        }
    )
    in_tokens = [number for number in range(num_intents) if asset_of(number) != "ETH"]
    assert Counter(log.topics[2] for log in transfers) == {address_topic(payee(number)): 1 for number in in_tokens}
    assert verify(folder / "journal").number >= ENTRIES_PER_PLAN * num_intents
    record.close()
    outbox.close()
    return tx_hashes


def check_what_was_signed(folder: Path, tx_hashes: set[str]) -> None:
    """``tx_hashes``: of all that is on the chain. The signer's journal is whole and knows each; its ledger counts each
    tx_nonce once; and it refused nothing."""
    journal = folder / "signer-journal"
    assert verify(journal, folder / "anchor").number >= 2 * len(tx_hashes)
    entries = [entry for entry, _ in read_entries(journal)]
    assert tx_hashes <= {f"0x{entry.fields['tx_hash']}" for entry in entries if entry.kind == "signed"}
    assert {entry.fields["outcome"] for entry in entries if entry.kind == "decision"} == {"allowed"}
    book = Book(folder / "ledger")
    with book.begin() as pages:
        view = pages.view(0.0)
    assert sorted(entry.tx_nonce or 0 for entry in view.entries) == list(range(len(tx_hashes))) and not view.halted
    book.close()


def hex_of(address: str) -> str:
    return f"0x{address_topic(address).hex()}"
