"""The executor: each row is the expert's own feed-forward, whatever it is computed with; bad work disturbs nobody."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moray import wire
from moray.experts.executor import MAX_ROWS_PER_PRODUCT, Executor
from moray.experts.ffn import feed_forward
from moray.experts.weights import ExpertWeights

WIDTH, INNER, LAYERS, EXPERTS = 24, 17, (1, 3), (0, 2, 5)


def make_weights() -> dict[int, dict[int, ExpertWeights]]:
    torch.manual_seed(0)
    return {
        expert: {layer: ExpertWeights(torch.randn(2 * INNER, WIDTH), torch.randn(WIDTH, INNER)) for layer in LAYERS}
        for expert in EXPERTS
    }


WEIGHTS = make_weights()


def make_dispatch(rng: random.Random, seq: int, max_count: int = 5) -> wire.Dispatch:
    """Any subset of the experts, rows chosen with repetition, empty groups among them."""
    experts = sorted(rng.sample(EXPERTS, rng.randrange(1, len(EXPERTS) + 1)))
    counts = [rng.randrange(max_count + 1) for _ in experts]
    counts[0] = counts[0] or 1
    num_rows = rng.randrange(1, 7)
    row_index = torch.tensor([rng.randrange(num_rows) for _ in range(sum(counts))], dtype=torch.int32)
    groups = list(zip(experts, counts, strict=True))
    return wire.Dispatch(seq, rng.choice(LAYERS), groups, row_index, torch.randn(num_rows, WIDTH), 1000)


def row_by_row(dispatch: wire.Dispatch) -> Tensor:
    experts = [expert for expert, count in dispatch.groups for _ in range(count)]
    rows = []
    for expert, index in zip(experts, dispatch.row_index.tolist(), strict=True):
        weights = WEIGHTS[expert][dispatch.layer]
        rows.append(feed_forward(dispatch.hidden_states[index : index + 1], weights.gate_up, weights.down))
    return torch.cat(rows)


def outputs_of(answer: object) -> Tensor:
    assert isinstance(answer, wire.Result)
    return answer.outputs


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), num_dispatches=st.integers(1, 6))
def test_rows_have_the_bits_of_the_feed_forward_alone_in_any_company(seed: int, num_dispatches: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    dispatches = [make_dispatch(rng, seq) for seq in range(num_dispatches)]
    answers = Executor(WEIGHTS, WIDTH, 1000).execute(dispatches)
    assert [answer.seq for answer in answers] == list(range(num_dispatches))
    for dispatch, answer in zip(dispatches, answers, strict=True):
        assert torch.equal(outputs_of(answer), row_by_row(dispatch))


@pytest.mark.parametrize("extra", [-1, 0, 1, MAX_ROWS_PER_PRODUCT + 1])
def test_more_rows_than_one_product_takes_have_the_same_bits(extra: int) -> None:
    count = MAX_ROWS_PER_PRODUCT + extra
    row_index = torch.arange(count, dtype=torch.int32)
    dispatch = wire.Dispatch(0, 1, [(2, count)], row_index, torch.randn(count, WIDTH), 1000)
    (answer,) = Executor(WEIGHTS, WIDTH, 1000).execute([dispatch])
    assert torch.equal(outputs_of(answer), row_by_row(dispatch))


def test_rows_beyond_the_capacity_are_answered_busy_and_later_ones_that_fit_are_computed() -> None:
    def of(seq: int, count: int) -> wire.Dispatch:
        return wire.Dispatch(seq, 1, [(0, count)], torch.zeros(count, dtype=torch.int32), torch.randn(1, WIDTH), 9)

    executor = Executor(WEIGHTS, WIDTH, 10)
    dispatches = [of(0, 6), of(1, 5), of(2, 4), of(3, 1)]
    answers = executor.execute(dispatches)
    assert [type(answer) for answer in answers] == [wire.Result, wire.Busy, wire.Result, wire.Busy]
    assert [answer.seq for answer in answers] == [0, 1, 2, 3]
    assert torch.equal(outputs_of(answers[0]), row_by_row(dispatches[0]))
    assert torch.equal(outputs_of(answers[2]), row_by_row(dispatches[2]))
    assert executor.rows_done == 10
    assert isinstance(executor.execute([of(4, 10)])[0], wire.Result)  # the room is back
    assert executor.execute([of(5, 11)]) == [wire.Busy(5)]


GOOD = wire.Dispatch(7, 1, [(0, 2), (2, 1)], torch.tensor([0, 1, 1], dtype=torch.int32), torch.ones(2, WIDTH), 1000)
BAD: dict[str, wire.Dispatch] = {
    "rows too narrow": replace(GOOD, hidden_states=torch.ones(2, WIDTH - 1)),
    "rows too wide": replace(GOOD, hidden_states=torch.ones(2, WIDTH + 1)),
    "one dimension": replace(GOOD, hidden_states=torch.ones(WIDTH)),
    "three dimensions": replace(GOOD, hidden_states=torch.ones(2, WIDTH, 1)),
    "no dimensions": replace(GOOD, hidden_states=torch.tensor(1.0)),
    "bfloat16 rows": replace(GOOD, hidden_states=torch.ones(2, WIDTH, dtype=torch.bfloat16)),
    "int32 rows": replace(GOOD, hidden_states=torch.ones(2, WIDTH, dtype=torch.int32)),
    "no rows": replace(GOOD, hidden_states=torch.ones(0, WIDTH)),
    "index beyond the rows": replace(GOOD, row_index=torch.tensor([0, 1, 2], dtype=torch.int32)),
    "negative index": replace(GOOD, row_index=torch.tensor([0, -1, 1], dtype=torch.int32)),
    "int8 index": replace(GOOD, row_index=torch.tensor([0, 1, 1], dtype=torch.int8)),
    "float index": replace(GOOD, row_index=torch.tensor([0.0, 1.0, 1.0])),
    "index of two dimensions": replace(GOOD, row_index=torch.zeros(3, 1, dtype=torch.int32)),
    "index of no dimensions": replace(GOOD, row_index=torch.tensor(0, dtype=torch.int32)),
    "empty index": replace(GOOD, groups=[(0, 0)], row_index=torch.zeros(0, dtype=torch.int32)),
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
    assert torch.equal(outputs_of(before), row_by_row(GOOD)) and torch.equal(outputs_of(after), row_by_row(GOOD))
    assert executor.rows_done == 6
    wire.encode(failure)


def test_nothing_to_do_is_done() -> None:
    assert Executor(WEIGHTS, WIDTH, 6).execute([]) == []
