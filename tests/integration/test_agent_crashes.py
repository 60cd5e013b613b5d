"""An agent that is killed at any moment, on a chain that reorganises, makes every payment once and leaves no allowance."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from execution_process import asset_of, key_of, leaves
from moray.agents.execution_record import PlanStatus, Record
from moray.agents.journal import verify
from moray.contracts.contract import address_topic
from moray.contracts.intents import IntentStatus
from moray.contracts.outbox import Outbox
from moray.ethereum import to_checksum_address
from sender_kit import DEPLOYER, SIGNER, World, payee, world

pytestmark = pytest.mark.integration
SPENDER = to_checksum_address("0x" + "5b" * 20)
REORG_BLOCKS, CONFIRMATIONS = 5, 6
BLOCK_S = 0.15  # of real time; the chain's own clock goes a second for each
MINTED = 10**9
PATIENCE_S = 300.0


@pytest.mark.parametrize(
    ("num_intents", "num_kills"), [(8, 5), pytest.param(100, 50, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]
)
def test_whatever_moment_the_agent_is_killed_at_every_payment_is_made_once(
    num_intents: int, num_kills: int, tmp_path: Path
) -> None:
    asyncio.run(crash(num_intents, num_kills, tmp_path))


async def crash(num_intents: int, num_kills: int, folder: Path) -> None:
    chance = random.Random(num_intents)
    async with world() as there:
        await there.ask("anvil_impersonateAccount", DEPLOYER.address)
        mint = there.currency.mint(SIGNER.address, MINTED)
        await there.ask(
            "eth_sendTransaction", {"from": DEPLOYER.address, "to": mint.to, "data": f"0x{mint.data.hex()}"}
        )
        await there.mine(2 * REORG_BLOCKS)
        first_block = (await there.chain.head()).number
        await there.stop_mining()
        killed_after = Counter[str]()
        for kill in range(num_kills):
            wanted = num_intents * (kill + 1) // num_kills
            async with agent(there, folder, wanted) as process:
                killed_after[await kill_somewhere(process, chance)] += 1
            if chance.random() < 0.7:
                await reorganise(there, chance, first_block)
        async with agent(there, folder, num_intents) as process:
            async with asyncio.timeout(PATIENCE_S):
                await reorganise(there, chance, first_block)
                assert await process.wait() == 0
        assert killed_after.total() == num_kills
        await check_each_once(there, folder, num_intents, first_block)


@asynccontextmanager
async def agent(there: World, folder: Path, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Its process, and blocks while it runs."""
    script = Path(__file__).parent.parent / "execution_process.py"
    arguments = [str(folder), there.anvil.url, there.currency.address, SPENDER, str(count), str(CONFIRMATIONS)]
    with (folder / "agent.log").open("a") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), *arguments, stdout=subprocess.PIPE, stderr=log
        )
    mining = asyncio.create_task(mine(there))
    try:
        yield process
    finally:
        mining.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def mine(there: World) -> None:
    while True:
        await there.mine()
        await asyncio.sleep(BLOCK_S)


async def kill_somewhere(process: asyncio.subprocess.Process, chance: random.Random) -> str:
    """Some moment after one of its next entries. Which it was; "idle" when it had ended all it was asked for."""
    assert process.stdout is not None
    told = "start-up"
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(chance.randrange(12)):
            line = await process.stdout.readline()
            if not line:
                assert await process.wait() == 0, "the agent ended by itself"
                return "idle"
            told = line.decode().strip()
    await asyncio.sleep(chance.random() * 0.5)
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.wait()
    return told


async def reorganise(there: World, chance: random.Random, first_block: int) -> None:
    depth = min(REORG_BLOCKS, (await there.chain.head()).number - first_block)
    if depth > 0:
        await there.ask("anvil_reorg", depth, [])


async def check_each_once(there: World, folder: Path, num_intents: int, first_block: int) -> None:
    record, outbox = Record(f"sqlite:///{folder / 'plans'}"), Outbox(f"sqlite:///{folder / 'outbox'}")
    num_calls, paid = 0, 0
    for number in range(num_intents):
        recorded = record.find(key_of(number, there.chain.chain_id))
        assert recorded is not None and recorded.status is PlanStatus.ENDED, number
        assert recorded.result is not None and '"is_done":true' in recorded.result, recorded.result
        for place in range(len(recorded.plan.calls)):
            state = outbox.state(recorded.outbox_key(str(place)))
            assert state is not None and state.status is IntentStatus.FINAL
        num_calls += 3 if leaves(number) else 1
        if asset_of(number) == "ETH":
            assert await there.chain.balance_wei(payee(number)) == (number + 1) * 10**12
        else:
            assert await there.minted(number) == number + 1
            paid += number + 1
    assert await there.num_sent() == num_calls
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
    assert verify(folder / "journal").number >= 5 * num_intents
    record.close()
    outbox.close()


def hex_of(address: str) -> str:
    return f"0x{address_topic(address).hex()}"
