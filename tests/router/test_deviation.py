"""The gap of a token never exceeds the error that explains it, and is as large as it must be where that is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moray.experts.compiled import Rows
from moray.router.deviation import CEILING, token_gaps
from moray.router.sampling import next_tokens, uniform
from moray.types import SamplingParams

SAMPLINGS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.0]),
    top_p=st.sampled_from([1.0, 0.95, 0.5, 0.05]),
    top_k=st.sampled_from([0, 1, 2, 5]),
    seed=st.integers(0, 1000),
)
SEEDS, SIZES = st.integers(0, 2**32), st.sampled_from([1, 3, 8, 40])
POSITION = 17


def random_row(seed: int, size: int, spread: float) -> Rows:
    return (np.random.default_rng(seed).standard_normal((1, size)) * spread).astype(np.float32)


def chosen(row: Rows, sampling: SamplingParams) -> int:
    return next_tokens(row, [sampling], [POSITION])[0].token_id


def gap_of(row: Rows, token: int, sampling: SamplingParams) -> float:
    (gap,) = token_gaps(row, [token], sampling, POSITION)
    return gap


@settings(max_examples=400)
@given(SAMPLINGS, SEEDS, SIZES, st.sampled_from([0.1, 1.0, 5.0]), st.sampled_from([1e-6, 1e-3, 0.03, 0.3]))
def test_a_machine_whose_logits_are_off_by_little_has_a_gap_no_larger(
    sampling: SamplingParams, seed: int, size: int, spread: float, error: float
) -> None:
    row = random_row(seed, size, spread)
    noise = np.random.default_rng(seed + 1).uniform(-error, error, row.shape)
    other = (row + noise + 2).astype(np.float32)  # what all have in common does not count
    largest = float(np.abs(other.astype(np.float64) - row - 2).max())
    assert gap_of(row, chosen(other, sampling), sampling) <= largest + 2 * CEILING / 2**20


@settings(max_examples=400)
@given(SAMPLINGS, SEEDS, SIZES, st.sampled_from([0.1, 1.0, 5.0]))
def test_the_worst_error_at_a_filters_edge_is_no_larger_either(
    sampling: SamplingParams, seed: int, size: int, spread: float
) -> None:
    """Errors of one size in every logit, with whatever signs: they move tokens over the edges of the filters."""
    error = 0.05
    row = random_row(seed, size, spread)
    signs = np.random.default_rng(seed + 1).choice([-error, error], row.shape)
    other = (row + signs).astype(np.float32)
    largest = float(np.abs(other.astype(np.float64) - row).max())
    assert gap_of(row, chosen(other, sampling), sampling) <= largest + 2 * CEILING / 2**20


@given(SAMPLINGS, SEEDS, SIZES)
def test_the_token_that_the_seed_picks_has_no_gap(sampling: SamplingParams, seed: int, size: int) -> None:
    row = random_row(seed, size, 2.0)
    assert gap_of(row, chosen(row, sampling), sampling) == 0.0


@given(SEEDS, st.integers(0, 39))
def test_a_greedy_gap_is_half_the_distance_to_the_best(seed: int, token: int) -> None:
    row = random_row(seed, 40, 1.0)
    wanted = min(CEILING, (float(row[0].max()) - float(row[0, token])) / 2)
    assert gap_of(row, token, SamplingParams(temperature=0.0)) == pytest.approx(wanted, abs=1e-6)


@given(SEEDS, st.integers(0, 7), st.integers(0, 100))
def test_a_seeded_gap_is_the_shift_of_log_odds_that_reaches_the_interval(seed: int, token: int, draw: int) -> None:
    """Without filters it is known: half the distance of the log odds, from the seed's number to the nearer end."""
    row, sampling = random_row(seed, 8, 1.0), SamplingParams(temperature=1.0, seed=draw)
    assume(chosen(row, sampling) != token)
    masses = np.exp(row[0].astype(np.float64))
    ends = np.concatenate(([0.0], np.cumsum(masses) / masses.sum()))
    number = uniform(draw, POSITION)
    end = ends[token] if number < ends[token] else ends[token + 1]
    distance = abs(np.log(number / (1 - number)) - np.log(end / (1 - end))) / 2
    assert gap_of(row, token, sampling) == pytest.approx(min(CEILING, distance), abs=2 * CEILING / 2**20)


@given(SEEDS, st.integers(0, 100))
def test_a_token_that_the_filter_drops_is_as_far_as_the_filters_edge(seed: int, draw: int) -> None:
    row, sampling = random_row(seed, 20, 1.0), SamplingParams(temperature=1.0, top_k=3, seed=draw)
    falling = np.sort(row[0].astype(np.float64))[::-1]
    last = int(row[0].argmin())
    to_edge = (falling[2] - falling[-1]) / 2
    assert gap_of(row, last, sampling) >= min(CEILING, to_edge) - 1e-6


def test_gaps_do_not_depend_on_the_rows_beside() -> None:
    rows = np.concatenate([random_row(seed, 30, 1.0) for seed in range(12)])
    sampling = SamplingParams(temperature=0.9, top_k=9, top_p=0.8, seed=4)
    tokens = [seed % 30 for seed in range(12)]
    together = list(token_gaps(rows, tokens, sampling, POSITION))
    alone = [
        next(token_gaps(rows[index : index + 1], [token], sampling, POSITION + index))
        for index, token in enumerate(tokens)
    ]
    assert together == alone and max(together) > 0
