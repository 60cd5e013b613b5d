"""A replica that computes wrongly never gets work, however it does so; one that computes rightly gets it at once."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dataplane_kit
from dataplane_kit import TOKEN, Router, eventually, in_event_loop, make_thread
from moray import wire
from moray.experts import uplink_threads
from moray.experts.compiled import Array
from moray.experts.executor import Answer, Executor
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.right_answers import FLOAT_TOLERANCE, LARGE, fresh_rows, is_right
from moray.experts.row_format import row_format
from moray.experts.served import served_experts
from moray.experts.sharding import write_shards
from moray.experts.source import ModelSource, open_model
from moray.experts.uplink import ReplicaIdentity
from moray.experts.weights import ExpertFunction, pack_expert
from moray.router.credentials import TokenCredentials
from moray.router.directory import Directory
from moray.router.known_answers import KnownAnswers
from moray.router.listener import Acceptor, NetworkIdentity, listen
from moray.router.network_experts import NetworkExperts
from moray.router.transport import LocalExperts
from moray.types import DataAddress, NumericClass
from wire_kit import bits

CLASSES: tuple[NumericClass, ...] = ("float32", "int8", "int4")
NUM_EXPERTS = TINY_CONFIG["n_routed_experts"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)
    monkeypatch.setattr(uplink_threads, "FIRST_BACKOFF_S", 0.01)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[NumericClass, ModelSource]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_checkpoint(folder / "float32", TINY_CONFIG | {"dtype": "float32"}, seed=7)
    for numeric_class in CLASSES[1:]:
        write_shards(folder / "float32", folder / numeric_class, numeric_class=numeric_class)
    return {numeric_class: open_model(folder / numeric_class) for numeric_class in CLASSES}


@asynccontextmanager
async def open_examining(source: ModelSource) -> AsyncIterator[Router]:
    num_experts, numeric_class = source.architecture.num_experts, source.numeric_class
    identity = NetworkIdentity("test", source.model_id, numeric_class, num_experts, "router-a")
    directory = Directory(num_experts)
    acceptor = Acceptor(identity, directory, TokenCredentials(TOKEN), KnownAnswers(source))
    (server,) = await listen(acceptor, DataAddress("127.0.0.1", 0))
    try:
        experts = NetworkExperts(directory, acceptor.counters, 5.0, row_format(numeric_class))
        yield Router(acceptor, directory, experts, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        directory.close_all("the test is over")


Weights = dict[int, dict[int, ExpertFunction]]


def weights_of(source: ModelSource, experts: Sequence[int]) -> Weights:
    return {expert: pack_expert(source.expert(expert)) for expert in experts}


def identity_of(source: ModelSource, experts: Sequence[int], name: str) -> ReplicaIdentity:
    identity = dataplane_kit.identity_of(experts, name)
    return replace(identity, model_id=source.model_id, numeric_class=source.numeric_class)


@asynccontextmanager
async def open_node(
    port: int, source: ModelSource, weights: Weights, name: str = "replica", is_compiled: bool = True, **more: Executor
) -> AsyncIterator[None]:
    width, rows = source.architecture.hidden_size, row_format(source.numeric_class)
    executor = more.get("executor") or Executor(weights, width, 1000, rows)
    served = served_experts(weights, 1000) if is_compiled and "executor" not in more else None
    threads = make_thread(port, identity_of(source, sorted(weights), name), executor, served=served)
    threads.start()
    try:
        yield
    finally:
        threads.drain("the test is over")


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("numeric_class", CLASSES)
@in_event_loop
async def test_a_replica_that_computes_rightly_gets_work(
    sources: dict[NumericClass, ModelSource], numeric_class: NumericClass, is_compiled: bool
) -> None:
    source = sources[numeric_class]
    weights = weights_of(source, range(NUM_EXPERTS))
    async with open_examining(source) as router, open_node(router.port, source, weights, is_compiled=is_compiled):
        await router.joined(1)
        assert not router.directory.missing() and router.acceptor.counters.joins_refused == 0
        layer = source.architecture.moe_layers[0]
        rows = np.random.default_rng(1).standard_normal((3, source.architecture.hidden_size), np.float32)
        ids = np.array([[0, 1], [2, 5], [1, 3]])
        expected = await LocalExperts(source).dispatch(layer, rows, ids)
        assert bits(await router.experts.dispatch(layer, rows, ids)) == bits(expected)


@pytest.mark.parametrize("numeric_class", CLASSES)
@in_event_loop
async def test_a_replica_that_takes_fewer_rows_at_once_than_a_question_has_is_asked_in_parts(
    sources: dict[NumericClass, ModelSource], numeric_class: NumericClass
) -> None:
    source = sources[numeric_class]
    weights = weights_of(source, [0, 1])
    small = Executor(weights, source.architecture.hidden_size, 1, row_format(numeric_class))
    async with open_examining(source) as router, open_node(router.port, source, weights, executor=small):
        await router.joined(1)
        assert router.acceptor.counters.joins_refused == 0


# -- what is wrong


class Lying(Executor):
    """``change``: of one result's rows [R, W], in place."""

    change: Callable[[Array], None]

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        answers = super().execute(dispatches)
        for answer in answers:
            if isinstance(answer, wire.Result):
                type(self).change(answer.outputs)
        return answers


