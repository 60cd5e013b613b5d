"""A client that waits hears of the end when it can take it, and of a task that is none at once."""

from __future__ import annotations

import asyncio

import pytest

from chain_kit import CLIENT, SPEC, deployed
from moray.contracts.chain import Chain
from moray.contracts.client import TaskClient
from moray.errors import NoResult, TaskUnknown


def test_waiting_ends_where_the_result_is_told_and_not_blocks_before() -> None:
    async def story() -> None:
        async with deployed() as there:
            chain = await Chain.open([there.chain.endpoints[0].url], confirmations=3)
            client = TaskClient(chain, there.addresses, frozenset(), lambda _url, _limit: b"")
            await there.fund(CLIENT.address)
            with pytest.raises(TaskUnknown):
                await asyncio.wait_for(client.wait(bytes(32)), 20.0)
            task = await there.task()
            await there.send(there.market.create(task, SPEC), CLIENT.address)
            await there.send(there.market.cancel(task), CLIENT.address)
            waiting = asyncio.create_task(client.wait(there.market.id_of(task)))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            await there.mine(3)
            assert (await asyncio.wait_for(waiting, 20.0)).status.is_final
            with pytest.raises(NoResult):
                await client.result(there.market.id_of(task))
            await chain.close()

    asyncio.run(story())
