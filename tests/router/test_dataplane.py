"""The data plane at work over real sockets: dispatch, retry, drain and redial give the right rows or a typed error."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from time import monotonic

import numpy as np
import pytest

from dataplane_kit import (
    NUM_EXPERTS,
    WEIGHTS,
    WIDTH,
    Peer,
    answer_to,
    dial_and_join,
    eventually,
    hangs_up,
    identity_of,
    in_event_loop,
    is_busy,
    make_thread,
    open_replica,
    open_router,
    random_rows,
    random_work,
    reference,
)
from moray import wire
from moray.errors import ExpertUnavailable
from moray.experts import uplink_threads
from moray.experts.compiled import Rows
from moray.experts.executor import Answer, Executor
from moray.router import uplink as router_uplink
from moray.router.transport import ExpertsMissing
from wire_kit import bits

# One row of work for expert 0, for tests about a single parcel.
ROW, IDS = np.ones((1, WIDTH), np.float32), np.array([[0]])


@pytest.fixture(autouse=True)
def short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.3)


async def collect(pending: Awaitable[Rows]) -> Rows:
    return await pending


# -- results


PLACINGS = {
    "1 expert in 1 uplink": [[0]],
    "2 experts in 1 uplink": [[0, 1]],
    "8 experts in 1 uplink": [list(range(8))],
    "4 experts in 4 uplinks": [[0], [1], [2], [3]],
    "8 experts in 3 uplinks": [[0, 3, 6], [1, 4, 7], [2, 5]],
    "3 experts, each in 2 of 3 uplinks": [[0, 1], [1, 2], [0, 2]],
    "8 experts in 2 uplinks and again in 2": [[0, 1, 2, 3], [4, 5, 6, 7], [0, 2, 4, 6], [1, 3, 5, 7]],
}


@pytest.mark.parametrize("serving", ["compiled", "by a slow executor"])
@pytest.mark.parametrize("placing", PLACINGS.values(), ids=PLACINGS)
@in_event_loop
async def test_rows_have_the_bits_of_local_experts_however_experts_are_placed(
    placing: list[list[int]], serving: str
) -> None:
    rng = random.Random(len(placing))
    served = sorted({expert for experts in placing for expert in experts})
    async with open_router() as router, AsyncExitStack() as stack:
        for index, experts in enumerate(placing):
            replica = open_replica(router.port, experts, f"replica-{index}", is_compiled=serving == "compiled")
            await stack.enter_async_context(replica)
        await router.joined(len(placing))
        assert router.experts.missing() == set(range(NUM_EXPERTS)) - set(served)
        works = [random_work(rng, rng.choice([1, 2, 7, 40]), served, rng.randint(1, len(served))) for _ in range(12)]
        pending = [(router.experts.dispatch(1 + i % 2, *work), 1 + i % 2, work) for i, work in enumerate(works)]
        for awaitable, layer, work in pending:  # all twelve are under way at once
            assert bits(await collect(awaitable)) == bits(reference(layer, *work))
        counters = router.acceptor.counters
        assert (counters.protocol_errors, counters.retries, counters.timeouts) == (0, 0, 0)
        assert all(uplink.rows_in_flight == 0 for uplink in router.directory.uplinks.values())


@in_event_loop
async def test_a_token_that_goes_to_several_experts_of_one_uplink_travels_once() -> None:
    async with open_router() as router:
        low, _ = await dial_and_join(router.port, experts=[0, 1, 2], replica_id="low")
        high, _ = await dial_and_join(router.port, experts=[3, 4, 5], replica_id="high")
        hidden_states, expert_ids = random_rows(3), np.array([[0, 1, 2], [3, 4, 5], [0, 1, 2]])
        pending = router.experts.dispatch(1, hidden_states, expert_ids)
        work, other = await low.read_work(), await high.read_work()
        assert bits(work.hidden_states) == bits(hidden_states[[0, 2]])
        assert work.groups == [(0, 2), (1, 2), (2, 2)] and work.row_index == [0, 1, 0, 1, 0, 1]
        assert bits(other.hidden_states) == bits(hidden_states[[1]])
        assert other.groups == [(3, 1), (4, 1), (5, 1)] and other.row_index == [0, 0, 0]
        assert work.seq == other.seq == 0
        low.send(answer_to(work))
        high.send(answer_to(other))
        assert bits(await collect(pending)) == bits(reference(1, hidden_states, expert_ids))


@in_event_loop
async def test_work_beyond_what_a_replica_accepts_at_once_goes_in_several_frames() -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port, experts=[0, 1], capacity=3)
        hidden_states = random_rows(4)
        expert_ids = np.array([[0, 1]] * 4)
        pending = router.experts.dispatch(1, hidden_states, expert_ids)
        groups = []
        for _ in range(3):  # one after the other: the next one is sent when the replica has room again
            work = await peer.read_work()
            groups.append(work.groups)
            peer.send(answer_to(work, capacity=3))
        assert groups == [[(0, 3)], [(0, 1), (1, 2)], [(1, 2)]]
        assert bits(await collect(pending)) == bits(reference(1, hidden_states, expert_ids))


@in_event_loop
async def test_more_rows_than_a_frame_may_name_go_in_several_frames_even_to_who_would_take_them_all() -> None:
    num_rows = wire.MAX_ROWS // 2 + 1
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port, experts=[0, 1], capacity=2**31 - 1)
        hidden_states, expert_ids = random_rows(num_rows), np.array([[0, 1]] * num_rows)
        pending = router.experts.dispatch(1, hidden_states, expert_ids)
        for num_places in (wire.MAX_ROWS, 2):
            work = await peer.read_work()
            assert len(work.row_index) == num_places
            peer.send(answer_to(work, capacity=wire.MAX_ROWS))
        assert bits(await collect(pending)) == bits(reference(1, hidden_states, expert_ids))
        assert router.acceptor.counters.protocol_errors == 0


@in_event_loop
async def test_no_rows_are_answered_at_once() -> None:
    async with open_router() as router:
        outputs = await collect(router.experts.dispatch(1, random_rows(0), np.empty((0, 2), np.int64)))
        assert outputs.shape == (0, 2, WIDTH)


@in_event_loop
async def test_what_waits_for_a_replica_that_fails_goes_to_another_with_it() -> None:
    async with open_router() as router:
        first, _ = await dial_and_join(router.port, experts=[0, 1], capacity=3, replica_id="first")
        hidden_states, expert_ids = random_rows(4), np.array([[0, 1]] * 4)
        pending = asyncio.ensure_future(collect(router.experts.dispatch(1, hidden_states, expert_ids)))
        work = await first.read_work()
        second, _ = await dial_and_join(router.port, experts=[0, 1], capacity=3, replica_id="second")
        await router.joined(2)
        first.send(wire.Busy(work.seq))
        num_rows = 0
        while num_rows < 8:
            work = await second.read_work()
            num_rows += len(work.row_index)
            second.send(answer_to(work, capacity=3))
        assert bits(await pending) == bits(reference(1, hidden_states, expert_ids))


# -- retries


async def fails(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Failure(work.seq, "broken", "line one\nline two"))


async def answers_too_narrow(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Result(work.seq, np.zeros((len(work.row_index), WIDTH - 1), np.float32)))


async def answers_too_few(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Result(work.seq, np.zeros((len(work.row_index) - 1, WIDTH), np.float32)))


async def answers_in_float16(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Result(work.seq, np.zeros((len(work.row_index), WIDTH), np.float16)))


async def answers_unknown_seq(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Result(work.seq + 1, np.zeros((len(work.row_index), WIDTH), np.float32)))


async def sends_garbage(peer: Peer, work: wire.Dispatch) -> None:
    peer.send_bytes(b"\x05\0\0\0hello")


async def sends_a_frame_too_large(peer: Peer, work: wire.Dispatch) -> None:
    peer.send_bytes(b"\xff\xff\xff\xff")


async def says_what_routers_say(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(work)


async def stays_silent(peer: Peer, work: wire.Dispatch) -> None:
    pass


HARMLESS = [is_busy, fails]  # the uplink stays
BREAKING = [
    answers_too_narrow,
    answers_too_few,
    answers_in_float16,
    answers_unknown_seq,
    sends_garbage,
    sends_a_frame_too_large,
    says_what_routers_say,
]


@pytest.mark.parametrize("misbehave", [hangs_up, *HARMLESS, *BREAKING, stays_silent], ids=lambda f: f.__name__)
@in_event_loop
async def test_what_one_replica_does_not_answer_another_one_does(misbehave: Callable[..., object]) -> None:
    async with open_router(timeout_s=0.4 if misbehave is stays_silent else 20.0) as router:
        bad, _ = await dial_and_join(router.port, experts=[0, 1])
        hidden_states, expert_ids = random_rows(3), np.array([[0, 1]] * 3)
        pending = router.experts.dispatch(1, hidden_states, expert_ids)  # nobody else is there yet to take it
        work = await bad.read_work()
        async with open_replica(router.port, [0, 1], "good"):
            await router.joined(2)
            await misbehave(bad, work)  # type: ignore[misc]
            assert bits(await collect(pending)) == bits(reference(1, hidden_states, expert_ids))
            counters = router.acceptor.counters
            is_late = misbehave is stays_silent  # then the other one is asked before the deadline
            assert (counters.retries, counters.hedges, counters.timeouts) == (not is_late, is_late, 0)
            assert counters.protocol_errors == (misbehave in BREAKING)
            stays = misbehave in HARMLESS or misbehave is stays_silent
            assert len(router.directory.uplinks) == 1 + stays
            if not stays:
                assert await bad.is_closed()


@pytest.mark.parametrize("misbehave", [hangs_up, *HARMLESS, *BREAKING, stays_silent], ids=lambda f: f.__name__)
@in_event_loop
async def test_when_nobody_is_left_the_error_names_the_experts_and_their_rows(misbehave: Callable[..., object]) -> None:
    async with open_router(timeout_s=0.2) as router, open_replica(router.port, [0, 3], "good"):
        bad, _ = await dial_and_join(router.port, experts=[1, 2])
        await router.joined(2)
        router.experts.timeout_s = 0.2 if misbehave is stays_silent else 20.0
        pending = router.experts.dispatch(1, random_rows(3), np.array([[0, 2], [0, 3], [0, 1]]))
        await misbehave(bad, await bad.read_work())  # type: ignore[misc]
        with pytest.raises(ExpertsMissing) as missing:
            await collect(pending)
        assert missing.value.experts == {1, 2} and missing.value.rows == {0, 2}
        assert bits(await collect(router.experts.dispatch(1, ROW, IDS))) == bits(reference(1, ROW, IDS))


@in_event_loop
async def test_experts_that_nobody_serves_are_named_when_the_work_is_awaited_and_nothing_is_sent() -> None:
    async with open_router() as router, open_replica(router.port, [0]):
        await router.joined(1)
        pending = router.experts.dispatch(1, random_rows(3), np.array([[0, 5], [0, 5], [0, 7]]))
        with pytest.raises(ExpertsMissing) as missing:
            await collect(pending)
        assert missing.value.experts == {5, 7} and missing.value.rows == {0, 1, 2}
        assert [uplink.rows_sent for uplink in router.directory.uplinks.values()] == [0]


@in_event_loop
async def test_a_late_result_is_let_pass_and_its_replica_is_suspended_until_then() -> None:
    async with open_router(timeout_s=0.2) as router:
        peer, _ = await dial_and_join(router.port)
        (uplink,) = router.directory.uplinks.values()
        with pytest.raises(ExpertsMissing):
            await collect(router.experts.dispatch(1, ROW, IDS))
        late = await peer.read_work()
        peer.send(wire.Pong(1, 7, 0))
        await eventually(lambda: uplink.rows_waiting == 7)
        assert uplink.condition(monotonic())[0] == "suspended"  # it lives, but owes an answer
        peer.send(answer_to(late))
        await eventually(lambda: uplink.condition(monotonic())[0] == "on trial")
        router.experts.timeout_s = 20.0
        pending = router.experts.dispatch(2, ROW, IDS)
        work = await peer.read_work()
        assert work.seq == late.seq + 1
        peer.send(answer_to(work))
        assert bits(await collect(pending)) == bits(reference(2, ROW, IDS))
        assert uplink.condition(monotonic())[0] == "serving"
        assert router.acceptor.counters.protocol_errors == 0
        peer.send(answer_to(late))  # a second time is one too many
        assert await peer.is_closed()
        assert router.acceptor.counters.protocol_errors == 1


@in_event_loop
async def test_a_peer_that_owes_too_many_answers_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_uplink, "MAX_UNANSWERED", 3)
    async with open_router(timeout_s=0.05) as router:
        peer, _ = await dial_and_join(router.port)
        for pending in [router.experts.dispatch(1, ROW, IDS) for _ in range(4)]:
            with pytest.raises(ExpertsMissing):
                await collect(pending)
        assert await peer.is_closed()
        assert router.directory.uplinks == {}


@in_event_loop
async def test_a_peer_that_does_not_read_is_closed_before_its_backlog_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_uplink, "MAX_UNREAD_BYTES", 1 << 20)
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port)
        (uplink,) = router.directory.uplinks.values()
        peer._writer.transport.pause_reading()  # type: ignore[attr-defined]
        rows, ids = np.ones((10_000, WIDTH), np.float32), np.zeros((10_000, 1), np.int64)
        with pytest.raises(ExpertsMissing):
            for _ in range(200):  # 640 kB each: far more than sockets hold
                pending = asyncio.ensure_future(collect(router.experts.dispatch(1, rows, ids)))
                await asyncio.sleep(0)
                if pending.done() or uplink.is_closed:
                    await pending
                pending.cancel()
        assert uplink.is_closed


@in_event_loop
async def test_work_that_is_cancelled_leaves_the_uplink_in_order() -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port)
        (uplink,) = router.directory.uplinks.values()
        task = asyncio.ensure_future(collect(router.experts.dispatch(1, ROW, IDS)))
        work = await peer.read_work()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() and uplink.rows_in_flight == 1
        peer.send(answer_to(work))
        await eventually(lambda: uplink.rows_in_flight == 0)
        assert router.acceptor.counters.protocol_errors == 0 and not uplink.is_closed


# -- leaving and coming back


@in_event_loop
async def test_a_draining_replica_gets_nothing_new_while_its_work_is_answered() -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port)
        pending = router.experts.dispatch(1, ROW, IDS)
        work = await peer.read_work()
        peer.send(wire.Drain("maintenance"))
        await eventually(lambda: 0 in router.experts.missing())
        with pytest.raises(ExpertsMissing):
            await collect(router.experts.dispatch(1, ROW, IDS))
        peer.send(answer_to(work))
        assert bits(await collect(pending)) == bits(reference(1, ROW, IDS))


class WaitingExecutor(Executor):
    """Holds its first dispatch until the test lets go."""

    def __init__(self, experts: Sequence[int]) -> None:
        super().__init__({expert: WEIGHTS[expert] for expert in experts}, WIDTH, 1000)
        self.has_work, self.may_answer = threading.Event(), threading.Event()

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        self.has_work.set()
        assert self.may_answer.wait(15)
        return super().execute(dispatches)


@in_event_loop
async def test_a_replica_that_is_told_to_drain_answers_first_and_then_leaves() -> None:
    executor = WaitingExecutor([0])
    async with open_router() as router:
        thread = make_thread(router.port, identity_of([0]), executor)
        thread.start()
        await router.joined(1)
        pending = router.experts.dispatch(1, ROW, IDS)
        await eventually(executor.has_work.is_set)
        draining = asyncio.create_task(asyncio.to_thread(thread.drain, "shutting down"))
        executor.may_answer.set()
        assert bits(await collect(pending)) == bits(reference(1, ROW, IDS))
        await draining
        await router.joined(0)
        assert router.acceptor.counters.retries == 0
        with pytest.raises(ExpertUnavailable):
            thread.check()


@in_event_loop
async def test_a_replica_dials_again_with_a_higher_incarnation_when_its_router_comes_back() -> None:
    async with open_router() as router, open_replica(router.port, [0]) as thread:
        await router.joined(1)
        first = next(iter(router.directory.uplinks.values())).join
        router.directory.close_all("a hiccup")
        await router.joined(1)
        second = next(iter(router.directory.uplinks.values())).join
        assert first is not None and second is not None and second.incarnation > first.incarnation
        assert bits(await collect(router.experts.dispatch(1, ROW, IDS))) == bits(reference(1, ROW, IDS))
        thread.check()


@in_event_loop
async def test_a_replica_finds_a_router_that_went_away_and_started_again() -> None:
    async with AsyncExitStack() as stack:
        async with open_router() as router:
            port, directory = router.port, router.directory
            thread = await stack.enter_async_context(open_replica(port, [0]))
            await router.joined(1)
        await asyncio.sleep(0.2)
        thread.check()  # a router that is away is no ill health of the replica
        async with open_router(port=port, directory=directory) as again:
            await again.joined(1)
            assert bits(await collect(again.experts.dispatch(1, ROW, IDS))) == bits(reference(1, ROW, IDS))


# -- health


@pytest.fixture
def quick_wedge(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(uplink_threads, "WEDGED_AFTER_S", 0.5)
    yield


@in_event_loop
async def test_a_thread_that_is_stuck_in_its_work_is_ill_until_it_moves_again(quick_wedge: None) -> None:
    executor = WaitingExecutor([0])

    def is_ill(thread: uplink_threads.UplinkThreads) -> bool:
        try:
            thread.check()
        except ExpertUnavailable as ill:
            assert ill.experts == {0}
            return True
        return False

    async with open_router() as router, open_replica(router.port, [0], executor=executor) as thread:
        await router.joined(1)
        pending = router.experts.dispatch(1, ROW, IDS)
        await eventually(lambda: is_ill(thread))
        executor.may_answer.set()
        await collect(pending)
        await eventually(lambda: not is_ill(thread))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@in_event_loop
async def test_a_thread_that_cannot_dial_any_more_says_so() -> None:
    def no_incarnation() -> int:
        raise OSError("the disk is full")

    async with open_router() as router:
        thread = make_thread(router.port, identity_of([0]), incarnation=no_incarnation)
        thread.start()
        await eventually(lambda: not thread.are_alive)
        with pytest.raises(ExpertUnavailable):
            thread.check()
        thread.drain("nothing to drain")


class BrokenExecutor(Executor):
    num_asked = 0

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        self.num_asked += 1
        raise RuntimeError("out of memory")


@in_event_loop
async def test_an_executor_that_raises_costs_its_uplink_and_the_replica_dials_again() -> None:
    broken = BrokenExecutor({0: WEIGHTS[0]}, WIDTH, 1000)
    async with open_router() as router, open_replica(router.port, [0], executor=broken) as thread:
        await router.joined(1)
        (uplink,) = router.directory.uplinks.values()
        with pytest.raises(ExpertsMissing):
            await collect(router.experts.dispatch(1, ROW, IDS))
        assert uplink.is_closed
        await router.joined(1)
        assert uplink not in router.directory.uplinks.values()
        assert broken.num_asked == 1  # by the dispatch; a handshake asks nothing of it
        thread.check()
