"""A layer's round through compiled code: the usual one never sees the event loop, and whatever is not usual gets the
same rows by the long way."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import msgpack
import numpy as np
import pytest

from dataplane_kit import (
    LIMIT_S,
    NUM_EXPERTS,
    WEIGHTS,
    WIDTH,
    Router,
    answer_to,
    eventually,
    in_event_loop,
    make_join,
    open_replica,
    open_router,
    random_rows,
    random_work,
    reference,
)
from moray import wire
from moray.experts import uplink_threads
from moray.experts.compiled import Ids, Rows
from moray.experts.executor import Answer, Executor
from moray.router import round as round_module
from moray.router import round_kernel
from moray.router.health import Circuit
from moray.router.round import Round
from moray.router.transport import ExpertsMissing
from moray.router.uplink import Uplink
from wire_kit import bits

ROWS, IDS = random_rows(3), np.array([[0, 1], [0, 1], [0, 1]])
CAPACITY = 1000


@pytest.fixture(autouse=True)
def short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(replica, seq) of every result that compiled code took from a socket."""
    taken: list[tuple[str, int]] = []
    original = Uplink.answered_bare

    def answered_bare(self: Uplink, seq: int, now: float) -> None:
        assert self.join is not None
        taken.append((self.join.replica_id, seq))
        original(self, seq, now)

    monkeypatch.setattr(Uplink, "answered_bare", answered_bare)
    return taken


def send(router: Router, rows: Rows = ROWS, ids: Ids = IDS, layer: int = 1) -> Round:
    pending = router.experts.dispatch(layer, rows, ids)
    assert isinstance(pending, Round)
    return pending


def is_compiled(pending: Round) -> bool:
    return pending._plan is not None


async def collect(pending: Awaitable[Rows]) -> Rows:
    return await pending


async def answer_and_collect(peer: Raw, answer: wire.Message | bytes, pending: Round) -> Rows:
    """With no turn of the loop in between, in which it might read the answer."""
    peer.send_bytes(answer if isinstance(answer, bytes) else wire.encode(answer))
    return await pending


