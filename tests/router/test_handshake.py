"""Who may become an uplink: every refusal with its code, and strangers cost next to nothing. Real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
import pytest

from dataplane_kit import (
    IDENTITY,
    NUM_EXPERTS,
    TOKEN,
    WEIGHTS,
    WIDTH,
    Peer,
    dial_and_join,
    eventually,
    identity_of,
    in_event_loop,
    make_join,
    open_router,
)
from moray import wire
from moray.errors import JoinRefused, PortTaken, WireError
from moray.experts import connections
from moray.experts import uplink as expert_uplink
from moray.experts.connections import PlainConnection
from moray.experts.credentials import TokenCredentials
from moray.experts.executor import Executor
from moray.experts.uplink import ExpertUplink, ReplicaIdentity
from moray.router import listener
from moray.router.health import Circuit
from moray.router.listener import listen
from moray.router.uplink import Uplink
from moray.types import DataAddress

EXECUTOR = Executor({0: WEIGHTS[0]}, WIDTH, 500_000)
ROW = np.ones((1, WIDTH), np.float32)


class Dialled:
    """One real replica's connection in a thread; ``closed`` is done when it is over, and says why."""

    def __init__(self, port: int, identity: ReplicaIdentity, incarnation: int = 1, token: bytes = TOKEN) -> None:
        connection = PlainConnection(socket.create_connection(("127.0.0.1", port)))
        self.uplink = ExpertUplink(connection, identity, TokenCredentials(token), incarnation, EXECUTOR)
        self.closed = asyncio.ensure_future(asyncio.to_thread(self.uplink.run))


# -- refusals of the router


@in_event_loop
async def test_a_join_that_fits_is_welcomed_and_serves() -> None:
    async with open_router() as router:
        peer, welcome = await dial_and_join(router.port, experts=[1, 4])
        assert isinstance(welcome, wire.Welcome)
        assert welcome.proof == wire.welcome_proof(TOKEN, welcome.uplink_id)
        assert router.experts.missing() == set(range(NUM_EXPERTS)) - {1, 4}
        peer.close()
        await router.joined(0)
        assert router.experts.missing() == set(range(NUM_EXPERTS))


@pytest.mark.parametrize(
    "code, changes",
    [
        ("wrong_protocol", {"protocol": wire.PROTOCOL_VERSION + 1}),
        ("wrong_model", {"model_id": "model-b"}),
        ("wrong_numeric_class", {"numeric_class": "bfloat16"}),
        ("wrong_router", {"router": "router-b"}),
        ("wrong_experts", {"experts": [NUM_EXPERTS]}),
        ("wrong_experts", {"experts": [1, 0]}),
        ("wrong_experts", {"experts": [1, 1]}),
        ("wrong_token", {"token": b"u" * 32}),
        ("wrong_token", {"token": b""}),
        ("stale_incarnation", {"incarnation": 0, "replica_id": "known"}),
        ("wrong_shard", {"shards_digest": bytes(32)}),
    ],
)
@in_event_loop
async def test_a_join_that_does_not_fit_is_refused_with_its_code(code: str, changes: dict[str, Any]) -> None:
    async with open_router() as router:
        known, _ = await dial_and_join(router.port, incarnation=0, replica_id="known")
        before = set(router.directory.uplinks)
        if code == "wrong_shard":
            router.acceptor.identity = replace(IDENTITY, shard_digests=(bytes(32),) * NUM_EXPERTS)
        peer, answer = await dial_and_join(router.port, **changes)
        assert isinstance(answer, wire.Reject) and answer.code == code
        assert await peer.is_closed()
        assert set(router.directory.uplinks) == before == {("", "node", "known")}
        known.close()
        assert router.acceptor.counters.joins_refused == 1 and router.acceptor.counters.protocol_errors == 0


