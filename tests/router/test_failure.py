"""Replicas that are slow, frozen, failing or gone: who gets the work instead, whose fault it is, and that no row's bits
depend on any of it. Real sockets, and real processes where one is stopped or killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import monotonic

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

import dataplane_kit
from dataplane_kit import (
    LIMIT_S,
    WEIGHTS,
    WIDTH,
    Peer,
    Router,
    answer_to,
    dial_and_join,
    eventually,
    hangs_up,
    in_event_loop,
    is_busy,
    open_replica,
    open_router,
    random_rows,
    random_work,
    reference,
    replica_process,
)
from moray import wire
from moray.experts import uplink_threads
from moray.experts.compiled import Ids, Rows
from moray.experts.executor import Answer, Executor
from moray.router import hedging, network_experts
from moray.router import round as round_module
from moray.router.blame import Blame
from moray.router.health import MAX_FAILURES
from moray.router.hedging import MAX_TOKENS, HedgeBudget
from moray.router.transport import ExpertsMissing
from moray.router.uplink import Uplink, UplinkKey
from wire_kit import bits

ALL = range(8)
ROWS, IDS = random_rows(4), np.array([[0, 1]] * 4)


async def collect(pending: Awaitable[Rows]) -> Rows:
    return await pending


def dispatch(router: Router, rows: Rows = ROWS, ids: Ids = IDS, layer: int = 1) -> asyncio.Future[Rows]:
    return asyncio.ensure_future(collect(router.experts.dispatch(layer, rows, ids)))


def uplink_of(router: Router, name: str) -> Uplink:
    return router.directory.uplinks[UplinkKey("", "node", name)]


def state(router: Router, name: str) -> str:
    return uplink_of(router, name).condition(monotonic())[0]


@pytest.fixture(autouse=True)
def short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not answered within a few milliseconds is late."""
    monkeypatch.setattr(network_experts, "hedge_delay_s", lambda late_s: 0.005)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For processes that take seconds to start, and for traffic that takes seconds on a busy machine."""
    monkeypatch.setattr(dataplane_kit, "LIMIT_S", 90.0)


# -- two replicas are asked


@asynccontextmanager
async def asked_twice(router: Router, rows: Rows = ROWS, ids: Ids = IDS, capacity: int = 1000) -> AsyncIterator[Twice]:
    """Work that the replica "first" has had for too long, so that "second" has it too."""
    first, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="first", capacity=capacity)
    pending = router.experts.dispatch(1, rows, ids)
    work = await first.read_work()
    second, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="second", capacity=capacity)
    await router.joined(2)
    yield Twice(first, second, work, asyncio.ensure_future(collect(pending)))


class Twice:
    def __init__(self, first: Peer, second: Peer, work: wire.Dispatch, pending: asyncio.Future[Rows]) -> None:
        self.first, self.second, self.work, self.pending = first, second, work, pending


async def settled(router: Router) -> None:
    await eventually(lambda: all(uplink.rows_in_flight == 0 for uplink in router.directory.uplinks.values()))


@pytest.mark.parametrize("quicker", ["first", "second"])
@in_event_loop
async def test_the_first_answer_counts_and_the_other_is_let_pass_without_blame(quicker: str, at_once: None) -> None:
    async with open_router() as router, asked_twice(router) as twice:
        copy = await twice.second.read_work()
        assert copy.groups == twice.work.groups and bits(copy.hidden_states) == bits(twice.work.hidden_states)
        answers = [(twice.first, twice.work), (twice.second, copy)]
        if quicker == "second":
            answers.reverse()
        (peer, work), (other, late) = answers
        peer.send(answer_to(work))
        assert bits(await twice.pending) == bits(reference(1, ROWS, IDS))
        other.send(answer_to(late))
        await settled(router)
        counters = router.acceptor.counters
        assert (counters.hedges, counters.retries, counters.timeouts, counters.protocol_errors) == (1, 0, 0, 0)
        for name in ("first", "second"):
            assert state(router, name) == "serving" and not uplink_of(router, name).failures


@pytest.mark.parametrize("how", ["is busy", "hangs up"])
@pytest.mark.parametrize("failing", ["first", "second"])
@in_event_loop
async def test_when_one_of_two_fails_the_other_is_waited_for_and_nobody_else_is_asked(
    failing: str, how: str, at_once: None
) -> None:
    async with open_router() as router, asked_twice(router) as twice:
        copy = await twice.second.read_work()
        bad, seq = (twice.first, twice.work.seq) if failing == "first" else (twice.second, copy.seq)
        if how == "is busy":
            bad.send(wire.Busy(seq))
            await eventually(lambda: uplink_of(router, failing).rows_in_flight == 0)
        else:
            bad.close()
            await router.joined(1)
        assert not twice.pending.done()
        good, work = (twice.second, copy) if failing == "first" else (twice.first, twice.work)
        good.send(answer_to(work))
        assert bits(await twice.pending) == bits(reference(1, ROWS, IDS))
        assert router.acceptor.counters.dispatches == 2


@in_event_loop
async def test_when_both_fail_the_experts_are_missing(at_once: None) -> None:
    async with open_router() as router, asked_twice(router) as twice:
        copy = await twice.second.read_work()
        twice.second.send(wire.Busy(copy.seq))
        twice.first.send(wire.Busy(twice.work.seq))
        with pytest.raises(ExpertsMissing) as missing:
            await twice.pending
        assert missing.value.experts == {0, 1}


@in_event_loop
async def test_when_the_second_one_fails_a_third_one_is_asked_though_the_first_is_still_silent(at_once: None) -> None:
    async with open_router() as router, asked_twice(router) as twice:
        copy = await twice.second.read_work()
        async with open_replica(router.port, [0, 1], "third"):
            await router.joined(3)
            twice.second.send(wire.Failure(copy.seq, "broken", "for the test"))
            assert bits(await twice.pending) == bits(reference(1, ROWS, IDS))
            assert uplink_of(router, "first").rows_in_flight == ROWS.shape[0] * IDS.shape[1]
            assert uplink_of(router, "second").failures == {Blame.NODE: 1}


@in_event_loop
async def test_what_was_to_follow_a_late_frame_goes_to_the_other_replica_only(at_once: None) -> None:
    rows, ids = random_rows(5), np.array([[0, 1]] * 5)
    async with open_router() as router, asked_twice(router, rows, ids, capacity=3) as twice:
        num_rows = 0
        while num_rows < ids.size:
            work = await twice.second.read_work()
            num_rows += len(work.row_index)
            twice.second.send(answer_to(work, capacity=3))
        assert bits(await twice.pending) == bits(reference(1, rows, ids))
        assert uplink_of(router, "first").rows_sent == 3 and uplink_of(router, "second").rows_sent == ids.size


@in_event_loop
async def test_the_experts_of_one_late_frame_go_to_whoever_has_them(at_once: None) -> None:
    rows, ids = random_rows(3), np.array([[0, 1, 2]] * 3)
    async with open_router() as router:
        first, _ = await dial_and_join(router.port, experts=[0, 1, 2], replica_id="first")
        pending = router.experts.dispatch(1, rows, ids)
        work = await first.read_work()
        others = [(await dial_and_join(router.port, experts=[e], replica_id=f"of-{e}"))[0] for e in (0, 2)]
        await router.joined(3)
        task = asyncio.ensure_future(collect(pending))
        for peer, expert in zip(others, (0, 2), strict=True):
            copy = await peer.read_work()
            assert copy.groups == [(expert, 3)]
            peer.send(answer_to(copy))
        await eventually(lambda: uplink_of(router, "of-2").rows_in_flight == 0)
        assert not task.done()  # nobody else has expert 1
        first.send(answer_to(work))
        assert bits(await task) == bits(reference(1, rows, ids))
        assert router.acceptor.counters.hedges == 1


@in_event_loop
async def test_where_there_is_one_replica_nothing_is_sent_twice(at_once: None) -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port, experts=[0, 1])
        pending = dispatch(router)
        work = await peer.read_work()
        await asyncio.sleep(0.1)
        peer.send(answer_to(work))
        assert bits(await pending) == bits(reference(1, ROWS, IDS))
        assert (router.acceptor.counters.hedges, router.acceptor.counters.dispatches) == (0, 1)


@in_event_loop
async def test_without_budget_the_late_one_is_waited_for_and_asked_twice_when_there_is_some(at_once: None) -> None:
    async with open_router() as router:
        router.experts._hedges = HedgeBudget(0.0)
        async with asked_twice(router) as twice:
            await asyncio.sleep(0.1)
            assert router.acceptor.counters.dispatches == 1
            router.experts._hedges = HedgeBudget(1.0, 1)
            copy = await twice.second.read_work()
            twice.second.send(answer_to(copy))
            assert bits(await twice.pending) == bits(reference(1, ROWS, IDS))


@in_event_loop
async def test_a_suspended_replica_is_not_the_second_one(at_once: None) -> None:
    async with open_router() as router, AsyncExitStack() as stack:
        first, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="first")
        pending = router.experts.dispatch(1, ROWS, IDS)
        work = await first.read_work()
        await dial_and_join(router.port, experts=[0, 1], replica_id="suspended")
        await router.joined(2)
        uplink = uplink_of(router, "suspended")
        uplink.health = uplink.health.timed_out("for the test", monotonic(), random.Random(0))
        task = asyncio.ensure_future(collect(pending))
        await asyncio.sleep(0.1)
        assert uplink.rows_sent == 0
        await stack.enter_async_context(open_replica(router.port, [0, 1], "third"))
        first.send(answer_to(work))
        assert bits(await task) == bits(reference(1, ROWS, IDS))


def test_no_row_has_other_bits_for_having_been_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_module, "WAIT_MS", 1)
    monkeypatch.setattr(hedging, "MAX_TOKENS", 1e9)
    num_hedges = list[int]()

    @given(seed=st.integers(0, 2**32), delay_s=st.sampled_from([0.0, 0.001, 0.003]))
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def run(seed: int, delay_s: float) -> None:
        monkeypatch.setattr(network_experts, "hedge_delay_s", lambda late_s: delay_s)
        num_hedges.append(ask_for_rows(seed))

    run()
    assert sum(num_hedges) > 0


def ask_for_rows(seed: int) -> int:
    """Of three replicas in any order; how often two were asked."""
    hedges = list[int]()

    @in_event_loop
    async def run() -> None:
        rng = random.Random(seed)
        async with open_router() as router, AsyncExitStack() as stack:
            for name, experts in (("a", ALL), ("b", range(6)), ("c", range(2, 8))):
                slow = Throttled(experts, lambda: rng.random() * 0.006, rng.choice([10, 1000]))
                await stack.enter_async_context(open_replica(router.port, experts, name, executor=slow))
            await router.joined(3)
            works = [random_work(rng, rng.choice([1, 2, 9]), ALL, rng.randint(1, 8)) for _ in range(12)]
            router.experts._hedges = HedgeBudget(1e9)
            pending = [dispatch(router, *work, 1 + i % 2) for i, work in enumerate(works)]
            for index, work in enumerate(works):
                with contextlib.suppress(ExpertsMissing):  # the small ones may have been full
                    assert bits(await pending[index]) == bits(reference(1 + index % 2, *work))
            assert router.acceptor.counters.protocol_errors == 0
            hedges.append(router.acceptor.counters.hedges)

    run()
    return hedges[0]


# -- slow replicas


class Throttled(Executor):
    """Sleeps before its answers."""

    def __init__(self, experts: Iterable[int], delay_s: Callable[[], float], capacity: int = 1000) -> None:
        super().__init__({expert: WEIGHTS[expert] for expert in experts}, WIDTH, capacity)
        self._delay_s = delay_s

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        time.sleep(self._delay_s())
        return super().execute(dispatches)


class Traffic:
    """Four streams that ask for one round after the other, one of them with as many rows as a prompt has."""

    def __init__(self, router: Router) -> None:
        self.router, self.rng = router, random.Random(5)

    async def rounds(self, count: int) -> dict[str, int]:
        """Rows that each replica got in ``count`` rounds."""
        before = self._sent()
        left = iter(range(count))

        async def stream(num_rows: int) -> None:
            for _ in left:
                work = random_work(self.rng, num_rows, ALL, 2)
                assert bits(await self.router.experts.dispatch(1, *work)) == bits(reference(1, *work))

        await asyncio.gather(*(stream(num_rows) for num_rows in (1, 1, 2, 24)))
        return {name: sent - before[name] for name, sent in self._sent().items()}

    def _sent(self) -> dict[str, int]:
        return {name: uplink.rows_sent for (_, _, name), uplink in self.router.directory.uplinks.items()}


def share(rows: dict[str, int], name: str) -> float:
    return rows[name] / sum(rows.values())


@in_event_loop
async def test_a_replica_that_slows_down_to_a_tenth_loses_its_traffic_and_gets_it_back(patience: None) -> None:
    """The settling takes a few hundred rounds: a second or two, of the ten that it may take."""
    delays_s = {"steady": 0.002, "shaky": 0.002}
    async with open_router() as router, AsyncExitStack() as stack:
        for name in delays_s:
            slow = Throttled(ALL, partial(delays_s.__getitem__, name))
            await stack.enter_async_context(open_replica(router.port, ALL, name, executor=slow))
        await router.joined(2)
        traffic = Traffic(router)
        while not 0.2 < (before := share(await traffic.rounds(300), "shaky")) < 0.8:  # the loop's limit ends it
            pass
        delays_s["shaky"] = 0.02
        started = monotonic()
        await traffic.rounds(300)
        settling_s = monotonic() - started
        rows = await traffic.rounds(600)
        assert share(rows, "shaky") < 0.2 * before, f"after {settling_s:.1f} s of settling"
        assert rows["shaky"] > 0  # somebody has to find out when it is well again
        delays_s["shaky"] = 0.002
        while share(await traffic.rounds(200), "shaky") < 0.25:  # the loop's limit ends it
            pass
        assert router.acceptor.counters.timeouts == 0


# -- frozen and killed processes


@asynccontextmanager
async def two_processes() -> AsyncIterator[tuple[Router, dict[str, int]]]:
    """Whose router waits for ever: what a test gets within its limit comes by hedging."""
    async with open_router(timeout_s=100 * LIMIT_S) as router:
        with replica_process(router.port, "a") as a, replica_process(router.port, "b") as b:
            await router.joined(2)
            yield router, {"a": a, "b": b}


@in_event_loop
async def test_a_frozen_process_costs_a_stream_no_deadline_is_suspended_and_comes_back(patience: None) -> None:
    async with two_processes() as (router, pids):
        traffic = Traffic(router)
        await traffic.rounds(100)
        os.kill(pids["b"], signal.SIGSTOP)
        await traffic.rounds(200)
        assert router.acceptor.counters.hedges <= MAX_TOKENS + 0.05 * router.acceptor.counters.dispatches
        await eventually(lambda: state(router, "b") == "suspended")
        assert uplink_of(router, "b").health.reason
        rows = await traffic.rounds(100)
        assert rows["b"] == 0 and router.experts.missing() == frozenset()
        os.kill(pids["b"], signal.SIGCONT)
        while (await traffic.rounds(50))["b"] == 0 or state(router, "b") != "serving":
            pass
        assert router.acceptor.counters.timeouts == router.acceptor.counters.protocol_errors == 0


@in_event_loop
async def test_a_killed_process_is_gone_with_its_connection(patience: None) -> None:
    async with two_processes() as (router, pids):
        traffic = Traffic(router)
        await traffic.rounds(50)
        streaming = asyncio.ensure_future(traffic.rounds(300))
        await asyncio.sleep(0.05)
        os.kill(pids["b"], signal.SIGKILL)
        await router.joined(1)
        with contextlib.suppress(KeyError):  # the one that was counted before is not there any more
            await streaming
        assert (await traffic.rounds(20))["a"] > 0 and router.experts.missing() == frozenset()
        assert router.directory.faults("", "node") == 0  # whose fault it was cannot be told from a lost connection


# -- whose fault it is


async def says_the_router_is_wrong(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Failure(work.seq, "bad_dispatch", "no such layer"))


async def fails(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Failure(work.seq, "out_of_memory", "none left"))


async def answers_wrongly(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Result(work.seq, np.zeros((1, WIDTH), np.float32)))


async def is_not_heard_of(peer: Peer, work: wire.Dispatch) -> None:
    pass


async def lives_and_does_not_answer(peer: Peer, work: wire.Dispatch) -> None:
    peer.send(wire.Pong(1, 0, 0))


BLAMED = [
    (hangs_up, Blame.NETWORK),
    (is_busy, Blame.GATEWAY),
    (says_the_router_is_wrong, Blame.GATEWAY),
    (fails, Blame.NODE),
    (answers_wrongly, Blame.NODE),
    (is_not_heard_of, Blame.NETWORK),
    (lives_and_does_not_answer, Blame.NODE),
]


@pytest.mark.parametrize(("misbehave", "blame"), BLAMED, ids=lambda value: getattr(value, "__name__", None))
@in_event_loop
async def test_each_failure_is_counted_once_and_only_a_nodes_own_touches_its_standing(
    misbehave: Callable[[Peer, wire.Dispatch], Awaitable[None]], blame: Blame
) -> None:
    async with open_router(timeout_s=0.3) as router:
        registry = CollectorRegistry()
        registry.register(router.acceptor.failures.counter)
        peer, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="bad", node_id="n")
        (uplink,) = router.directory.uplinks.values()
        pending = dispatch(router)
        await misbehave(peer, await peer.read_work())
        with pytest.raises(ExpertsMissing):
            await pending
        counted = {each: registry.get_sample_value("moray_failures_total", {"blame": each}) for each in Blame}
        assert counted == {each: float(each is blame) for each in Blame}
        assert uplink.failures == {blame: 1}
        assert router.directory.faults("", "n") == (blame is Blame.NODE)


@in_event_loop
async def test_one_that_only_fails_is_suspended_with_its_reason_and_the_other_does_the_work() -> None:
    async with open_router() as router, open_replica(router.port, [0, 1], "good"):
        bad, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="bad")
        await router.joined(2)

        async def fail_always() -> None:
            while True:
                bad.send(wire.Failure((await bad.read_work()).seq, "broken", "\x1b[31mline one\nline two"))

        failing = asyncio.create_task(fail_always())
        while state(router, "bad") != "suspended":
            assert bits(await dispatch(router)) == bits(reference(1, ROWS, IDS))
        failing.cancel()
        assert uplink_of(router, "bad").condition(monotonic())[1] == (
            f"{MAX_FAILURES} failures in a row, the last: broken: ?[31mline one?line two"
        )
        assert router.directory.faults("", "node") == MAX_FAILURES


@in_event_loop
async def test_an_expert_whose_only_replica_is_suspended_is_still_asked() -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port, experts=[0, 1], replica_id="only")
        for turn in range(MAX_FAILURES):
            pending = dispatch(router)
            peer.send(wire.Failure((await peer.read_work()).seq, "broken", str(turn)))
            with pytest.raises(ExpertsMissing):
                await pending
        assert state(router, "only") == "suspended" and not {0, 1} & router.experts.missing()
        pending = dispatch(router)
        peer.send(answer_to(await peer.read_work()))
        assert bits(await pending) == bits(reference(1, ROWS, IDS))
        assert state(router, "only") == "serving"


@in_event_loop
async def test_a_draining_replica_says_why() -> None:
    async with open_router() as router:
        peer, _ = await dial_and_join(router.port, replica_id="leaves")
        peer.send(wire.Drain("maintenance\n"))
        await eventually(lambda: state(router, "leaves") == "draining")
        assert uplink_of(router, "leaves").condition(monotonic())[1] == "maintenance?"
