"""The gate chooses as DeepSeek-V3's does and the lowest index wins; combine adds in one known order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from exact import random_rows, same_bits
from moray.architecture import Architecture, parse_architecture
from moray.experts.random_checkpoint import TINY_CONFIG
from moray.router.combine import combine
from moray.router.gate import Choice, SigmoidGate, load_gate

SHAPES = [(4, 1), (5, 1), (17, 1), (4, 2), (8, 4), (24, 8), (64, 8), (36, 3)]  # experts, groups
COARSE = [-30.0, -4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 4.0, 30.0]  # few values, so that many are equal
BIASES = [-2.0, -1.0, -0.25, 0.0, 0.0, 0.125, 1.5]  # most scores end below zero, where a mask of zeros would win


def architecture(num_experts: int, num_groups: int = 1, **changes: Any) -> Architecture:
    shape = {"n_routed_experts": num_experts, "n_group": num_groups, "topk_group": num_groups}
    return parse_architecture(TINY_CONFIG | shape | changes, "test")


def choose(gate: SigmoidGate, x: Tensor) -> Choice:
    return gate(x.numpy(), np.zeros(len(x), np.int64))


def scores_of(x: Tensor, weight: Tensor) -> Tensor:
    """[T, E]: the scores of all experts, to the bit: what a gate says that takes them all as they are."""
    arch = architecture(len(weight), num_experts_per_tok=len(weight), norm_topk_prob=False, routed_scaling_factor=1.0)
    return torch.from_numpy(choose(load_gate(weight, torch.zeros(len(weight)), arch), x).weights)


def plain_gate(scores: Tensor, bias: Tensor, arch: Architecture) -> tuple[Tensor, Tensor]:
    """As transformers' DeepseekV3TopkRouter, but among equals the lowest index first; ids ascending."""
    biased = scores + bias
    if arch.num_groups > 1:
        grouped = biased.view(len(scores), arch.num_groups, -1)
        group_scores = grouped.topk(2, dim=-1).values.sum(dim=-1)
        best = group_scores.sort(dim=-1, descending=True, stable=True).indices[:, : arch.num_chosen_groups]
        is_open = torch.zeros_like(group_scores, dtype=torch.bool).scatter_(1, best, True)
        biased = grouped.masked_fill(~is_open[:, :, None], -torch.inf).flatten(1)
    ids = biased.sort(dim=-1, descending=True, stable=True).indices[:, : arch.experts_per_token].sort(dim=-1).values
    weights = scores.double().gather(1, ids)
    if arch.norm_topk_prob:
        weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
    return ids, weights * arch.routed_scaling_factor


