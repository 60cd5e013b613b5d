"""Placement in a running router: real uplinks into the directory, real reports, real rows into the meter."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from time import monotonic, time
from types import SimpleNamespace
from typing import cast

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from dataplane_kit import IDENTITY, NUM_EXPERTS, dial_and_join, eventually, in_event_loop, open_replica, open_router
from gateway_kit import WAIT_S, served
from moray.node_key import NodeKey
from moray.node_report import encode_report, parse_assignment, sign_report
from moray.router.assignment import Rules
from moray.router.directory import Directory
from moray.router.health import Health
from moray.router.heat import HeatMeter
from moray.router.network_experts import NetworkExperts
from moray.router.placement import Placement
from moray.router.placement_service import live_experts, placement_routes, run_placement
from report_kit import a_report

KEY = NodeKey.from_bytes(bytes(31) + b"\x07")


@in_event_loop
async def test_a_node_takes_what_the_routers_own_replicas_do_not_serve() -> None:
    async with open_router() as router, open_replica(router.port, range(NUM_EXPERTS - 2)):
        await router.joined(1)
        app = FastAPI()
        app.include_router(placement_routes(IDENTITY, router.directory, HeatMeter(NUM_EXPERTS, monotonic())))
        with served(app) as port:
            report = a_report(
                network_id=IDENTITY.network_id, router=IDENTITY.router, num_slots=2, reported_at=int(time())
            )
            response = await asyncio.to_thread(
                httpx2.post,
                f"http://127.0.0.1:{port}/network/assignment",
                content=encode_report(sign_report(KEY, report, IDENTITY.chain_id)),
                timeout=WAIT_S,
            )
        assert parse_assignment(response.content).experts == (NUM_EXPERTS - 2, NUM_EXPERTS - 1)


@in_event_loop
async def test_what_is_live_is_what_answers_by_node_over_all_its_replicas() -> None:
    async with open_router() as router, AsyncExitStack() as stack:
        for replica_id, node_id, experts in (("1", "a", [0, 1]), ("2", "a", [1, 2]), ("3", "b", [3])):
            peer, _ = await dial_and_join(router.port, replica_id=replica_id, node_id=node_id, experts=experts)
            stack.callback(peer.close)
        await router.joined(3)
        assert live_experts(router.directory, monotonic()) == {("", "a"): {0, 1, 2}, ("", "b"): {3}}
        (suspended,) = router.directory.replicas(0)
        suspended.health = Health(0.0).silent("it does not answer", monotonic(), random.Random())
        assert live_experts(router.directory, monotonic()) == {("", "a"): {1, 2}, ("", "b"): {3}}
        suspended.is_draining = True
        assert live_experts(router.directory, monotonic() + 60) == {("", "a"): {1, 2}, ("", "b"): {3}}


def test_nodes_of_two_signers_are_two_nodes() -> None:
    directory = Directory(NUM_EXPERTS)
    for signer, expert in (("a", 0), ("b", 1)):
        join = SimpleNamespace(signer=signer, node_id="node", experts=[expert])
        uplink = SimpleNamespace(join=join, is_usable=True, health=Health(0.0))
        cast(dict[object, object], directory.uplinks)[signer] = uplink
    assert live_experts(directory, 1.0) == {("a", "node"): {0}, ("b", "node"): {1}}


@in_event_loop
async def test_the_meter_counts_what_is_dispatched() -> None:
    meter = HeatMeter(NUM_EXPERTS, monotonic() - 100)
    async with open_router() as router, open_replica(router.port, range(NUM_EXPERTS)):
        await router.joined(1)
        experts = NetworkExperts(router.directory, router.acceptor.counters, heat=meter)
        await experts.dispatch(1, np.zeros((2, 16), np.float32), np.array([[0, 3], [3, 5]]))
    heat = meter.snapshot(monotonic())
    assert heat.argmax() == 3 and np.flatnonzero(heat).tolist() == [0, 3, 5]


@in_event_loop
async def test_a_look_that_fails_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    placement, directory = Placement(NUM_EXPERTS, Rules(), monotonic()), Directory(NUM_EXPERTS)
    seen = list[object]()

    class FailsOnce(HeatMeter):
        def snapshot(self, now_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            seen.append(now_s)
            if len(seen) == 1:
                raise ZeroDivisionError("a mistake")
            return np.zeros(NUM_EXPERTS)

    task = asyncio.create_task(run_placement(placement, directory, FailsOnce(NUM_EXPERTS, 0.0), period_s=0.001))
    await eventually(lambda: len(seen) >= 3)
    task.cancel()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
