"""How far a claimed token is from the one that the seed picks: the least error in the logits that would explain it.

Two honest machines have logits that differ a little, never by more than some epsilon (in nats; what all logits of a row
have in common does not count). The gap of a token is the smallest epsilon for which some row within it of ours makes
``sampling.next_tokens`` choose the token. So one measure does for greedy and for seeded answers and for every filter,
and a machine whose logits are within epsilon of the judge's never gets a gap above epsilon.

Greedy: half the distance to the best logit, since one may be too high and the other too low. Seeded: the token's
interval of the cumulated mass is made as wide as epsilon allows until the seed's number is in it. An error of e in
every score multiplies each mass by something from exp(-e) to exp(e); the most favourable case is one extreme before the
interval and the other behind it. Which tokens top-k and top-p keep is in doubt as well: one that may or may not be kept
counts on whichever side helps. With top-p the gap may be understated, since its doubts and the interval's may need
different errors; without it is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import Rows
from moray.router.sampling import GREEDY_BELOW, next_tokens, uniform
from moray.types import SamplingParams

CEILING = 1.0  # nats; stands for all gaps from there on
NUM_HALVINGS = 20  # a gap is known to within a millionth of the ceiling, from above
_ROUNDING = 1e-12  # of sums of masses in another order than the sampler's

Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


def token_gaps(logits: Rows, tokens: Sequence[int], sampling: SamplingParams, first_position: int) -> Iterator[float]:
    """Logits [B, V] and B tokens at consecutive positions -> their gaps in nats, exactly 0 where the seed picks the
    same token. A temperature is either 0 or at least ``task_spec.LOWEST_TEMPERATURE``."""
    positions = range(first_position, first_position + len(tokens))
    best = next_tokens(logits, [sampling] * len(tokens), positions)
    for row, choice, token, position in zip(logits, best, tokens, positions, strict=True):
        yield 0.0 if choice.token_id == token else _gap(row.astype(np.float64), token, sampling, position)


def _gap(row: Scores, token: int, sampling: SamplingParams, position: int) -> float:
    if sampling.temperature < GREEDY_BELOW:
        return min(CEILING, float(row.max() - row[token]) / 2)
    scores, fraction = row / sampling.temperature, uniform(sampling.seed, position)
    low, high = 0.0, CEILING
    if not _can_be_drawn(scores, token, sampling, fraction, high / sampling.temperature):
        return CEILING
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        if _can_be_drawn(scores, token, sampling, fraction, middle / sampling.temperature):
            high = middle
        else:
            low = middle
    return high


def _can_be_drawn(scores: Scores, token: int, sampling: SamplingParams, fraction: float, error: float) -> bool:
    """Whether ``fraction`` may fall to the token when every score [V] may be off by ``error``."""
    sure, possible = _kept(scores, sampling, error)
    masses = np.exp(scores - scores.max())
    if not possible[token] or not masses[token]:
        return False
    least, most = masses * sure, masses * possible
    begins = _shares(least[:token].sum(), most[token:].sum(), -error)
    ends = 1 - _shares(least[token + 1 :].sum(), most[: token + 1].sum(), -error)
    return bool(begins - _ROUNDING <= fraction <= ends + _ROUNDING)


def _shares(part: Scores, rest: Scores, error: float) -> Scores:
    """``part`` of the whole when its scores grow by ``error`` and those of the rest shrink by it; of nothing, 0."""
    return part / np.maximum(part + rest * math.exp(-2 * error), np.finfo(np.float64).tiny)


def _kept(scores: Scores, sampling: SamplingParams, error: float) -> tuple[Mask, Mask]:
    """Which tokens [V] the filters keep whatever the errors, and which they may keep."""
    sure = possible = np.ones(len(scores), np.bool_)
    if 0 < sampling.top_k < len(scores):
        ordered = np.partition(scores, (-sampling.top_k - 1, -sampling.top_k))
        next_best, last_in = ordered[-sampling.top_k - 1], ordered[-sampling.top_k]
        possible = scores + error >= last_in - error
        sure = possible & (scores - error >= next_best + error)
    if sampling.top_p < 1.0:
        sure, possible = _kept_by_mass(scores, sampling.top_p, error, sure, possible)
    return sure, possible


def _kept_by_mass(scores: Scores, top_p: float, error: float, sure: Mask, possible: Mask) -> tuple[Mask, Mask]:
    """A token is kept when the mass of those that are better is below ``top_p``; the best one always is."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    masses = np.exp(falling - falling[0])
    sure_masses, possible_masses = masses * sure[order], masses * possible[order]
    sure_sums, possible_sums = (np.concatenate(([0.0], np.cumsum(kind))) for kind in (sure_masses, possible_masses))
    num_better = np.searchsorted(-falling, -falling - 2 * error, side="left")  # whatever the errors
    num_perhaps_better = np.searchsorted(-falling, -falling + 2 * error, side="right")  # and the token itself
    least = _shares(sure_sums[num_better], possible_sums[-1] - possible_sums[num_better], -error)
    most = _shares(
        possible_sums[num_perhaps_better] - possible_masses,
        sure_sums[-1] - sure_sums[num_perhaps_better] + masses,
        error,
    )
    is_possible, is_sure = np.empty_like(possible), np.empty_like(sure)
    is_possible[order] = (num_better == 0) | (least < top_p + _ROUNDING)
    is_sure[order] = (num_perhaps_better == 1) | (most < top_p - _ROUNDING)
    return sure & is_sure, possible & is_possible
