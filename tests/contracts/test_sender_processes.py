"""Many processes, one signer, one writer at a time: nothing is lost and nothing is done twice."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from moray.contracts.intents import IntentStatus
from moray.contracts.outbox import Outbox
from moray.contracts.writer_lock import writer_lock
from postgres_kit import postgres
from sender_kit import SIGNER, World, start_asking, until, world

NUM_SENDS, NUM_PROCESSES = 200, 4


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(postgres()) if request.param == "postgres" else f"sqlite:///{tmp_path / 'outbox'}"


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 120)


async def check_each_once(here: World, outbox: Outbox) -> None:
    """All final, under consecutive tx_nonces, and carried out once."""
    states = [outbox.state(f"mint {number}") for number in range(NUM_SENDS)]
    assert all(state is not None and state.status is IntentStatus.FINAL for state in states)
    assert sorted(state.tx_nonce or 0 for state in states if state is not None) == list(range(NUM_SENDS))
    assert await here.num_sent() == NUM_SENDS
    assert [await here.minted(number) for number in range(NUM_SENDS)] == [1] * NUM_SENDS


@pytest.mark.parametrize(
    ("database_url", "is_one_killed"),
    [("sqlite", False), ("sqlite", True), ("postgres", True)],
    indirect=["database_url"],
)
def test_200_sends_of_one_signer_from_four_processes(database_url: str, is_one_killed: bool) -> None:
    share = NUM_SENDS // NUM_PROCESSES

    async def scene() -> None:
        outbox = Outbox(database_url)
        async with world() as here:
            processes = [start_asking(here, database_url, 0, share)]
            try:
                await until(outbox, "mint 0", lambda state: True)
                processes += [
                    start_asking(here, database_url, first, share) for first in range(share, NUM_SENDS, share)
                ]
                if is_one_killed:  # the writer: it was alone at first
                    await until(outbox, f"mint {share // 2}", lambda state: state.status is not IntentStatus.WAITING)
                    processes[0].kill()
                    assert await ended(processes[0]) < 0
                    processes[0] = start_asking(here, database_url, 0, share)
                assert [await ended(process) for process in processes] == [0] * NUM_PROCESSES
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
            await check_each_once(here, outbox)
        outbox.close()

    asyncio.run(scene())


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_the_writers_lock_is_one_mans_and_of_one_signer(database_url: str) -> None:
    outbox, other = Outbox(database_url), Outbox(database_url)
    first, second = (writer_lock(each.engine, 31337, SIGNER.address) for each in (outbox, other))
    assert first.acquire() and first.acquire()
    assert not second.acquire()
    elsewhere = writer_lock(other.engine, 1, SIGNER.address)
    assert elsewhere.acquire()
    first.release()
    assert second.acquire() and not first.acquire()
    second.release()
    elsewhere.release()
    outbox.close()
    other.close()
