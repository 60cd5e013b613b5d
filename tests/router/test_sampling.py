"""Sampling: the right distribution, the right support, and nothing that batch mates could change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.experts.compiled import Rows
from moray.router import sampling
from moray.router.sampling import next_tokens, uniform
from moray.types import SamplingParams

LOGITS = st.lists(st.sampled_from([-3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 1.5, 2.0, 4.0]), min_size=1, max_size=12)


def softmax(scores: list[float]) -> list[float]:
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def support(logits: list[float], temperature: float, top_k: int, top_p: float) -> list[float]:
    """Plain-Python oracle: each token's probability, 0 where filtered out, not renormalised after top-p."""
    scores = [value / temperature for value in logits]
    if top_k:
        kth = sorted(scores, reverse=True)[min(top_k, len(scores)) - 1]
        scores = [score if score >= kth else -math.inf for score in scores]
    probabilities = softmax(scores)
    kept, mass = [0.0] * len(scores), 0.0
    for token in sorted(range(len(scores)), key=lambda token: (-probabilities[token], token)):
        if mass < top_p or mass == 0.0:
            kept[token] = probabilities[token]
        mass += probabilities[token]
    return kept


def rows_of(*rows: list[float]) -> Rows:
    return np.array(rows, np.float32)


def draw(logits: list[float], params: SamplingParams, position: int = 0) -> int:
    return next_tokens(rows_of(logits), [params], [position])[0].token_id


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_draws_follow_the_softmax(temperature: float) -> None:
    logits, num_draws = [0.0, 1.0, 2.0, -1.0, 0.5, 1.7], 4000
    counts = [0] * len(logits)
    for seed in range(num_draws):
        counts[draw(logits, SamplingParams(temperature=temperature, seed=seed))] += 1
    expected = [num_draws * p for p in softmax([value / temperature for value in logits])]
    chi_square = sum((count - want) ** 2 / want for count, want in zip(counts, expected, strict=True))
    assert chi_square < 20.5  # 5 degrees of freedom, p = 0.001


def test_positions_of_one_seed_are_independent_draws() -> None:
    values = [uniform(7, position) for position in range(4000)]
    cells = [0] * 16
    for first, second in zip(values[::2], values[1::2], strict=True):
        cells[int(first * 4) * 4 + int(second * 4)] += 1
    assert sum((count - 125) ** 2 / 125 for count in cells) < 37.7  # 15 degrees of freedom, p = 0.001


@given(LOGITS, st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 13), st.floats(0.01, 1.0))
def test_only_tokens_that_pass_the_filters_are_drawn(
    logits: list[float], temperature: float, top_k: int, top_p: float
) -> None:
    kept = support(logits, temperature, top_k, top_p)
    looser, tighter = (support(logits, temperature, top_k, top_p + step) for step in (1e-9, -1e-9))
    if looser != tighter:  # a mass within rounding of top_p may go either way
        return
    params = [SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed) for seed in range(60)]
    rows = rows_of(*[logits] * len(params))
    drawn = {token.token_id for token in next_tokens(rows, params, [0] * len(params))}
    assert drawn <= {token for token, mass in enumerate(kept) if mass > 0}
    total = sum(kept)
    likely = {token for token, mass in enumerate(kept) if mass / total > 0.3}
    assert likely <= drawn  # missing all of 60 draws: below 1e-9


def test_top_p_beyond_the_sorted_candidates_keeps_the_whole_prefix() -> None:
    logits = np.linspace(0.001, 0.0, 5000, dtype=np.float32)[None]  # half of the mass is in the first 2,500
    drawn = [next_tokens(logits, [SamplingParams(top_p=0.5, seed=seed)], [3])[0].token_id for seed in range(60)]
    assert 1500 < max(drawn) < 2500  # well beyond the first 1,024


def test_greedy_takes_the_lowest_id_among_equals() -> None:
    rows = rows_of([1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -2.0, -3.0, -0.5])
    tokens = next_tokens(rows, [SamplingParams(temperature=0.0)] * 3, [0, 1, 2])
    assert [token.token_id for token in tokens] == [1, 0, 3]
    assert all(token.finish_reason is None and token.logprob is None for token in tokens)


@given(st.integers(0, 2**32), st.lists(st.sampled_from([0.0, 0.8, 1.3]), min_size=2, max_size=6))
def test_a_row_does_not_depend_on_its_batch(seed: int, temperatures: list[float]) -> None:
    rows = np.random.default_rng(seed).standard_normal((len(temperatures), 37), np.float32)
    params = [
        SamplingParams(temperature=temperature, top_p=0.9, seed=seed + row, num_logprobs=3)
        for row, temperature in enumerate(temperatures)
    ]
    positions = list(range(len(params)))
    together = next_tokens(rows, params, positions)
    alone = [next_tokens(rows[[i]], [params[i]], [i])[0] for i in reversed(positions)]
    assert together == alone[::-1]


def test_seed_and_position_both_matter() -> None:
    logits = [0.0] * 1000
    draws = {draw(logits, SamplingParams(seed=seed), position) for seed in range(5) for position in range(5)}
    assert len(draws) > 20
    assert draw(logits, SamplingParams(seed=-(2**63)), 4) == draw(logits, SamplingParams(seed=-(2**63)), 4)


def test_logprobs_are_of_the_untempered_distribution() -> None:
    logits = [0.0, 2.0, 2.0, 1.0, -math.inf]
    params = SamplingParams(temperature=0.1, top_k=1, num_logprobs=3)
    token = next_tokens(rows_of(logits), [params], [0])[0]
    expected = [math.log(p) if p else -math.inf for p in softmax(logits)]
    assert token.logprob == pytest.approx(expected[token.token_id])
    assert [token_id for token_id, _ in token.top_logprobs] == [1, 2, 3]
    assert [value for _, value in token.top_logprobs] == pytest.approx([expected[1], expected[2], expected[3]])
    chosen_only = next_tokens(rows_of(logits), [SamplingParams(num_logprobs=0)], [0])[0]
    assert chosen_only.logprob is not None and chosen_only.top_logprobs == ()


def test_forbidden_tokens_are_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = [-math.inf, 0.0, -math.inf, 0.0, -math.inf]
    assert {draw(logits, SamplingParams(seed=seed, temperature=2.0)) for seed in range(50)} == {1, 3}
    for extreme, token in ((0.0, 1), (1 - 2**-53, 3)):  # not even by the draws at both ends
        monkeypatch.setattr(sampling, "uniform", lambda *_, value=extreme: value)
        assert draw(logits, SamplingParams()) == token


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        next_tokens(np.zeros((2, 3), np.float32), [SamplingParams()], [0])
