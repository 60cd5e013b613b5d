"""The next token of every row of a batch, reproducible from (seed, position, logits) alone.

Filters come in the order of Hugging Face's ``generate``: temperature, top-k (ties with the k-th value stay
in), top-p (the shortest best-first prefix whose mass reaches p). The draw is an inverse CDF in id order. A mask comes
before them all; log-probabilities are the model's own, as if there were none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from moray.experts.compiled import Rows
from moray.router.sampling_kernel import draw_kernel, mask_kernel
from moray.types import GeneratedToken, Mask, SamplingParams

GREEDY_BELOW = 1e-5  # temperature; smaller ones would overflow and pick the maximum anyway
TOP_P_CANDIDATES = 1024  # sorted first; the whole vocabulary only where their mass falls short of top_p
EVERYTHING: Mapping[int, Mask] = {}


def next_tokens(
    logits: Rows,
    params: Sequence[SamplingParams],
    positions: Sequence[int],
    masks: Mapping[int, Mask] = EVERYTHING,
) -> list[GeneratedToken]:
    """Choose one token per row; ``finish_reason`` stays None.

    ``logits`` is [B, V] float32 without NaN or +inf (-inf forbids a token); ``positions[i]`` is the place of
    row i's new token in its sequence; ``masks`` are of the rows that may not say everything. A row's answer has the
    same bits whatever else is in the batch. Raises ``ValueError`` when the three lengths differ.
    """
    if not logits.shape[0] == len(params) == len(positions):
        raise ValueError(f"{logits.shape[0]} rows, {len(params)} params, {len(positions)} positions")
    greedy = logits.argmax(axis=-1).tolist()  # the lowest id among equals
    tokens = []
    for row, (sampling, position) in enumerate(zip(params, positions, strict=True)):
        scores, token_id = logits[row], greedy[row]
        if row in masks:
            scores = mask_kernel(scores, np.frombuffer(masks[row], np.uint8))
            token_id = int(scores.argmax())
        if sampling.temperature >= GREEDY_BELOW:
            token_id = _drawn(scores, sampling, uniform(sampling.seed, position))
        tokens.append(_with_logprobs(token_id, logits[row], sampling.num_logprobs))
    return tokens


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) with 53 random bits, fixed by its arguments (BLAKE2b, RFC 7693)."""
    key = f"{seed}:{position}".encode()
    word = int.from_bytes(blake2b(key, digest_size=8, person=b"moray-sampling").digest(), "little")
    return float(word >> 11) * 2.0**-53


def _drawn(row: Rows, sampling: SamplingParams, fraction: float) -> int:
    if sampling.top_p >= 1.0 and not 0 < sampling.top_k < len(row):  # nothing to filter: the usual request
        return int(draw_kernel(row, sampling.temperature, fraction))
    return _draw(_probabilities(torch.from_numpy(row), sampling), fraction)


def _probabilities(row: Tensor, sampling: SamplingParams) -> Tensor:
    """[V] logits -> [V] float64 probabilities after the filters."""
    scores = row.double()
    scores = (scores - scores.max()) / sampling.temperature
    if 0 < sampling.top_k < scores.numel():
        scores = scores.masked_fill(scores < scores.topk(sampling.top_k).values[-1], -torch.inf)
    probabilities = torch.softmax(scores, dim=-1)
    if sampling.top_p < 1.0:
        probabilities = _keep_top_p(probabilities, sampling.top_p)
    return probabilities


def _keep_top_p(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the best tokens whose preceding mass is below ``top_p``; the best one always stays."""
    best = _best_first(probabilities, TOP_P_CANDIDATES)
    if float(probabilities[best].sum()) < top_p:
        best = _best_first(probabilities, probabilities.numel())
    masses = probabilities[best]
    mass_before = masses.cumsum(dim=-1) - masses
    keep = mass_before < top_p
    keep[0] = True  # rounding may leave a preceding mass a hair below zero or above a tiny top_p
    kept = best[keep]
    return torch.zeros_like(probabilities).scatter_(0, kept, probabilities[kept])


def _best_first(values: Tensor, count: int) -> Tensor:
    """Ids of the ``count`` greatest values and of ties with the last; among equals the lowest id first."""
    if count < values.numel():
        ids = (values >= values.topk(count).values[-1]).nonzero().squeeze(-1)
        return ids[values[ids].sort(descending=True, stable=True).indices]
    return values.sort(descending=True, stable=True).indices


def _draw(probabilities: Tensor, fraction: float) -> int:
    """The first id whose cumulated mass exceeds ``fraction`` of the whole; ids of mass 0 cannot be it."""
    cumulated = probabilities.cumsum(dim=-1)
    target = cumulated[-1] * fraction
    return int(torch.searchsorted(cumulated, target, right=True))


def _with_logprobs(token_id: int, row: Rows, num_logprobs: int | None) -> GeneratedToken:
    if num_logprobs is None:
        return GeneratedToken(token_id)
    logprobs = torch.log_softmax(torch.from_numpy(row).double(), dim=-1)
    best = _best_first(logprobs, num_logprobs)[:num_logprobs].tolist() if num_logprobs else []
    top = tuple((token, float(logprobs[token])) for token in best)
    return GeneratedToken(token_id, float(logprobs[token_id]), top)
