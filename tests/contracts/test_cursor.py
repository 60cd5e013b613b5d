"""What a cursor has read is what the chain says, whatever happens to the chain, the endpoint or the process."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain_kit import CHALLENGER, CLIENT, PROVIDER, SPEC, Deployed, deployed, proxy
from moray.contracts import cursor as cursor_module
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.cursor import SETTLED_DEPTH, Change, EventCursor
from moray.contracts.log import Log
from moray.contracts.market import TaskAccepted, TaskClosed, TaskCreated, TaskSubmitted
from moray.contracts.tasks import Content, Status, Task
from moray.errors import ChainError, ChainRefused, Reverted

State = dict[bytes, Status]


def fold(there: Deployed, logs: Iterable[Log]) -> State:
    """Each task's status, by its events alone."""
    state: State = {}
    for event in there.market.events(logs):
        if isinstance(event, TaskCreated):
            state[event.id] = Status.FUNDED
        elif isinstance(event, TaskAccepted):
            state[event.id] = Status.ACCEPTED
        elif isinstance(event, TaskSubmitted):
            state[event.id] = Status.SUBMITTED
        elif isinstance(event, TaskClosed):
            state[event.id] = event.status
        else:
            state[event.id] = Status.CHALLENGED
    return state


def cursor_of(there: Deployed, path: Path, chain: Chain | None = None, name: str = "tasks") -> EventCursor:
    return EventCursor(
        chain or there.chain,
        f"sqlite:///{path}",
        name,
        [there.market.address],
        from_block=there.addresses.deployed_at_block,
    )


async def catch_up(cursor: EventCursor) -> list[Change]:
    changes = [await cursor.poll()]
    while not changes[-1].is_current:
        changes.append(await cursor.poll())
    return changes


async def fresh_replay(there: Deployed, tmp_path: Path) -> list[Log]:
    path = tmp_path / f"fresh-{random.getrandbits(64):x}.sqlite"
    cursor = cursor_of(there, path)
    await catch_up(cursor)
    logs = list(cursor.logs())
    cursor.close()
    return logs


async def act_at_random(there: Deployed, tasks: list[Task], chance: random.Random) -> None:
    """One step of a task's life, or a new task. Refusals belong to it: another step, or a reorganisation, was first."""
    if not tasks or chance.random() < 0.15:
        task = replace(await there.task(), salt=chance.randbytes(32))
        tasks.append(task)
        call, sender = there.market.create(task, SPEC), CLIENT
    else:
        task = chance.choice(tasks)
        result, transcript = Content.of(task.salt * (1 + task.salt[0])), Content.of(b"{}")
        call, sender = chance.choice(
            [
                (there.market.create(task, SPEC), CLIENT),
                (there.market.cancel(task), CLIENT),
                (there.market.accept(task), PROVIDER),
                (there.market.accept(task), PROVIDER),
                (there.market.submit(task, result, transcript), PROVIDER),
                (there.market.submit(task, result, transcript), PROVIDER),
                (there.market.challenge(task, result.hash, transcript.hash), CHALLENGER),
                (there.market.close(task), CHALLENGER),
            ]
        )
    try:
        await there.send(call, sender.address)
    except Reverted:
        # Not an empty block: another empty one of the same second in its place is the same block.
        await there.send(there.currency.mint(PROVIDER.address, 1), PROVIDER.address)


@pytest.mark.parametrize("seed", [1, 2])
def test_through_reorganisations_and_restarts_the_state_is_a_fresh_replays(
    seed: int, anvil: Anvil, tmp_path: Path
) -> None:
    async def live() -> None:
        chance = random.Random(seed)
        async with deployed(anvil) as there:
            for key in (CLIENT, PROVIDER, CHALLENGER):
                await there.fund(key.address)
            tasks: list[Task] = []
            for _ in range(40):
                await act_at_random(there, tasks, chance)
            await there.mine(5)
            cursor = cursor_of(there, tmp_path / "cursor.sqlite")
            seen: list[Log] = []
            num_rollbacks = 0
            for _ in range(6):
                changes: list[Change] = []
                for _ in range(chance.randrange(4, 14)):
                    await act_at_random(there, tasks, chance)
                    if chance.random() < 0.3:
                        changes += await catch_up(cursor)
                changes += await catch_up(cursor)
                await act_at_random(there, tasks, chance)
                if chance.random() < 0.5:
                    cursor.close()
                    cursor = cursor_of(there, tmp_path / "cursor.sqlite")
                # While actions go on: what the cursor reads next is partly of the old chain, partly of the new one.
                _, change, _ = await asyncio.gather(
                    there.reorganise(5), cursor.poll(), act_at_random(there, tasks, chance)
                )
                changes += [change, *await catch_up(cursor)]
                num_rollbacks += sum(change.rolled_back_to is not None for change in changes)
                seen = apply(seen, changes)
                replayed = await fresh_replay(there, tmp_path)
                assert list(cursor.logs()) == seen == replayed
                state = fold(there, replayed)
                for task in tasks:
                    id = there.market.id_of(task)
                    assert (await there.market.state(id)).status == state.get(id, Status.NONE)
            assert num_rollbacks >= 6 and len(set(state.values())) >= 3
            cursor.close()

    asyncio.run(live())