@in_event_loop
async def test_shards_of_the_manifest_are_welcomed() -> None:
    digests = tuple(bytes([expert]) * 32 for expert in range(NUM_EXPERTS))
    async with open_router(replace(IDENTITY, shard_digests=digests)) as router:
        _, answer = await dial_and_join(
            router.port, experts=[2, 5], shards_digest=wire.digest_of([digests[2], digests[5]])
        )
        assert isinstance(answer, wire.Welcome)


@in_event_loop
async def test_an_empty_proof_and_the_proof_of_another_challenge_are_refused() -> None:
    async with open_router() as router:
        first, second = await Peer.dial(router.port), await Peer.dial(router.port)
        hello, other = await first.read(), await second.read()
        assert isinstance(hello, wire.Hello) and isinstance(other, wire.Hello)
        assert hello.challenge != other.challenge
        join = make_join(hello)
        first.send(replace(join, proof=b""))
        second.send(join)
        for peer in (first, second):
            answer = await peer.read()
            assert isinstance(answer, wire.Reject) and answer.code == "wrong_token"


@in_event_loop
async def test_a_challenge_is_good_for_one_join() -> None:
    async with open_router() as router:
        peer = await Peer.dial(router.port)
        hello = await peer.read()
        assert isinstance(hello, wire.Hello)
        peer.send(make_join(hello, model_id="model-b"), make_join(hello))  # both in one segment
        assert isinstance(await peer.read(), wire.Reject)
        assert await peer.is_closed()
        assert router.directory.uplinks == {} and router.experts.missing() == set(range(NUM_EXPERTS))


@in_event_loop
async def test_a_newer_incarnation_takes_the_place_of_the_older_connection() -> None:
    async with open_router() as router:
        older, _ = await dial_and_join(router.port)
        newer, answer = await dial_and_join(router.port)
        assert isinstance(answer, wire.Welcome)
        assert await older.is_closed()
        await router.joined(1)
        assert router.experts.missing() == set(range(NUM_EXPERTS)) - {0}
        newer.close()
        await router.joined(0)


# -- limits for strangers


async def says_nothing(peer: Peer, hello: wire.Hello) -> None:
    pass


async def says_half_a_frame(peer: Peer, hello: wire.Hello) -> None:
    peer.send_bytes(wire.encode(make_join(hello))[:-1])


async def sends_garbage(peer: Peer, hello: wire.Hello) -> None:
    peer.send_bytes(b"GET / HTTP/1.1\r\n\r\n")


async def sends_no_message(peer: Peer, hello: wire.Hello) -> None:
    peer.send_bytes(b"\x01\0\0\0\xc1")


async def sends_more_than_4_kib(peer: Peer, hello: wire.Hello) -> None:
    peer.send_bytes((wire.MAX_HANDSHAKE_BYTES + 1).to_bytes(4, "little"))


async def skips_the_join(peer: Peer, hello: wire.Hello) -> None:
    peer.send(wire.Pong(1, 0, 0))


async def sends_a_hello_back(peer: Peer, hello: wire.Hello) -> None:
    peer.send(hello)


@pytest.mark.parametrize(
    "misbehave, is_error",
    [
        (says_nothing, False),
        (says_half_a_frame, False),
        (sends_garbage, True),
        (sends_no_message, True),
        (sends_more_than_4_kib, True),
        (skips_the_join, True),
        (sends_a_hello_back, True),
    ],
)
@in_event_loop
async def test_a_stranger_who_does_not_join_is_closed(
    misbehave: Callable[[Peer, wire.Hello], Awaitable[None]], is_error: bool
) -> None:
    async with open_router() as router:
        router.acceptor.handshake_timeout_s = 20.0 if is_error else 0.2
        peer = await Peer.dial(router.port)
        hello = await peer.read()
        assert isinstance(hello, wire.Hello)
        await misbehave(peer, hello)
        assert await peer.is_closed()
        assert router.acceptor.counters.protocol_errors == is_error
        assert router.acceptor._handshaking == set() and not router.acceptor._pending
        _, answer = await dial_and_join(router.port)  # others are served on
        assert isinstance(answer, wire.Welcome)


