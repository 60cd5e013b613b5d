"""Operators with separate Ray clusters and keys under one router, while 200 streams run: one joins, one is killed, one
freezes, one leaves. Nobody's stream notices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from operators import OpenNetwork, Operator, joined, open_network
from stream_load import StreamLoad

pytestmark = pytest.mark.integration

NUM_EXPERTS, NUM_STREAMS = 4, 200
CONFIG = DEMO_CONFIG | {"n_routed_experts": NUM_EXPERTS, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
# All at once: none is to wait in a queue where nothing can happen to it.
ENV = {"MORAY_MAX_RUNNING": str(NUM_STREAMS), "MORAY_MAX_WAITING": "512", "MORAY_MAX_WAITING_PER_USER": "512"}
WAIT_S = 90.0
ALL = ("--slots", str(NUM_EXPERTS))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenNetwork]:
    folder: Path = tmp_path_factory.mktemp("operators")
    write_random_checkpoint(folder / "checkpoint", CONFIG, seed=4)
    write_shards(folder / "checkpoint", folder / "shards")
    with open_network(folder / "shards", folder, env=ENV) as network:
        yield network


@pytest.mark.timeout(600)
def test_200_streams_do_not_notice_operators_that_join_die_freeze_and_leave(network: OpenNetwork) -> None:
    with joined(network, "a", *ALL) as first, joined(network, "b", *ALL) as second:
        for operator in (first, second):
            assert operator.serving()["experts"] == list(range(NUM_EXPERTS))
        asyncio.run(undisturbed_by(network, first, second))


async def undisturbed_by(network: OpenNetwork, first: Operator, second: Operator) -> None:
    load = StreamLoad(network.network.url, network.network.model)
    await load.learn()
    num_whole = 0

    async def streams_went_on(since: str) -> None:
        nonlocal num_whole
        before, num_whole = num_whole, load.num_whole
        assert num_whole > before, f"no stream ended {since}: nothing was shown"

    async with load.streams(NUM_STREAMS):
        third = await asyncio.to_thread(Operator, network, "c", *ALL)
        try:
            await asyncio.to_thread(third.serving)
            await seen(network, lambda page: serving_nodes(page) == {first.address, second.address, third.address})
            await streams_went_on("while the third joined")
            await asyncio.to_thread(first.kill)
            await seen(network, lambda page: serving_nodes(page) == {second.address, third.address})
            await streams_went_on("after the first was killed")
            frozen = await asyncio.to_thread(second.replica_pids)
            assert len(frozen) == NUM_EXPERTS
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            await seen(network, lambda page: serving_nodes(page) == {third.address})
            await streams_went_on("while the second was frozen")
            for pid in frozen:
                if pid in await asyncio.to_thread(second.replica_pids):  # Serve may have replaced it
                    os.kill(pid, signal.SIGCONT)
            await seen(network, lambda page: serving_nodes(page) == {second.address, third.address})
            await asyncio.to_thread(third.leave)
            await seen(network, lambda page: serving_nodes(page) == {second.address})
            await streams_went_on("after the third had left")
        finally:
            await asyncio.to_thread(third.end)
    assert (load.num_failed, load.num_different) == (0, 0)
    assert load.num_whole >= NUM_STREAMS


async def seen(network: OpenNetwork, condition: Callable[[dict[str, Any]], bool]) -> None:
    await asyncio.to_thread(network.network.wait, condition, "what was waited for", WAIT_S)


def serving_nodes(page: dict[str, Any]) -> set[str]:
    """Signers whose node serves every expert."""
    return {
        node["signer"]
        for node in page["nodes"]
        if sum(replica["state"] == "serving" for replica in node["replicas"]) == NUM_EXPERTS
    }