def apply(seen: list[Log], changes: list[Change]) -> list[Log]:
    """What a reader of changes keeps."""
    for change in changes:
        if change.rolled_back_to is not None:
            seen = [log for log in seen if log.block_number <= change.rolled_back_to]
        seen = [*seen, *change.added]
    return seen


CHILD = """
import asyncio, sys
from moray.contracts.chain import Chain
from moray.contracts.cursor import EventCursor

async def main(url, database, address, first):
    chain = await Chain.open([url])
    cursor = EventCursor(chain, database, "tasks", [address], from_block=int(first))
    while True:
        change = await cursor.poll()
        print(len(change.added), flush=True)
        await asyncio.sleep(0.01)

asyncio.run(main(*sys.argv[1:]))
"""


def test_killed_between_polls_it_goes_on_where_it_was(anvil: Anvil, tmp_path: Path) -> None:
    async def live() -> None:
        chance = random.Random(7)
        async with deployed(anvil) as there:
            for key in (CLIENT, PROVIDER, CHALLENGER):
                await there.fund(key.address)
            tasks: list[Task] = []
            path = tmp_path / "cursor.sqlite"
            num_read = 0
            for round in range(3):
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", CHILD, anvil.url, f"sqlite:///{path}"),
                    *(there.market.address, str(there.addresses.deployed_at_block)),
                    stdout=subprocess.PIPE,
                )
                try:
                    assert child.stdout is not None
                    num_read += int(await child.stdout.readline())
                    for _ in range(chance.randrange(12, 20)):
                        await act_at_random(there, tasks, chance)
                    if round:
                        await there.reorganise(3)
                    num_read += int(await child.stdout.readline())
                finally:
                    child.kill()
                    await child.wait()
            cursor = cursor_of(there, path)
            await catch_up(cursor)
            logs = list(cursor.logs())
            assert logs == await fresh_replay(there, tmp_path)
            assert num_read > 0 and len(logs) > 5
            cursor.close()

    asyncio.run(live())