class Raw:
    """A replica on a blocking socket. What it does between two awaits of the test happens with no turn of the loop."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(LIMIT_S)

    @classmethod
    async def join(cls, router: Router, receive_bytes: int | None = None, **changes: Any) -> Raw:
        num_uplinks = len(router.directory.uplinks)

        def dial() -> Raw:
            connection = socket.socket()
            if receive_bytes is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            connection.connect(("127.0.0.1", router.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw = cls(connection)
            hello = raw.read()
            assert isinstance(hello, wire.Hello)
            raw.send(make_join(hello, **({"experts": [0, 1]} | changes)))
            assert isinstance(raw.read(), wire.Welcome)
            return raw

        raw = await asyncio.to_thread(dial)
        await router.joined(num_uplinks + 1)
        return raw

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            assert more, "the router hung up"
            data += more
        return data

    def read(self) -> wire.Message:
        (size,) = struct.unpack("<I", self._exactly(4))
        return wire.decode(self._exactly(size))

    def work(self) -> wire.Dispatch:
        while not isinstance(message := self.read(), wire.Dispatch):
            assert isinstance(message, wire.Ping)
        return message

    def send(self, *messages: wire.Message) -> None:
        self.send_bytes(b"".join(map(wire.encode, messages)))

    def send_bytes(self, data: bytes) -> None:
        self.connection.sendall(data)

    def close(self, with_reset: bool = False) -> None:
        if with_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def the_uplink(router: Router) -> Uplink:
    (uplink,) = router.directory.uplinks.values()
    return uplink


def in_order(router: Router) -> bool:
    """Nothing is owed, and nobody broke the protocol."""
    uplinks = router.directory.uplinks.values()
    return router.acceptor.counters.protocol_errors == 0 and all(
        uplink.rows_in_flight == 0 and not uplink._in_flight for uplink in uplinks
    )


# -- real replicas, whose serving is compiled too


class Watched(Executor):
    """Counts what the serving kernel left to it."""

    num_executed = 0

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        Watched.num_executed += len(dispatches)
        return super().execute(dispatches)


def open_served(
    port: int, experts: Sequence[int], name: str, executor: type[Executor] = Executor
) -> AbstractAsyncContextManager[uplink_threads.UplinkThreads]:
    weights = {expert: WEIGHTS[expert] for expert in experts}
    return open_replica(port, experts, name, is_compiled=True, executor=executor(weights, WIDTH, CAPACITY))


PLACINGS = {
    "all experts in 1 uplink": [list(range(8))],
    "8 experts in 3 uplinks": [[0, 3, 6], [1, 4, 7], [2, 5]],
    "8 experts in 2 uplinks and again in 2": [[0, 1, 2, 3], [4, 5, 6, 7], [0, 2, 4, 6], [1, 3, 5, 7]],
}


@pytest.mark.parametrize("placing", PLACINGS.values(), ids=PLACINGS)
@in_event_loop
async def test_rounds_without_python_have_the_bits_of_local_experts(
    placing: list[list[int]], bare: list[tuple[str, int]]
) -> None:
    rng = random.Random(len(placing))
    async with open_router() as router, AsyncExitStack() as stack:
        for index, experts in enumerate(placing):
            await stack.enter_async_context(open_served(router.port, experts, f"replica-{index}", Watched))
        await router.joined(len(placing))
        Watched.num_executed = 0
        num_compiled = num_frames = 0
        for turn in range(30):
            layer, work = 1 + turn % 2, random_work(rng, rng.choice([1, 2, 7, 40]), range(8), rng.randint(1, 8))
            pending = send(router, *work, layer)
            num_compiled += is_compiled(pending)
            num_frames += 0 if pending._plan is None else len(pending._plan)
            assert bits(await pending) == bits(reference(layer, *work))
        assert num_compiled == 30
        assert len(bare) >= num_frames // 2 > 0  # but where a result took longer than the wait
        assert Watched.num_executed < num_frames // 2  # but where a ping lay beside the work
        assert in_order(router) and router.acceptor.counters.retries == 0


@pytest.mark.parametrize("placing", PLACINGS.values(), ids=PLACINGS)
@pytest.mark.parametrize("order", ["as sent", "backwards", "at random", "all at once"])
@in_event_loop
async def test_many_rounds_under_way_at_once_get_each_its_own_rows(placing: list[list[int]], order: str) -> None:
    rng = random.Random(order)
    async with open_router() as router, AsyncExitStack() as stack:
        for index, experts in enumerate(placing):
            await stack.enter_async_context(open_served(router.port, experts, f"replica-{index}"))
        await router.joined(len(placing))
        for _ in range(2):
            works = [random_work(rng, rng.choice([1, 3, 20]), range(8), rng.randint(1, 8)) for _ in range(15)]
            pending = [(send(router, *work, 1 + i % 2), reference(1 + i % 2, *work)) for i, work in enumerate(works)]
            assert any(is_compiled(one) for one, _ in pending)
            if order == "backwards":
                pending.reverse()
            elif order == "at random":
                rng.shuffle(pending)
            if order == "all at once":
                outputs = await asyncio.gather(*(collect(one) for one, _ in pending))
            else:
                outputs = [await one for one, _ in pending]
            assert list(map(bits, outputs)) == [bits(wanted) for _, wanted in pending]
        assert in_order(router) and router.acceptor.counters.retries == 0


@in_event_loop
async def test_a_replica_that_is_cut_off_again_and_again_costs_no_row() -> None:
    rng = random.Random(9)
    async with open_router() as router, AsyncExitStack() as stack:
        for name in ("steady", "shaky"):
            await stack.enter_async_context(open_served(router.port, range(8), name))
        await router.joined(2)
        for turn in range(40):
            work = random_work(rng, rng.choice([1, 5, 30]), range(8), rng.randint(1, 8))
            pending = send(router, *work)
            if turn % 8 == 3:
                for uplink in list(router.directory.uplinks.values()):
                    assert uplink.join is not None
                    if uplink.join.replica_id == "shaky":
                        # as its network would: the socket ends under the transport
                        end = socket.socket(fileno=socket.dup(uplink._fd))
                        with contextlib.suppress(OSError):  # the replica was quicker
                            end.shutdown(socket.SHUT_RDWR)
                        end.close()
            assert bits(await pending) == bits(reference(1, *work))
        await router.joined(2)
        await eventually(lambda: in_order(router))


# -- how a usual round goes


@in_event_loop
async def test_a_usual_round_is_over_before_the_loop_has_turned(bare: list[tuple[str, int]]) -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        router.experts._room.turned_at = time.monotonic() + LIMIT_S  # the loop's turn is not due
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        pending = send(router)
        assert is_compiled(pending)
        work = peer.work()
        assert (work.seq, work.layer, work.groups, work.row_index) == (0, 1, [(0, 3), (1, 3)], [0, 1, 2, 0, 1, 2])
        assert bits(work.hidden_states) == bits(ROWS) and work.deadline_ms == LIMIT_S * 1000
        peer.send(answer_to(work))
        outputs = await pending
        assert turns == [] and bare == [("raw", 0)]
        assert bits(outputs) == bits(reference(1, ROWS, IDS))
        assert in_order(router) and the_uplink(router).next_seq == 1
        counters = router.acceptor.counters
        assert counters.frames_in == counters.frames_out - 1 == 2 or counters.frames_out > 3  # pings on the way


@in_event_loop
async def test_the_loop_has_its_turn_even_if_every_round_is_answered_at_once() -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        turns: list[int] = []

        def turn() -> None:
            turns.append(1)
            asyncio.get_running_loop().call_soon(turn)

        turn()
        router.experts._room.turned_at = float("-inf")
        pending = send(router)
        peer.send(answer_to(peer.work()))
        before = len(turns)
        await pending
        assert len(turns) > before


@in_event_loop
async def test_a_row_that_goes_to_several_experts_of_an_uplink_travels_once_in_compiled_frames() -> None:
    async with open_router() as router:
        low, high = await Raw.join(router), await Raw.join(router, experts=[2, 3, 4], replica_id="high")
        rows, ids = random_rows(4), np.array([[0, 1], [2, 4], [0, 3], [0, 1]])
        await eventually(lambda: all(uplink.bare_fd >= 0 for uplink in router.directory.uplinks.values()))
        pending = send(router, rows, ids)
        assert is_compiled(pending)
        work, other = low.work(), high.work()
        assert bits(work.hidden_states) == bits(rows[[0, 2, 3]])
        assert (work.groups, work.row_index) == ([(0, 3), (1, 2)], [0, 1, 2, 0, 2])
        assert bits(other.hidden_states) == bits(rows[[1, 2]])
        assert (other.groups, other.row_index) == ([(2, 1), (3, 1), (4, 1)], [0, 1, 0])
        high.send(answer_to(other))
        low.send(answer_to(work))
        assert bits(await pending) == bits(reference(1, rows, ids))


# -- what is not usual


@in_event_loop
async def test_work_that_one_frame_does_not_take_goes_message_by_message() -> None:
    async with open_router() as router:
        peer = await Raw.join(router, capacity=5)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router)
        assert not is_compiled(pending)
        task = asyncio.ensure_future(collect(pending))
        for _ in range(2):
            peer.send(answer_to(await asyncio.to_thread(peer.work)))
        assert bits(await task) == bits(reference(1, ROWS, IDS))


@in_event_loop
async def test_rows_for_which_the_room_is_too_small_go_message_by_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_module, "ROOM_BYTES", 1000)
    async with open_router() as router, open_served(router.port, [0, 1], "replica"):
        await router.joined(1)
        rows, ids = random_rows(40), np.array([[0, 1]] * 40)
        pending = send(router, rows, ids)
        assert not is_compiled(pending)
        assert bits(await pending) == bits(reference(1, rows, ids))


@in_event_loop
async def test_an_uplink_in_the_middle_of_a_frame_is_neither_read_nor_written_past_the_loop(
    bare: list[tuple[str, int]],
) -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        pong = wire.encode(wire.Pong(1, 77, 0))
        first = send(router)
        peer.send_bytes(pong[:9])
        await eventually(lambda: the_uplink(router)._reader.has_partial)
        assert the_uplink(router).bare_fd == -1 and not the_uplink(router).is_readable
        second = send(router, layer=2)
        assert not is_compiled(second)
        await asyncio.sleep(0)
        work, other = await asyncio.to_thread(peer.work), await asyncio.to_thread(peer.work)
        peer.send_bytes(pong[9:] + wire.encode(answer_to(work)) + wire.encode(answer_to(other)))
        assert bits(await first) == bits(reference(1, ROWS, IDS))
        assert bits(await second) == bits(reference(2, ROWS, IDS))
        assert the_uplink(router).rows_waiting == 77 and bare == [] and in_order(router)


@in_event_loop
async def test_what_python_wrote_before_a_round_goes_before_it() -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        the_uplink(router).ping(4242)
        pending = send(router)
        while peer.read() != wire.Ping(4242):  # the watch pings too
            pass
        work = peer.read()
        assert isinstance(work, wire.Dispatch)
        peer.send(answer_to(work))
        assert bits(await pending) == bits(reference(1, ROWS, IDS))


@in_event_loop
async def test_a_result_that_comes_after_the_wait_comes_through_the_loop(bare: list[tuple[str, int]]) -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router)
        assert is_compiled(pending)
        work = peer.work()
        task = asyncio.ensure_future(collect(pending))
        await asyncio.sleep(0)  # it waits, and gives up
        peer.send(answer_to(work))
        assert bits(await task) == bits(reference(1, ROWS, IDS))
        assert bare == [] and in_order(router)


@pytest.mark.parametrize("slow_expert", [0, 1])  # also when its frame is the last, which a collection waits for first
@in_event_loop
async def test_of_two_uplinks_the_quick_one_is_read_past_the_loop_and_the_slow_one_by_it(
    slow_expert: int, bare: list[tuple[str, int]]
) -> None:
    async with open_router() as router:
        quick = await Raw.join(router, experts=[1 - slow_expert])
        slow = await Raw.join(router, experts=[slow_expert], replica_id="slow")
        await eventually(lambda: all(uplink.bare_fd >= 0 for uplink in router.directory.uplinks.values()))
        pending = send(router)
        late = slow.work()
        task = asyncio.ensure_future(answer_and_collect(quick, answer_to(quick.work()), pending))
        await asyncio.sleep(0)
        assert bare == [("raw", 0)] and not task.done()
        slow.send(answer_to(late))
        assert bits(await task) == bits(reference(1, ROWS, IDS))
        assert bare == [("raw", 0)] and in_order(router)


@in_event_loop
async def test_a_result_in_two_pieces_is_whole_wherever_it_is_cut(bare: list[tuple[str, int]]) -> None:
    rows, ids = random_rows(1), np.array([[0]])
    async with open_router() as router:
        peer = await Raw.join(router)
        num_bytes = 54 + 4 * WIDTH - 8
        for cut in range(1, num_bytes):
            await eventually(lambda: the_uplink(router).bare_fd >= 0)
            pending = send(router, rows, ids)
            data = wire.encode(answer_to(peer.work()))
            assert len(data) >= num_bytes
            peer.send_bytes(data[:cut])
            task = asyncio.ensure_future(collect(pending))
            await asyncio.sleep(0)
            assert not task.done() and the_uplink(router)._reader.has_partial
            peer.send_bytes(data[cut:])
            assert bits(await task) == bits(reference(1, rows, ids))
        assert bare == [] and in_order(router) and router.acceptor.counters.retries == 0


@in_event_loop
async def test_what_lies_before_and_behind_a_result_is_heard_too(bare: list[tuple[str, int]]) -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        for turn in range(1, 6):
            await eventually(lambda: the_uplink(router).bare_fd >= 0)
            pending = send(router)
            assert is_compiled(pending)
            peer.send(wire.Pong(0, 0, 0), wire.Pong(0, turn, 0), answer_to(peer.work()), wire.Pong(0, 100 + turn, 0))
            assert bits(await pending) == bits(reference(1, ROWS, IDS))
            await eventually(lambda turn=turn: the_uplink(router).rows_waiting == 100 + turn)  # type: ignore[misc]
        assert in_order(router)


@in_event_loop
async def test_of_two_rounds_on_an_uplink_the_second_may_be_awaited_first() -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        rows = random_rows(1)
        first, second = send(router), send(router, rows, np.array([[1]]), 2)
        assert is_compiled(first) and is_compiled(second)
        peer.send(answer_to(peer.work()), answer_to(peer.work()))
        assert bits(await second) == bits(reference(2, rows, np.array([[1]])))
        assert bits(await first) == bits(reference(1, ROWS, IDS))
        assert in_order(router)


@in_event_loop
async def test_a_round_that_nobody_awaits_leaves_the_uplink_in_order() -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        abandoned, pending = send(router), send(router, layer=2)
        work, other = peer.work(), peer.work()
        del abandoned
        peer.send(answer_to(work), answer_to(other))
        assert bits(await pending) == bits(reference(2, ROWS, IDS))
        assert in_order(router)


@in_event_loop
async def test_a_late_result_of_an_earlier_round_is_let_pass_before_the_one_that_is_due() -> None:
    async with open_router(timeout_s=0.1) as router:
        peer = await Raw.join(router)
        with pytest.raises(ExpertsMissing):
            await send(router)
        late = peer.work()
        router.experts.timeout_s = LIMIT_S
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router, layer=2)
        assert is_compiled(pending)
        peer.send(answer_to(late), answer_to(peer.work()))
        assert bits(await pending) == bits(reference(2, ROWS, IDS))
        assert in_order(router) and the_uplink(router).health.circuit is Circuit.CLOSED


# -- peers that misbehave

Wrong = Callable[[wire.Dispatch], bytes]


def result(work: wire.Dispatch, seq: int = 0, height: int = 6, width: int = WIDTH, dtype: Any = np.float32) -> bytes:
    return wire.encode(wire.Result(work.seq + seq, np.zeros((height, width), dtype)))


WRONG: dict[str, Wrong] = {
    "seq of the next": lambda work: result(work, seq=1),
    "seq far away": lambda work: result(work, seq=2**63),
    "a row too few": lambda work: result(work, height=5),
    "a row too many": lambda work: result(work, height=7),
    "no rows": lambda work: result(work, height=0),
    "a value too few": lambda work: result(work, width=WIDTH - 1),
    "a value too many": lambda work: result(work, width=WIDTH + 1),
    "bytes": lambda work: result(work, width=4 * WIDTH, dtype=np.int8),
    "int32": lambda work: result(work, dtype=np.int32),
    "columns and rows exchanged": lambda work: wire.encode(wire.Result(work.seq, np.zeros((WIDTH, 6), np.float32))),
    "the work itself": wire.encode,
    "garbage of the right length": lambda work: bytes([0x20]) + bytes(len(result(work)) - 1),
    "a length beyond all limits": lambda work: b"\xff\xff\xff\xff" + result(work)[4:],
    "a shape of 2^64 bytes": lambda work: result(work).replace(
        struct.pack("<II", 6, WIDTH), struct.pack("<II", 2**31, 2**31)
    ),
    "a tensor that claims a row more": lambda work: result(work).replace(
        struct.pack("<II", 6, WIDTH), struct.pack("<II", 7, WIDTH)
    ),
    "its answer, and again": lambda work: wire.encode(answer_to(work)) * 2,
}


@pytest.mark.parametrize("is_alone", [False, True], ids=["another replica", "nobody else"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@in_event_loop
async def test_a_wrong_answer_costs_its_uplink_and_never_gives_a_wrong_row(wrong: Wrong, is_alone: bool) -> None:
    async with open_router() as router:
        bad = await Raw.join(router)
        uplink = the_uplink(router)
        await eventually(lambda: uplink.bare_fd >= 0)
        pending = send(router)
        assert is_compiled(pending)
        work = bad.work()
        async with AsyncExitStack() as stack:
            if not is_alone:
                await stack.enter_async_context(open_served(router.port, [0, 1], "good"))
                await router.joined(2)
            task = asyncio.ensure_future(answer_and_collect(bad, wrong(work), pending))
            if is_alone and wrong is not WRONG["its answer, and again"]:
                with pytest.raises(ExpertsMissing) as missing:
                    await task
                assert missing.value.experts == {0, 1} and missing.value.rows == {0, 1, 2}
            else:
                assert bits(await task) == bits(reference(1, ROWS, IDS))
            await eventually(lambda: uplink.is_closed)
            assert router.acceptor.counters.protocol_errors == 1
            assert len(router.directory.uplinks) == (0 if is_alone else 1)


@pytest.mark.parametrize("how", ["closes", "resets", "closes in the middle", "resets in the middle", "answers busy"])
@in_event_loop
async def test_what_a_replica_leaves_undone_in_mid_round_another_one_does(
    how: str, bare: list[tuple[str, int]]
) -> None:
    async with open_router() as router:
        bad, other = await Raw.join(router), await Raw.join(router, experts=[2], replica_id="other")
        rows, ids = random_rows(3), np.array([[0, 1], [0, 2], [1, 2]])
        await eventually(lambda: all(uplink.bare_fd >= 0 for uplink in router.directory.uplinks.values()))
        pending = send(router, rows, ids)
        assert is_compiled(pending)
        work = bad.work()
        async with AsyncExitStack() as stack:
            task = asyncio.ensure_future(answer_and_collect(other, answer_to(other.work()), pending))
            await asyncio.sleep(0)
            assert bare == [("other", 0)]
            await stack.enter_async_context(open_served(router.port, [0, 1], "good"))
            await router.joined(3)
            if "middle" in how:
                bad.send_bytes(wire.encode(answer_to(work))[:70])
                await asyncio.sleep(0.01)
            if how == "answers busy":
                bad.send(wire.Busy(work.seq))
            else:
                bad.close(with_reset="resets" in how)
            assert bits(await task) == bits(reference(1, rows, ids))
            assert router.acceptor.counters.retries == 1 and router.acceptor.counters.protocol_errors == 0
            assert len(router.directory.uplinks) == 2 + (how == "answers busy")


@pytest.mark.parametrize("how", ["closes", "resets", "closes in the middle"])
@in_event_loop
async def test_a_replica_that_is_gone_when_its_result_is_collected_is_noticed(how: str) -> None:
    async with open_router() as router:
        bad = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router)
        work = bad.work()
        if "middle" in how:
            bad.send_bytes(wire.encode(answer_to(work))[:70])
        bad.close(with_reset=how == "resets")
        with pytest.raises(ExpertsMissing):
            await pending
        await router.joined(0)


@in_event_loop
async def test_a_replica_that_is_gone_before_the_round_is_sent_is_noticed() -> None:
    async with open_router() as router:
        bad = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        bad.close(with_reset=True)
        pending = send(router)  # before the loop has heard of it
        assert is_compiled(pending)
        with pytest.raises(ExpertsMissing):
            await pending
        await router.joined(0)


@in_event_loop
async def test_a_closed_uplink_s_socket_is_not_read_even_if_its_number_belongs_to_another() -> None:
    async with open_router() as router:
        bad = await Raw.join(router)
        uplink = the_uplink(router)
        await eventually(lambda: uplink.bare_fd >= 0)
        pending = send(router)
        work = bad.work()
        uplink.close("for the test")
        assert uplink.bare_fd == -1 and not uplink.is_readable
        # What stands in the old plan would be taken for its result, were it read.
        bad.send(answer_to(work))
        with pytest.raises(ExpertsMissing):
            await pending


async def collect_noting_turns(pending: Round, is_over: threading.Event) -> tuple[Rows, bool]:
    """The outputs, and whether the loop had its turn while they were waited for, before ``is_over``."""
    was_over: list[bool] = []
    asyncio.get_running_loop().call_soon(lambda: was_over.append(is_over.is_set()))
    outputs = await pending
    return outputs, was_over == [False]


@pytest.fixture
def long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a peer which the machine lets stand still for a while talks without end all the same."""
    monkeypatch.setattr(round_module, "WAIT_MS", 2000)


