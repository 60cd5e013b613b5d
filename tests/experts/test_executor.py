"""The executor: each row is the expert's own feed-forward, whatever it is computed with; bad work disturbs nobody."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moray import wire
from moray.experts.compiled import Rows
from moray.experts.executor import Executor
from moray.experts.product_kernel import BLOCK_ROWS
from moray.experts.weights import ExpertFunction, ExpertWeights, pack_expert
from wire_kit import bits, payload_of

WIDTH, INNER, LAYERS, EXPERTS = 24, 17, (1, 3), (0, 2, 5)


def make_weights() -> dict[int, dict[int, ExpertFunction]]:
    torch.manual_seed(0)
    return {
        expert: pack_expert(
            {layer: ExpertWeights(torch.randn(2 * INNER, WIDTH), torch.randn(WIDTH, INNER)) for layer in LAYERS}
        )
        for expert in EXPERTS
    }


WEIGHTS = make_weights()


def random_rows(rng: random.Random, num_rows: int) -> Rows:
    return np.random.default_rng(rng.getrandbits(32)).standard_normal((num_rows, WIDTH), np.float32)


def arrived(dispatch: wire.Dispatch) -> wire.Dispatch:
    """As it comes out of a frame: rows that are read-only and lie at any address."""
    return cast(wire.Dispatch, wire.decode(payload_of(dispatch)))


def make_dispatch(rng: random.Random, seq: int, max_count: int = 5) -> wire.Dispatch:
    """Any subset of the experts, rows chosen with repetition, empty groups among them."""
    experts = sorted(rng.sample(EXPERTS, rng.randrange(1, len(EXPERTS) + 1)))
    counts = [rng.randrange(max_count + 1) for _ in experts]
    counts[0] = counts[0] or 1
    num_rows = rng.randrange(1, 7)
    row_index = [rng.randrange(num_rows) for _ in range(sum(counts))]
    groups = list(zip(experts, counts, strict=True))
    return arrived(wire.Dispatch(seq, rng.choice(LAYERS), groups, row_index, random_rows(rng, num_rows), 1000))


def row_by_row(dispatch: wire.Dispatch) -> Rows:
    experts = [expert for expert, count in dispatch.groups for _ in range(count)]
    rows = np.array(dispatch.hidden_states)
    return np.concatenate(
        [
            WEIGHTS[expert][dispatch.layer](rows[index : index + 1])
            for expert, index in zip(experts, dispatch.row_index, strict=True)
        ]
    )


def outputs_of(answer: object) -> wire.Tensor:
    assert isinstance(answer, wire.Result)
    return answer.outputs


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), num_dispatches=st.integers(1, 6))
def test_rows_have_the_bits_of_the_feed_forward_alone_in_any_company(seed: int, num_dispatches: int) -> None:
    rng = random.Random(seed)
    dispatches = [make_dispatch(rng, seq) for seq in range(num_dispatches)]
    answers = Executor(WEIGHTS, WIDTH, 1000).execute(dispatches)
    assert [answer.seq for answer in answers] == list(range(num_dispatches))
    for dispatch, answer in zip(dispatches, answers, strict=True):
        assert bits(outputs_of(answer)) == bits(row_by_row(dispatch))


@pytest.mark.parametrize("extra", [-1, 0, 1, BLOCK_ROWS + 1])
def test_more_rows_than_one_block_holds_have_the_same_bits(extra: int) -> None:
    count = BLOCK_ROWS + extra
    rows = random_rows(random.Random(count), count)
    dispatch = arrived(wire.Dispatch(0, 1, [(2, count)], list(range(count)), rows, 1000))
    (answer,) = Executor(WEIGHTS, WIDTH, 1000).execute([dispatch])
    assert bits(outputs_of(answer)) == bits(row_by_row(dispatch))


def test_rows_beyond_the_capacity_are_answered_busy_and_later_ones_that_fit_are_computed() -> None:
    def of(seq: int, count: int) -> wire.Dispatch:
        return wire.Dispatch(seq, 1, [(0, count)], [0] * count, random_rows(random.Random(seq), 1), 9)

    executor = Executor(WEIGHTS, WIDTH, 10)
    dispatches = [of(0, 6), of(1, 5), of(2, 4), of(3, 1)]
    answers = executor.execute(dispatches)
    assert [type(answer) for answer in answers] == [wire.Result, wire.Busy, wire.Result, wire.Busy]
    assert [answer.seq for answer in answers] == [0, 1, 2, 3]
    assert bits(outputs_of(answers[0])) == bits(row_by_row(dispatches[0]))
    assert bits(outputs_of(answers[2])) == bits(row_by_row(dispatches[2]))
    assert executor.rows_done == 10
    assert isinstance(executor.execute([of(4, 10)])[0], wire.Result)  # the room is back
    assert executor.execute([of(5, 11)]) == [wire.Busy(5)]


ROWS = np.ones((2, WIDTH), np.float32)
GOOD = wire.Dispatch(7, 1, [(0, 2), (2, 1)], [0, 1, 1], ROWS, 1000)
BAD: dict[str, wire.Dispatch] = {
    "rows too narrow": replace(GOOD, hidden_states=np.ones((2, WIDTH - 1), np.float32)),
    "rows too wide": replace(GOOD, hidden_states=np.ones((2, WIDTH + 1), np.float32)),
    "one dimension": replace(GOOD, hidden_states=ROWS[0]),
    "three dimensions": replace(GOOD, hidden_states=ROWS[:, :, None]),
    "no dimensions": replace(GOOD, hidden_states=np.array(1.0, np.float32)),
    "float16 rows": replace(GOOD, hidden_states=ROWS.astype(np.float16)),
    "int32 rows": replace(GOOD, hidden_states=ROWS.astype(np.int32)),
    "no rows": replace(GOOD, hidden_states=ROWS[:0]),
    "index beyond the rows": replace(GOOD, row_index=[0, 1, 2]),
    "index far beyond the rows": replace(GOOD, row_index=[0, 2**31 - 1, 1]),
    "index shorter than the groups": replace(GOOD, row_index=[0, 1]),
    "index longer than the groups": replace(GOOD, row_index=[0, 1, 1, 0]),
    "rows in order, more of them than there are": replace(GOOD, groups=[(0, 3)], row_index=[0, 1, 2]),
    "no rows counted": replace(GOOD, groups=[(0, 0)], row_index=[0]),
    "counts too high": replace(GOOD, groups=[(0, 2), (2, 2)]),
    "counts too low": replace(GOOD, groups=[(0, 2), (2, 0)]),
    "counts far too high": replace(GOOD, groups=[(0, 2**31 - 1)] * 1024),
    "unknown expert": replace(GOOD, groups=[(0, 2), (1, 1)]),
    "unknown expert without rows": replace(GOOD, groups=[(0, 3), (1, 0)]),
    "unknown layer": replace(GOOD, layer=2),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_malformed_dispatch_is_a_failure_and_its_neighbours_are_computed(bad: wire.Dispatch) -> None:
    executor = Executor(WEIGHTS, WIDTH, 6)
    before, failure, after = executor.execute([replace(GOOD, seq=6), bad, replace(GOOD, seq=8)])
    assert isinstance(failure, wire.Failure) and (failure.seq, failure.code) == (7, "bad_dispatch")
    assert (before.seq, after.seq) == (6, 8)
    assert bits(outputs_of(before)) == bits(row_by_row(GOOD)) and bits(outputs_of(after)) == bits(row_by_row(GOOD))
    assert executor.rows_done == 6
    wire.encode(failure)


def test_answers_are_not_changed_by_later_work() -> None:
    executor = Executor(WEIGHTS, WIDTH, 10)
    first, second = (arrived(replace(GOOD, hidden_states=random_rows(random.Random(i), 2))) for i in range(2))
    (kept,) = executor.execute([first])
    executor.execute([second])
    assert bits(outputs_of(kept)) == bits(row_by_row(first)) != bits(row_by_row(second))


def test_nothing_to_do_is_done() -> None:
    assert Executor(WEIGHTS, WIDTH, 6).execute([]) == []
