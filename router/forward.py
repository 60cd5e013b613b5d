"""The forward pass: per layer attention -> gate -> dispatch -> combine, then the head."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from moray.router.backbone import Backbone, Layer
from moray.router.combine import combine
from moray.router.kv_cache import LayerCache
from moray.router.norm import rms_norm
from moray.router.step import StepInputs
from moray.router.timings import Timings
from moray.router.transport import ExpertTransport


class StepOutput(NamedTuple):
    """``logits [B, V]`` of the rows that want them; ``unsound_rows``: rows of the step whose numbers overflowed."""

    logits: Tensor
    unsound_rows: frozenset[int]


async def forward(
    backbone: Backbone,
    caches: Sequence[LayerCache],
    experts: ExpertTransport,
    step: StepInputs,
    timings: Timings,
) -> StepOutput:
    """Writes the step's cache entries; running a step twice is harmless, since the same entries are written again.
    Raises what ``experts.dispatch`` raises."""
    eps = backbone.architecture.rms_norm_eps
    hidden_states = backbone.embed(step.token_ids)  # [T, D]
    for layer, cache in zip(backbone.layers, caches, strict=True):
        started = perf_counter()
        normed = rms_norm(hidden_states, layer.input_norm, eps)
        hidden_states = hidden_states + layer.attention(normed, step, cache)
        normed = rms_norm(hidden_states, layer.post_norm, eps)
        timings.attention_s += perf_counter() - started
        if layer.gate is None:
            assert layer.local is not None
            hidden_states = hidden_states + layer.local(normed)
        else:
            hidden_states = hidden_states + await _mixture(layer, normed, step.token_ids, experts, timings)
    started = perf_counter()
    logits = backbone.logits(hidden_states[step.logit_rows]) if len(step.logit_rows) else torch.empty(0)
    timings.head_s += perf_counter() - started
    timings.num_steps += 1
    return StepOutput(logits, _unsound_rows(hidden_states, logits, step))


def _unsound_rows(hidden_states: Tensor, logits: Tensor, step: StepInputs) -> frozenset[int]:
    if hidden_states.isfinite().all() and logits.isfinite().all():  # the usual case, kept cheap
        return frozenset()
    rows = (~hidden_states.isfinite().all(dim=-1)).nonzero().flatten().tolist()
    if len(step.logit_rows):
        rows += step.logit_rows[~logits.isfinite().all(dim=-1)].tolist()
    return frozenset(rows)


async def _mixture(
    layer: Layer, normed: Tensor, token_ids: Tensor, experts: ExpertTransport, timings: Timings
) -> Tensor:
    assert layer.gate is not None
    started = perf_counter()
    choice = layer.gate(normed, token_ids)
    gated = perf_counter()
    pending = experts.dispatch(layer.index, normed, choice.expert_ids)
    sent = perf_counter()
    shared = layer.local(normed) if layer.local is not None else None  # under the wire time
    waiting = perf_counter()
    outputs = await pending
    received = perf_counter()
    routed = combine(outputs, choice.weights)
    total = routed if shared is None else routed + shared
    combined = perf_counter()
    timings.gate_s += gated - started
    timings.dispatch_s += sent - gated
    timings.shared_s += waiting - sent
    timings.wait_s += received - waiting
    timings.combine_s += combined - received
    timings.num_mixtures += 1
    return total