@in_event_loop
async def test_an_uplink_outlives_the_time_for_its_handshake() -> None:
    async with open_router() as router:
        router.acceptor.handshake_timeout_s = 0.1
        peer, _ = await dial_and_join(router.port)
        await asyncio.sleep(0.3)
        assert len(router.directory.uplinks) == 1
        peer.close()


@in_event_loop
async def test_an_address_has_few_pending_connections_and_gets_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_PENDING_PER_ADDRESS", 2)
    async with open_router() as router:
        pending = [await Peer.dial(router.port) for _ in range(2)]
        hellos = [await peer.read() for peer in pending]
        one_more = await Peer.dial(router.port)
        assert await one_more.is_closed()
        assert isinstance(hellos[0], wire.Hello)
        pending[0].send(make_join(hellos[0]))  # who has joined is pending no longer
        assert isinstance(await pending[0].read(), wire.Welcome)
        third = await Peer.dial(router.port)
        assert isinstance(await third.read(), wire.Hello)
        pending[1].close()  # nor is who has gone
        await eventually(lambda: len(router.acceptor._handshaking) == 1)
        fourth = await Peer.dial(router.port)
        assert isinstance(await fourth.read(), wire.Hello)


@in_event_loop
async def test_a_mistake_of_the_router_over_one_peer_closes_only_that_uplink(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_router() as router:
        good, _ = await dial_and_join(router.port, replica_id="good")
        bad, _ = await dial_and_join(router.port, replica_id="bad")
        handle = Uplink._handle

        def stumble(self: Uplink, message: wire.Message) -> None:
            if message == wire.Pong(666, 0, 0):
                raise ZeroDivisionError
            handle(self, message)

        monkeypatch.setattr(Uplink, "_handle", stumble)
        bad.send(wire.Pong(666, 0, 0))
        assert await bad.is_closed()
        await router.joined(1)
        good.send(wire.Pong(1, 5, 0))
        (uplink,) = router.directory.uplinks.values()
        await eventually(lambda: uplink.rows_waiting == 5)


@in_event_loop
async def test_a_silent_uplink_gets_no_work_and_is_then_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PING_PERIOD_S", 0.05), ("SILENT_AFTER_S", 0.15), ("CLOSE_AFTER_S", 0.6)):
        monkeypatch.setattr(listener, name, value)
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port)
        (uplink,) = router.directory.uplinks.values()
        await eventually(lambda: uplink.health.circuit is Circuit.OPEN)
        assert uplink.condition(monotonic())[:2] == ("suspended", listener.SILENT)
        peer.send(wire.Pong(1, 9, 0))
        await eventually(lambda: uplink.rows_waiting == 9)
        assert not uplink.is_closed
        assert await peer.is_closed()
        await router.joined(0)


@in_event_loop
async def test_a_port_that_is_taken_is_named() -> None:
    async with open_router() as router:
        with pytest.raises(PortTaken, match=str(router.port)):
            await listen(router.acceptor, DataAddress("127.0.0.1", router.port))


# -- the replica's side