@st.composite
def gates(draw: st.DrawFn) -> tuple[Architecture, Tensor, Tensor, Tensor]:
    """An architecture, hidden states [T, E], weight [E, E], bias [E]. The weight is a permutation of the identity, so
    a logit is one of the hidden states exactly."""
    num_experts, num_groups = draw(st.sampled_from(SHAPES))
    num_chosen_groups = draw(st.integers(1, num_groups))
    arch = architecture(
        num_experts,
        num_groups,
        topk_group=num_chosen_groups,
        num_experts_per_tok=draw(st.integers(1, min(8, num_chosen_groups * num_experts // num_groups))),
        norm_topk_prob=draw(st.booleans()),
        routed_scaling_factor=draw(st.sampled_from([1.0, 2.5])),
    )
    value = st.sampled_from(COARSE) | st.floats(-8, 8, width=32)
    row = st.lists(value, min_size=num_experts, max_size=num_experts)
    x = torch.tensor(draw(st.lists(row, min_size=1, max_size=5)))
    bias = torch.tensor(draw(st.lists(st.sampled_from(BIASES), min_size=num_experts, max_size=num_experts)))
    return arch, x, torch.eye(num_experts)[draw(st.permutations(range(num_experts)))], bias


@settings(max_examples=300)
@given(gates())
def test_the_gate_is_deepseeks_with_the_lowest_index_among_equals(
    drawn: tuple[Architecture, Tensor, Tensor, Tensor],
) -> None:
    arch, x, weight, bias = drawn
    choice = choose(load_gate(weight, bias, arch), x)
    ids, weights = plain_gate(scores_of(x, weight), bias, arch)
    assert choice.expert_ids.tolist() == ids.tolist()
    assert choice.expert_ids.dtype == np.int64 and choice.weights.dtype == np.float32
    assert np.allclose(choice.weights, weights, rtol=1e-6, atol=0)


@pytest.mark.parametrize("num_experts", [4, 15, 16, 17, 65])
@pytest.mark.parametrize("width", [7, 48, 130])
def test_scores_are_sigmoids_of_the_product(num_experts: int, width: int) -> None:
    x, weight = torch.from_numpy(random_rows(1, 9, width)), torch.from_numpy(random_rows(2, num_experts, width))
    exact = torch.sigmoid(x.double() @ weight.double().T)
    assert torch.allclose(scores_of(x, weight).double(), exact, rtol=1e-5 * width**0.5, atol=0)


@pytest.mark.parametrize("num_groups, num_chosen_groups", [(1, 1), (4, 2), (4, 4)])
def test_among_equals_the_lowest_indices_win(num_groups: int, num_chosen_groups: int) -> None:
    arch = architecture(16, num_groups, topk_group=num_chosen_groups, num_experts_per_tok=6)
    gate = load_gate(torch.zeros(16, 3), torch.full((16,), -0.75), arch)
    assert choose(gate, torch.ones(2, 3)).expert_ids.tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_closed_groups_stay_closed_when_every_open_score_is_negative() -> None:
    bias = torch.tensor([-9.0, -9.0, -1.0, -1.0, -9.0, -9.0])  # the middle group is the best, and negative
    arch = architecture(6, 3, topk_group=1, num_experts_per_tok=2)
    assert choose(load_gate(torch.zeros(6, 3), bias, arch), torch.ones(1, 3)).expert_ids.tolist() == [[2, 3]]


def test_the_bias_steers_the_choice_but_not_the_weights() -> None:
    arch = architecture(4, num_experts_per_tok=2, norm_topk_prob=False, routed_scaling_factor=1.0)
    x, weight = torch.tensor([[3.0, 2.0, -2.0, -3.0]]), torch.eye(4)
    choice = choose(load_gate(weight, torch.tensor([0.0, 0.0, 5.0, 5.0]), arch), x)
    assert choice.expert_ids.tolist() == [[2, 3]]
    assert same_bits(choice.weights, scores_of(x, weight)[:, 2:].numpy())


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), count=st.integers(1, 64))
def test_a_row_is_routed_alike_alone_and_in_company(seed: int, count: int) -> None:
    arch = architecture(24, 4, topk_group=2, num_experts_per_tok=5)
    weight, bias = random_rows(seed, 24, 33), random_rows(seed + 1, 24)
    gate, x = (
        load_gate(torch.from_numpy(weight), torch.from_numpy(bias), arch),
        torch.from_numpy(random_rows(2, count, 33)),
    )
    together = choose(gate, x)
    for i in range(count):
        alone = choose(gate, x[i : i + 1])
        assert same_bits(alone.expert_ids, together.expert_ids[i : i + 1])
        assert same_bits(alone.weights, together.weights[i : i + 1])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_overflowed_still_names_experts_that_exist(value: float) -> None:
    """The engine ends such a request, after the step: until then its row travels like any other."""
    arch = architecture(24, 4, topk_group=2, num_experts_per_tok=5)
    x = torch.from_numpy(random_rows(1, 3, 33))
    gate = load_gate(torch.from_numpy(random_rows(2, 24, 33)), torch.zeros(24), arch)
    expected = choose(gate, x)
    x[1] = value
    choice = choose(gate, x)
    ids = choice.expert_ids[1].tolist()
    assert ids == sorted(set(ids)) and len(ids) == 5 and ids[0] >= 0 and ids[-1] < 24
    assert same_bits(choice.expert_ids[::2].copy(), expected.expert_ids[::2].copy())
    assert same_bits(choice.weights[::2].copy(), expected.weights[::2].copy())


@given(seed=st.integers(0, 2**32), rows=st.integers(0, 5), per_row=st.integers(1, 9), width=st.integers(1, 40))
def test_combine_is_a_plain_loop_bit_for_bit(seed: int, rows: int, per_row: int, width: int) -> None:
    outputs, weights = random_rows(seed, rows, per_row, width), random_rows(seed + 1, rows, per_row)
    total = random_rows(seed + 2, rows, width)
    expected = total.copy()
    for t in range(rows):
        for i in range(width):
            routed = outputs[t, 0, i] * weights[t, 0]  # numpy's float32 scalars round every operation
            for k in range(1, per_row):
                routed = routed + outputs[t, k, i] * weights[t, k]
            expected[t, i] = expected[t, i] + routed
    combine(total, outputs, weights)
    assert same_bits(total, expected)
