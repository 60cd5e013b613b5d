"""A router's Unix socket: replicas on its machine use it, and no harm comes of a path that leads elsewhere."""

from __future__ import annotations

import os
import random
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from dataplane_kit import (
    NUM_EXPERTS,
    WIDTH,
    Router,
    eventually,
    in_event_loop,
    open_replica,
    open_router,
    random_rows,
    random_work,
    reference,
)
from moray.cli.launch import _socket_path
from moray.experts import uplink_threads
from moray.nodes.state import MAX_SOCKET_PATH_BYTES
from moray.types import DataAddress
from wire_kit import bits

MAX_BUFFER_BYTES = int(Path("/proc/sys/net/core/wmem_max").read_text())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)
    monkeypatch.setattr(uplink_threads, "FIRST_BACKOFF_S", 0.01)


def families(router: Router) -> set[socket.AddressFamily]:
    return {socket.socket(fileno=os.dup(uplink._fd)).family for uplink in router.directory.uplinks.values()}


async def assert_answers(router: Router, experts: int = 1, num_rows: int = 3) -> None:
    rows, ids = random_work(random.Random(num_rows), num_rows, range(experts), 1)
    assert bits(await router.experts.dispatch(1, rows, ids)) == bits(reference(1, rows, ids))


@pytest.mark.parametrize("is_compiled", [False, True])
@in_event_loop
async def test_replicas_on_the_routers_machine_come_over_its_socket(tmp_path: Path, is_compiled: bool) -> None:
    path, rng = str(tmp_path / "router.sock"), random.Random(5)
    async with open_router(socket_path=path) as router, AsyncExitStack() as replicas:
        for expert in range(NUM_EXPERTS):
            replica = open_replica(router.port, [expert], f"r{expert}", is_compiled, socket_path=path)
            await replicas.enter_async_context(replica)
        await router.joined(NUM_EXPERTS)
        assert families(router) == {socket.AF_UNIX}
        for num_rows in (1, 2, 7, 30):
            rows, ids = random_work(rng, num_rows, range(NUM_EXPERTS), 2)
            assert bits(await router.experts.dispatch(1, rows, ids)) == bits(reference(1, rows, ids))


@in_event_loop
async def test_frames_that_no_unix_sockets_buffer_holds_arrive_whole(tmp_path: Path) -> None:
    path, num_rows = str(tmp_path / "router.sock"), 2 * MAX_BUFFER_BYTES // (WIDTH * 4)
    async with (
        open_router(socket_path=path) as router,
        open_replica(router.port, [0], is_compiled=True, socket_path=path, capacity=2 * num_rows),
    ):
        await router.joined(1)
        rows = random_rows(num_rows)
        ids = np.zeros((num_rows, 1), np.int64)
        for _ in range(3):
            assert bits(await router.experts.dispatch(1, rows, ids)) == bits(reference(1, rows, ids))


@pytest.mark.parametrize("what", ["nothing", "a file", "a dead socket", "a folder"])
@in_event_loop
async def test_where_the_path_leads_nowhere_a_replica_comes_over_tcp(tmp_path: Path, what: str) -> None:
    path = tmp_path / "router.sock"
    match what:
        case "a file":
            path.write_bytes(b"mine")
        case "a dead socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
        case "a folder":
            path.mkdir()
    async with open_router() as router, open_replica(router.port, [0], socket_path=str(path)):
        await router.joined(1)
        assert families(router) == {socket.AF_INET}
        await assert_answers(router)


@in_event_loop
async def test_where_the_path_leads_to_another_network_a_replica_comes_over_tcp(tmp_path: Path) -> None:
    path, other = str(tmp_path / "router.sock"), b"another operator's token".ljust(32)
    async with (
        open_router(token=other, socket_path=path) as stranger,
        open_router() as router,
        open_replica(router.port, [0], socket_path=path),
    ):
        await router.joined(1)
        assert families(router) == {socket.AF_INET} and not stranger.directory.uplinks
        assert stranger.acceptor.counters.joins_refused >= 1
        await assert_answers(router)


@in_event_loop
async def test_a_replica_finds_its_router_again_over_either_way(tmp_path: Path) -> None:
    path = str(tmp_path / "router.sock")
    async with AsyncExitStack() as replicas:
        async with open_router(socket_path=path) as router:
            port = router.port
            await replicas.enter_async_context(open_replica(port, [0], socket_path=path))
            await router.joined(1)
        async with open_router(port=port, directory=router.directory) as without:  # the old socket lies there
            await without.joined(1)
            assert families(without) == {socket.AF_INET}
            await assert_answers(without)
        async with open_router(port=port, directory=router.directory, socket_path=path) as again:
            await again.joined(1)
            assert families(again) == {socket.AF_UNIX}
            await assert_answers(again)


@pytest.mark.parametrize("what", ["a file", "no folder"])
@in_event_loop
async def test_a_router_that_cannot_have_its_socket_serves_over_tcp_and_touches_nothing(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("router.sock" if what == "a file" else "absent/router.sock")
    if what == "a file":
        path.write_bytes(b"mine")
    async with open_router(socket_path=str(path)) as router, open_replica(router.port, [0], socket_path=str(path)):
        await router.joined(1)
        await assert_answers(router)
    assert str(path) in caplog.text
    assert path.read_bytes() == b"mine" if what == "a file" else not path.parent.exists()


@in_event_loop
async def test_connections_that_wait_are_few_on_the_socket_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moray.router.listener.MAX_PENDING_PER_ADDRESS", 2)
    path = str(tmp_path / "router.sock")
    async with open_router(socket_path=path) as router:
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for connection in waiting:
            connection.connect(path)
        await eventually(lambda: len(router.acceptor._handshaking) == 2)
        for connection in waiting:
            connection.close()
        await eventually(lambda: not router.acceptor._handshaking)


def test_a_state_directory_whose_name_leaves_no_room_for_a_socket_does_without() -> None:
    room = MAX_SOCKET_PATH_BYTES - len("/router.sock") - 1
    assert _socket_path(Path("/" + "x" * room)) == "/" + "x" * room + "/router.sock"
    assert _socket_path(Path("/" + "x" * (room + 1))) == ""
    assert _socket_path(Path("/" + "ü" * (room // 2 + 1))) == ""


def test_an_address_prints_as_what_others_dial() -> None:
    assert str(DataAddress("10.0.0.7", 7000, "/run/router.sock")) == "10.0.0.7:7000"