@asynccontextmanager
async def scripted_router(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[int]:
    """A router that does as the script says, and then holds the connection."""
    peers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(Peer(reader, writer))
        await script(peers[-1])

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for peer in peers:
            peer.close()


HELLO = wire.Hello(wire.PROTOCOL_VERSION, wire.PROTOCOL_VERSION, "test", 0, "model-a", "router-a", b"c" * 32, [])


async def welcome(peer: Peer, token: bytes = TOKEN, hello: wire.Hello = HELLO) -> wire.Welcome:
    peer.send(hello)
    join = await peer.read()
    assert isinstance(join, wire.Join)
    uplink_id = wire.uplink_id(hello, join)
    return wire.Welcome(uplink_id, wire.welcome_proof(token, uplink_id), 100, 1000, 0, [])


async def does_not_know_the_token(peer: Peer) -> None:
    peer.send(await welcome(peer, b"u" * 32))


async def welcomes_another_join(peer: Peer) -> None:
    peer.send(replace(await welcome(peer), uplink_id=bytes(32)))


async def speaks_another_protocol(peer: Peer) -> None:
    peer.send(replace(HELLO, protocol_min=2, protocol_max=9))


async def says_hello_twice(peer: Peer) -> None:
    peer.send(HELLO, HELLO)


async def welcomes_before_the_hello(peer: Peer) -> None:
    peer.send(wire.Welcome(bytes(32), bytes(32), 1, 1, 0, []))


async def works_before_the_welcome(peer: Peer) -> None:
    await welcome(peer)
    peer.send(wire.Dispatch(0, 1, [(0, 1)], [0], ROW, 1000))


async def works_a_segment_before_the_welcome(peer: Peer) -> None:
    first = await welcome(peer)
    peer.send(wire.Dispatch(0, 1, [(0, 1)], [0], ROW, 1000), first)


async def sends_more_than_4_kib_before_the_welcome(peer: Peer) -> None:
    peer.send_bytes((wire.MAX_HANDSHAKE_BYTES + 1).to_bytes(4, "little"))


async def says_what_replicas_say(peer: Peer) -> None:
    peer.send(await welcome(peer), wire.Busy(0))


async def never_welcomes(peer: Peer) -> None:
    await welcome(peer)


@pytest.mark.parametrize(
    "script",
    [
        does_not_know_the_token,
        welcomes_another_join,
        speaks_another_protocol,
        says_hello_twice,
        welcomes_before_the_hello,
        works_before_the_welcome,
        works_a_segment_before_the_welcome,
        sends_more_than_4_kib_before_the_welcome,
        says_what_replicas_say,
        never_welcomes,
    ],
)
@in_event_loop
async def test_a_replica_leaves_a_router_that_breaks_the_protocol(
    script: Callable[[Peer], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is never_welcomes:
        monkeypatch.setattr(expert_uplink, "HANDSHAKE_TIMEOUT_S", 0.2)
    rows_before = EXECUTOR.rows_done
    async with scripted_router(script) as port:
        uplink = Dialled(port, identity_of([0]))
        with pytest.raises(WireError):
            await uplink.closed
        assert not uplink.uplink.is_serving and EXECUTOR.rows_done == rows_before


@in_event_loop
async def test_large_work_in_one_segment_with_the_welcome_is_answered() -> None:
    answers = asyncio.Queue[wire.Message]()
    rows = np.ones((200, WIDTH), np.float32)  # 12.8 kB, over the limit for strangers
    work = wire.Dispatch(0, 1, [(0, 200)], list(range(200)), rows, 1000)

    async def script(peer: Peer) -> None:
        peer.send(await welcome(peer), work)
        answers.put_nowait(await peer.read())

    async with scripted_router(script) as port:
        Dialled(port, identity_of([0]))
        answer = await answers.get()
    assert isinstance(answer, wire.Result) and answer.outputs.shape == (200, WIDTH)


@in_event_loop
async def test_a_replica_learns_why_it_was_refused() -> None:
    async with open_router() as router:
        uplink = Dialled(router.port, replace(identity_of([0]), model_id="model-b"))
        with pytest.raises(JoinRefused) as refused:
            await uplink.closed
        assert refused.value.reason_code == "wrong_model"


@in_event_loop
async def test_a_router_that_does_not_read_is_left_before_the_backlog_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_TIMEOUT_S", 0.2)

    async def script(peer: Peer) -> None:
        peer.send(await welcome(peer))
        for seq in range(60):  # half a megabyte of answer to each, none of them read
            peer.send(wire.Dispatch(seq, 1, [(0, 8000)], [0] * 8000, ROW, 1000))
            await asyncio.sleep(0)

    async with scripted_router(script) as port:
        uplink = Dialled(port, identity_of([0]))
        with pytest.raises(WireError, match="does not read"):
            await uplink.closed