@in_event_loop
async def test_a_peer_that_talks_without_end_does_not_stop_the_loop(long_wait: None) -> None:
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router)
        assert is_compiled(pending)
        answer, is_over = wire.encode(answer_to(peer.work())), threading.Event()
        pong = {"kind": "pong", "token": 1, "rows_waiting": 2, "rows_done": 3, "pad": b""}
        pong["pad"] = bytes(len(answer) - 4 - len(msgpack.packb(pong)) - 1)  # its bytes' count takes one more
        data = struct.pack("<I", len(answer) - 4) + msgpack.packb(pong)
        assert len(data) == len(answer)  # so that what is read never ends within a frame

        def talk() -> None:
            for _ in range(600):
                peer.send_bytes(data)
                time.sleep(0.001)
            is_over.set()
            peer.send_bytes(answer)

        talking = threading.Thread(target=talk)
        talking.start()
        outputs, has_turned = await collect_noting_turns(pending, is_over)
        talking.join()
        assert has_turned and bits(outputs) == bits(reference(1, ROWS, IDS))


@in_event_loop
async def test_a_peer_whose_result_drips_does_not_stop_the_loop(long_wait: None) -> None:
    rows, ids = random_rows(5), np.array([[0, 1]] * 5)
    async with open_router() as router:
        peer = await Raw.join(router)
        await eventually(lambda: the_uplink(router).bare_fd >= 0)
        pending = send(router, rows, ids)
        assert is_compiled(pending)
        data, is_over = wire.encode(answer_to(peer.work())), threading.Event()

        def drip() -> None:
            for i in range(len(data)):
                if i == len(data) - 1:
                    is_over.set()
                peer.send_bytes(data[i : i + 1])
                time.sleep(0.001)

        dripping = threading.Thread(target=drip)
        dripping.start()
        outputs, has_turned = await collect_noting_turns(pending, is_over)
        dripping.join()
        assert has_turned and bits(outputs) == bits(reference(1, rows, ids))