def one_value(outputs: Array) -> None:
    outputs[0, 3] += 1 if outputs.dtype == np.int8 else 0.01 * np.abs(outputs[0]).max()


def zeros(outputs: Array) -> None:
    outputs[:] = 0


def only_what_saturates(outputs: Array) -> None:
    outputs[1] = outputs[0]


def not_a_number(outputs: Array) -> None:
    outputs[-1, 0] = 1 if outputs.dtype == np.int8 else math.nan


def infinite(outputs: Array) -> None:
    outputs[0, 0] = -128 if outputs.dtype == np.int8 else math.inf


LIES = (one_value, zeros, only_what_saturates, not_a_number, infinite)


async def assert_never_works(router: Router, experts: set[int]) -> None:
    """It is refused, and again, and is not in the directory meanwhile."""
    counters, seen = router.acceptor.counters, set[int]()
    until = time.monotonic() + 15
    while counters.joins_refused < 3 and time.monotonic() < until:
        seen.add(len(router.directory.uplinks))
        await eventually(lambda before=counters.joins_refused: counters.joins_refused > before)  # type: ignore[misc]
    assert counters.joins_refused >= 3 and seen == {0} and experts <= router.directory.missing()


@in_event_loop
async def test_who_takes_one_row_at_a_time_is_asked_all_rows(
    sources: dict[NumericClass, ModelSource], caplog: pytest.LogCaptureFixture
) -> None:
    """Right for usual values, wrong for those that saturate, which are the second row."""
    source, num_asked = sources["float32"], iter(range(1000))
    weights = weights_of(source, [0])

    def change(outputs: Array) -> None:
        if next(num_asked) % 4 == 1:
            zeros(outputs)

    liar = type("Liar", (Lying,), {"change": staticmethod(change)})
    executor = liar(weights, source.architecture.hidden_size, 1)
    async with open_examining(source) as router, open_node(router.port, source, weights, executor=executor):
        await eventually(lambda: router.acceptor.counters.joins_refused or router.directory.uplinks)
        assert not router.directory.uplinks
    assert "wrong_answer: expert 0" in caplog.text


