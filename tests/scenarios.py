"""What befalls a network, on real replica processes behind the wide-area proxy: each a context that undoes itself."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle

from moray.errors import EngineStopped
from moray.router.network_experts import NetworkExperts
from moray.types import GenerationRequest, RequestId, SamplingParams
from rig import READY_S, Rig
from wan_link import Carries, Link
from wan_proxy import WanProxy

USUAL = Link(round_trip_ms=2)
LOOK_S = 0.05  # over which the busiest replica is looked for
FLAP_S = 0.15

Scenario = Callable[[Rig, int], AbstractContextManager[None]]  # of the replica with this number


def wan_of(rig: Rig) -> WanProxy:
    assert rig.wan is not None, "the plan has no proxy; give it over_wan"
    return rig.wan


def num_refused(rig: Rig) -> int:
    assert isinstance(rig.engine.experts, NetworkExperts)
    return rig.engine.experts.counters.joins_refused


def _signal(rig: Rig, number: int, sent: signal.Signals) -> None:
    pid = rig.replicas[number].pid
    assert pid is not None
    os.kill(pid, sent)


def _end(rig: Rig, number: int) -> None:
    _signal(rig, number, signal.SIGKILL)
    rig.replicas[number].join()


@contextmanager
def killed(rig: Rig, number: int) -> Iterator[None]:
    """Afterwards another one comes in its place."""
    _end(rig, number)
    yield
    rig.start_replica(number)


@contextmanager
def frozen(rig: Rig, number: int) -> Iterator[None]:
    _signal(rig, number, signal.SIGSTOP)
    yield
    _signal(rig, number, signal.SIGCONT)


@contextmanager
def lying(rig: Rig, number: int) -> Iterator[None]:
    """Another one comes in its place, with wrong numbers and the right digests; it is refused, again and again."""
    refused = num_refused(rig)
    _end(rig, number)
    rig.start_replica(number, lies=True)
    late_at = time.monotonic() + READY_S
    while num_refused(rig) < refused + 2:  # once is no accident
        if time.monotonic() > late_at:
            raise TimeoutError("the liar was not refused")
        time.sleep(LOOK_S)
    yield
    _end(rig, number)
    rig.start_replica(number)


@contextmanager
def _link(rig: Rig, number: int, link: Link) -> Iterator[None]:
    wan_of(rig).set(link, number)
    yield
    wan_of(rig).set(USUAL, number)


def slowed(times: float) -> Scenario:
    return lambda rig, number: _link(rig, number, replace(USUAL, slow_down=times))


def partitioned(carries: Carries) -> Scenario:
    """Whoever dials hears nothing."""
    link = replace(USUAL, carries=carries, new_connections="hanging")
    return lambda rig, number: _link(rig, number, link)


@contextmanager
def stalling(rig: Rig, number: int) -> Iterator[None]:
    """Nothing passes for a while that is longer than the router waits for an answer."""
    wan_of(rig).stall(2 * rig.plan.timeout_s, number)
    yield


@contextmanager
def flapping(rig: Rig, number: int) -> Iterator[None]:
    """Its connection is reset again and again."""
    is_over = threading.Event()

    def flap() -> None:
        while not is_over.wait(FLAP_S):
            wan_of(rig).reset(number)

    thread = threading.Thread(target=flap)
    thread.start()
    yield
    is_over.set()
    thread.join()


@contextmanager
def restarted(rig: Rig, number: int) -> Iterator[None]:
    """The router is; ``number`` does not matter. Its streams end with EngineStopped."""
    rig.stop_router()
    yield
    rig.start_router()


def one_after_another(scenarios: Sequence[Scenario], each_s: float) -> Scenario:
    """Over and over; each strikes whichever replica is used most then, when all are back from the last."""

    @contextmanager
    def storm(rig: Rig, number: int) -> Iterator[None]:
        is_over = threading.Event()

        def strike() -> None:
            for scenario in cycle(scenarios):
                with scenario(rig, busiest_replica(rig)):
                    is_over.wait(each_s)
                rig.wait_for_replicas()
                if is_over.is_set():
                    return

        thread = threading.Thread(target=strike)
        thread.start()
        yield
        is_over.set()
        thread.join()

    return storm


# -- streams meanwhile


@dataclass(frozen=True, slots=True)
class Outcome:
    """``streams``: the tokens of each, fewer than asked for where the router stopped."""

    streams: list[list[int]]
    num_before: int  # tokens of all streams when the scenario struck


def disturbed(rig: Rig, prompts: Sequence[Sequence[int]], num_tokens: int, scenario: Scenario) -> Outcome:
    """Greedy streams, all at once. When a quarter of their tokens have come, ``scenario`` strikes the replica that is
    used most, and lasts until the last stream has ended; then all replicas have joined again."""
    streams: list[list[int]] = [[] for _ in prompts]
    num_before = 0

    async def one(prompt: Sequence[int], tokens: list[int], on_token: Callable[[], None]) -> None:
        sampling = SamplingParams(max_tokens=num_tokens, temperature=0.0)
        try:
            async for token in rig.generator.generate(GenerationRequest(RequestId("test"), tuple(prompt), sampling)):
                tokens.append(token.token_id)
                on_token()
        except EngineStopped:
            assert scenario is restarted

    async def run() -> None:
        is_time, all_ended = asyncio.Event(), threading.Event()

        def on_token() -> None:
            if sum(map(len, streams)) >= len(prompts) * num_tokens // 4:
                is_time.set()

        def strike() -> None:
            nonlocal num_before
            number, num_before = busiest_replica(rig), sum(map(len, streams))
            with scenario(rig, number):
                all_ended.wait()

        async def meanwhile() -> None:
            await is_time.wait()
            await asyncio.to_thread(strike)

        striking = asyncio.create_task(meanwhile())
        try:
            await asyncio.gather(*(one(prompt, to, on_token) for prompt, to in zip(prompts, streams, strict=True)))
        finally:
            all_ended.set()
            is_time.set()
            await striking

    asyncio.run(run())
    rig.wait_for_replicas()
    return Outcome(streams, num_before)


def busiest_replica(rig: Rig) -> int:
    """The number of the one that is sent most rows at the moment."""

    def rows_sent() -> dict[str, int]:
        return {name: uplink.rows_sent for (_, _, name), uplink in list(rig.directory.uplinks.items())}

    before = rows_sent()
    time.sleep(LOOK_S)
    growth = {name: rows - before.get(name, 0) for name, rows in rows_sent().items()}
    return int(max(growth, key=lambda name: growth[name]).removeprefix("replica-"))