# -- a peer that does not read


def narrow(uplink: Uplink) -> None:
    """So that a few kilobytes fill the connection."""
    connection = socket.socket(fileno=socket.dup(uplink._fd))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    connection.close()


@in_event_loop
async def test_what_a_socket_does_not_take_follows_in_order_and_in_full() -> None:
    rows, ids = random_rows(2000), np.array([[0, 1]] * 2000)
    async with open_router() as router:
        peer = await Raw.join(router, receive_bytes=4096, capacity=wire.MAX_ROWS)
        uplink = the_uplink(router)
        await eventually(lambda: uplink.bare_fd >= 0)
        narrow(uplink)
        first = send(router, rows, ids)
        assert first._plan is not None
        (planned,) = first._plan.tolist()
        num_bytes = planned[round_kernel.BYTES_END] - planned[round_kernel.BYTES_START]
        assert 0 < planned[round_kernel.SENT] < num_bytes
        assert uplink.bare_fd == -1 and uplink.is_readable
        second = send(router, layer=2)  # waits behind what is left of the first
        assert not is_compiled(second)
        tasks = [asyncio.ensure_future(collect(pending)) for pending in (first, second)]
        works = [await asyncio.to_thread(peer.work) for _ in tasks]
        assert [work.seq for work in works] == [0, 1]
        assert bits(works[0].hidden_states) == bits(rows) and bits(works[1].hidden_states) == bits(ROWS)
        await eventually(lambda: uplink.bare_fd >= 0)
        third = send(router)
        assert is_compiled(third)

        def answer() -> None:
            for work in (*works, peer.work()):
                (reply,) = Executor(WEIGHTS, WIDTH, wire.MAX_ROWS).execute([work])
                peer.send(reply)

        answering = asyncio.create_task(asyncio.to_thread(answer))
        assert bits(await tasks[0]) == bits(reference(1, rows, ids))
        assert bits(await tasks[1]) == bits(reference(2, ROWS, IDS))
        assert bits(await third) == bits(reference(1, ROWS, IDS))
        await answering
        assert in_order(router)