def test_ranges_become_as_small_as_the_endpoint_wants_and_grow_again(anvil: Anvil, tmp_path: Path) -> None:
    most = 3  # logs in one answer
    asked: list[int] = []

    def refuse(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if request["method"] != "eth_getLogs" or "blockHash" in request["params"][0]:
            return reply
        where = request["params"][0]
        asked.append(int(where["toBlock"], 16) - int(where["fromBlock"], 16) + 1)
        if len(reply["result"]) <= most:
            return reply
        return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": "too many results"}}

    async def live() -> None:
        async with deployed(anvil) as there:
            await there.fund(CLIENT.address)
            first = (await there.chain.head()).number
            for number in range(12):
                await there.send(there.market.create(await there.task(salt=bytes([number] * 32)), SPEC), CLIENT.address)
            await there.mine(500)
            async with proxy(anvil.url, refuse) as strict:
                chain = await Chain.open([strict])
                cursor = cursor_of(there, tmp_path / "cursor.sqlite", chain)
                changes = await catch_up(cursor)
                await chain.close()
            assert [log.block_number for change in changes for log in change.added] == list(
                range(first + 1, first + 13)
            )
            assert min(asked) <= most < 50 < max(asked[-3:])
            assert all(not change.is_current for change in changes[:-1]) and changes[-1].is_current
            assert list(cursor.logs()) == await fresh_replay(there, tmp_path)
            cursor.close()

    asyncio.run(live())


def test_an_endpoint_that_refuses_even_one_block_is_an_error_and_nothing_changes(anvil: Anvil, tmp_path: Path) -> None:
    def refuse(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        error = {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no such method"}}
        return error if request["method"] == "eth_getLogs" else reply

    async def live() -> None:
        async with deployed(anvil) as there, proxy(anvil.url, refuse) as useless:
            chain = await Chain.open([useless])
            for _ in range(2):  # in the newest blocks, then in old ones
                cursor = cursor_of(there, tmp_path / "cursor.sqlite", chain)
                with pytest.raises(ChainRefused, match="no such method"):
                    await cursor.poll()
                assert list(cursor.logs()) == []
                cursor.close()
                await there.mine(2 * SETTLED_DEPTH)
            await chain.close()

    asyncio.run(live())


def test_events_that_were_not_asked_for_are_not_believed(anvil: Anvil, tmp_path: Path) -> None:
    def move(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        for log in reply["result"] if request["method"] == "eth_getLogs" else []:
            log["blockHash"] = "0x" + "42" * 32
        return reply

    async def live() -> None:
        async with deployed(anvil) as there, proxy(anvil.url, move) as liar:
            await there.fund(CLIENT.address)
            await there.send(there.market.create(await there.task(), SPEC), CLIENT.address)
            chain = await Chain.open([liar])
            cursor = cursor_of(there, tmp_path / "cursor.sqlite", chain)
            with pytest.raises(ChainError, match="not asked for"):
                await catch_up(cursor)
            assert list(cursor.logs()) == []
            cursor.close()
            await chain.close()

    asyncio.run(live())


def test_a_reorganisation_below_all_known_blocks_has_it_begin_anew(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor_module, "KEPT_BLOCKS", 4)

    async def live() -> None:
        async with deployed(anvil) as there:
            await there.fund(CLIENT.address)
            cursor = cursor_of(there, tmp_path / "cursor.sqlite")
            for number in range(10):
                await there.send(there.market.create(await there.task(salt=bytes([number] * 32)), SPEC), CLIENT.address)
                await catch_up(cursor)
            before = list(cursor.logs())
            await there.reorganise(8)
            changes = await catch_up(cursor)
            assert changes[0].rolled_back_to == there.addresses.deployed_at_block - 1
            assert list(cursor.logs()) == await fresh_replay(there, tmp_path) == before[:2]
            cursor.close()

    asyncio.run(live())


def test_a_changed_filter_begins_anew_and_cursors_do_not_share(anvil: Anvil, tmp_path: Path) -> None:
    async def live() -> None:
        async with deployed(anvil) as there:
            await there.fund(CLIENT.address)
            task = await there.task()
            await there.send(there.market.create(task, SPEC), CLIENT.address)
            await there.send(there.market.cancel(task), CLIENT.address)
            path, url = tmp_path / "cursor.sqlite", f"sqlite:///{tmp_path / 'cursor.sqlite'}"
            every, other = cursor_of(there, path), cursor_of(there, path, name="other")
            await catch_up(every)
            assert len(list(every.logs())) == 2 and list(other.logs()) == []
            closed = there.market.contract.event_topic("TaskClosed")
            only = EventCursor(there.chain, url, "tasks", [there.market.address], [closed])
            assert list(only.logs()) == []
            await catch_up(only)
            assert [log.topics[0] for log in only.logs()] == [closed]
            await catch_up(other)
            assert len(list(other.logs())) == 2
            for each in (every, other, only):
                each.close()

    asyncio.run(live())


def test_two_that_read_under_one_name_are_told(anvil: Anvil, tmp_path: Path) -> None:
    async def live() -> None:
        async with deployed(anvil) as there:
            one, two = (cursor_of(there, tmp_path / "cursor.sqlite") for _ in range(2))
            assert list(one.logs()) == list(two.logs()) == []
            results = await asyncio.gather(one.poll(), two.poll(), return_exceptions=True)
            (refused,) = [result for result in results if isinstance(result, BaseException)]
            assert isinstance(refused, ChainError) and "another process reads" in str(refused)
            one.close()
            two.close()

    asyncio.run(live())


def test_who_was_not_told_what_another_process_read_is_told_that_and_not_silence(anvil: Anvil, tmp_path: Path) -> None:
    async def live() -> None:
        async with deployed(anvil) as there:
            one, two, three = (cursor_of(there, tmp_path / "cursor.sqlite") for _ in range(3))
            await catch_up(one)
            assert list(two.logs()) == []
            await there.fund(CLIENT.address)
            await there.send(there.market.create(await there.task(), SPEC), CLIENT.address)
            assert len((await one.poll()).added) == 1
            with pytest.raises(ChainError, match="another process reads"):
                await two.poll()  # it would go on behind the event
            assert len(list(three.logs())) == 1
            await there.mine(1)
            await three.poll()
            with pytest.raises(ChainError, match="another process reads"):
                await one.poll()
            for cursor in (one, two, three):
                cursor.close()

    asyncio.run(live())