@in_event_loop
async def test_who_takes_no_rows_is_not_welcome(sources: dict[NumericClass, ModelSource]) -> None:
    """There would be nothing to ask it, and nothing that it could have answered wrongly."""
    source = sources["float32"]
    async with open_examining(source) as router:
        _, answer = await dataplane_kit.dial_and_join(
            router.port, model_id=source.model_id, numeric_class="float32", capacity=0
        )
        assert isinstance(answer, wire.Reject) and answer.code == "wrong_capacity"


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("numeric_class", ["float32", "int8"])
@in_event_loop
async def test_a_replica_that_lies_never_gets_work(
    sources: dict[NumericClass, ModelSource],
    numeric_class: NumericClass,
    lie: Callable[[Array], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = sources[numeric_class]
    weights = weights_of(source, [2, 3])
    liar = type("Liar", (Lying,), {"change": staticmethod(lie)})
    executor = liar(weights, source.architecture.hidden_size, 1000, row_format(numeric_class))
    async with open_examining(source) as router, open_node(router.port, source, weights, executor=executor):
        await assert_never_works(router, {2, 3})
    assert "wrong_answer: expert 2" in caplog.text


@pytest.mark.parametrize("numeric_class", CLASSES)
@in_event_loop
async def test_a_replica_with_another_experts_weights_never_gets_work(
    sources: dict[NumericClass, ModelSource], numeric_class: NumericClass
) -> None:
    source = sources[numeric_class]
    weights = weights_of(source, [1, 2])
    swapped = {1: weights[2], 2: weights[1]}
    async with open_examining(source) as router, open_node(router.port, source, swapped):
        await assert_never_works(router, {1, 2})


@in_event_loop
async def test_one_wrong_expert_among_many_is_found(sources: dict[NumericClass, ModelSource]) -> None:
    source = sources["int8"]
    weights = weights_of(source, range(NUM_EXPERTS))
    weights[NUM_EXPERTS - 1] = weights[0]
    async with open_examining(source) as router, open_node(router.port, source, weights):
        await assert_never_works(router, set(range(NUM_EXPERTS)))


class Silent(Executor):
    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        return [wire.Busy(dispatch.seq) for dispatch in dispatches]


@in_event_loop
async def test_a_replica_that_does_not_answer_the_test_never_gets_work(
    sources: dict[NumericClass, ModelSource], caplog: pytest.LogCaptureFixture
) -> None:
    source = sources["float32"]
    weights = weights_of(source, [0])
    busy = Silent(weights, source.architecture.hidden_size, 1000)
    async with open_examining(source) as router, open_node(router.port, source, weights, executor=busy):
        await assert_never_works(router, {0})
    assert "no_answer: expert 0" in caplog.text


@in_event_loop
async def test_beside_a_liar_the_honest_replica_serves_on(sources: dict[NumericClass, ModelSource]) -> None:
    source = sources["float32"]
    everything = range(NUM_EXPERTS)
    weights = weights_of(source, everything)
    liar = type("Liar", (Lying,), {"change": staticmethod(one_value)})
    executor = liar(weights, source.architecture.hidden_size, 1000)
    layer, local = source.architecture.moe_layers[0], LocalExperts(source)
    async with (
        open_examining(source) as router,
        open_node(router.port, source, weights, "honest"),
        open_node(router.port, source, weights, "liar", executor=executor),
    ):
        await eventually(lambda: not router.directory.missing() and router.acceptor.counters.joins_refused)
        for seed in range(20):
            rows = np.random.default_rng(seed).standard_normal((4, source.architecture.hidden_size), np.float32)
            ids = np.array([[0, 1], [2, 3], [4, 5], [1, 7]]) % NUM_EXPERTS
            ids.sort(axis=1)
            expected = await local.dispatch(layer, rows, ids)
            assert bits(await router.experts.dispatch(layer, rows, ids)) == bits(expected)
        assert [uplink.key for uplink in router.directory.uplinks.values()] == [("", "node", "honest")]


@in_event_loop
async def test_a_mistake_of_the_routers_own_lets_nobody_in_and_blames_nobody(
    sources: dict[NumericClass, ModelSource], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = sources["float32"]

    def unreadable(self: KnownAnswers, expert: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(KnownAnswers, "question", unreadable)
    async with open_examining(source) as router, open_node(router.port, source, weights_of(source, [0])):
        await eventually(lambda: "could not be examined" in caplog.text)
        assert not router.directory.uplinks and router.acceptor.counters.joins_refused == 0


# -- the questions


@pytest.mark.parametrize("numeric_class", CLASSES)
def test_no_question_is_asked_twice_and_every_layer_is_asked_about(
    sources: dict[NumericClass, ModelSource], numeric_class: NumericClass
) -> None:
    examiner = KnownAnswers(sources[numeric_class])
    questions = [examiner.question(3) for _ in range(40)]
    assert len({question.rows.tobytes() for question in questions}) == 40
    assert {question.layer for question in questions} == set(sources[numeric_class].architecture.moe_layers)


def test_rows_hold_usual_values_saturating_ones_an_outlier_and_none() -> None:
    rows = fresh_rows(np.random.default_rng(0), 64)
    assert 0.5 < rows[0].std() < 2 and set(np.abs(rows[1])) == {np.float32(LARGE)}
    assert rows[2].max() == LARGE and np.sort(np.abs(rows[2]))[-2] < 10 and not rows[3].any()


finite = st.floats(-1e6, 1e6, width=32)


@given(answer=arrays.arrays(np.float32, (3, 5), elements=finite), where=st.integers(0, 14), times=st.floats(2, 1e6))
def test_floats_may_differ_by_what_another_order_of_addition_gives_and_no_more(
    answer: Array, where: int, times: float
) -> None:
    assert is_right(answer.copy(), answer)
    largest = np.abs(answer[where // 5]).max()
    wrong = answer.astype(np.float64)
    wrong.flat[where] += times * FLOAT_TOLERANCE * max(largest, 1e-20)
    assert not is_right(wrong.astype(np.float32), answer) or np.array_equal(wrong.astype(np.float32), answer)
    for value in (math.nan, math.inf, -math.inf):
        spoilt = answer.copy()
        spoilt.flat[where] = value
        assert not is_right(spoilt, answer)


@given(answer=arrays.arrays(np.int8, (3, 5)), where=st.integers(0, 14), by=st.integers(1, 255))
def test_integers_must_be_equal(answer: Array, where: int, by: int) -> None:
    assert is_right(answer.copy(), answer)
    wrong = answer.copy()
    wrong.view(np.uint8).flat[where] ^= np.uint8(by)
    assert not is_right(wrong, answer)


@in_event_loop
async def test_after_a_refusal_a_replica_waits_longer_each_time_welcome_or_not(
    sources: dict[NumericClass, ModelSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moray.experts.uplink_threads.random.random", lambda: 0.5)
    source, waited = sources["float32"], list[float]()
    busy = Silent(weights_of(source, [0]), source.architecture.hidden_size, 1000)
    async with open_examining(source) as router:
        threads = make_thread(router.port, identity_of(source, [0], "busy"), busy)
        stop = threads._threads[0]._stop

        def wait(seconds: float) -> None:
            waited.append(seconds)
            time.sleep(0.001)

        monkeypatch.setattr(stop, "wait", wait)
        threads.start()
        await eventually(lambda: len(waited) >= 4)
        threads.drain("the test is over")
    assert waited[:4] == pytest.approx([0.02, 0.04, 0.08, 0.16])