@in_event_loop
async def test_a_peer_that_never_reads_fails_its_round_and_no_other() -> None:
    rows, ids = random_rows(2000), np.array([[0, 1]] * 2000)
    async with open_router(timeout_s=0.3) as router:
        silent = await Raw.join(router, receive_bytes=4096, capacity=wire.MAX_ROWS)
        uplink = the_uplink(router)
        await eventually(lambda: uplink.bare_fd >= 0)
        narrow(uplink)
        pending = send(router, rows, ids)
        assert is_compiled(pending)
        async with open_served(router.port, [0, 1], "good"):
            await router.joined(2)
            router.experts.timeout_s = LIMIT_S
            with contextlib.suppress(ExpertsMissing):  # 4000 rows are more than the good one has room for
                await pending
            await eventually(lambda: uplink.health.circuit is Circuit.OPEN)
            assert router.acceptor.counters.timeouts == 1
            for _ in range(5):
                assert bits(await send(router)) == bits(reference(1, ROWS, IDS))
        silent.close()


@in_event_loop
async def test_experts_that_nobody_serves_are_named_and_nothing_is_sent() -> None:
    async with open_router() as router:
        await Raw.join(router)
        pending = send(router, ROWS, np.array([[0, 5], [0, 1], [0, 7]]))
        assert not is_compiled(pending)
        with pytest.raises(ExpertsMissing) as missing:
            await pending
        assert missing.value.experts == {5, 7} and missing.value.rows == {0, 2}
        assert the_uplink(router).rows_sent == 0


@in_event_loop
async def test_rows_that_do_not_lie_in_one_piece_have_the_same_outputs() -> None:
    wide = random_rows(6, 2 * WIDTH)
    ids = np.tile(np.arange(NUM_EXPERTS), (6, 1))
    async with open_router() as router, open_served(router.port, range(NUM_EXPERTS), "replica"):
        await router.joined(1)
        for rows, chosen in ((wide[:, :WIDTH], ids[:, :2]), (wide[::2, ::2], ids[::2, 1:6:2])):
            assert bits(await send(router, rows, chosen)) == bits(reference(1, np.ascontiguousarray(rows), chosen))
        fixed = random_rows(2)
        fixed.flags.writeable = False
        assert bits(await send(router, fixed, ids[:2].copy())) == bits(reference(1, fixed.copy(), ids[:2]))
