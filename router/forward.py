"""The forward pass: per layer attention -> gate -> dispatch -> combine, then the head."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np

from moray.experts.compiled import Ids, Rows
from moray.experts.linear import rms_norm
from moray.router.backbone import Backbone, Layer
from moray.router.combine import combine
from moray.router.kv_cache import LayerCache
from moray.router.step import StepInputs, split_step
from moray.router.timings import Timings
from moray.router.transport import ExpertsMissing, ExpertTransport


class StepOutput(NamedTuple):
    """``logits [B, V]`` of the rows that want them; ``unsound_rows``: rows of the step whose numbers overflowed."""

    logits: Rows
    unsound_rows: frozenset[int]


async def forward(
    backbone: Backbone,
    caches: Sequence[LayerCache],
    experts: ExpertTransport,
    step: StepInputs,
    timings: Timings,
    num_parts: int = 1,
) -> StepOutput:
    """Writes the step's cache entries; running a step twice is harmless, since the same entries are written again.
    Raises what ``experts.dispatch`` raises.

    With ``num_parts`` the step's rows go through the layers in as many parts: while one waits for its experts the next
    one is computed. That changes no bits.
    """
    parts = split_step(step, num_parts)
    passes = [_layers(backbone, caches, experts, part, timings) for part in parts]
    done = await _in_turn(passes, [part.first_row for part in parts], timings)
    hidden_states = done[0] if len(done) == 1 else np.concatenate(done)
    started = perf_counter()
    logits = backbone.logits(hidden_states[step.logit_rows]) if len(step.logit_rows) else np.empty((0, 0), np.float32)
    timings.head_s += perf_counter() - started
    timings.num_steps += 1
    return StepOutput(logits, _unsound_rows(hidden_states, logits, step))


LayerPass = Generator[Awaitable[Rows], Rows | None, Rows]  # yields what it waits for, is sent what comes of it


async def _in_turn(passes: Sequence[LayerPass], first_rows: Sequence[int], timings: Timings) -> list[Rows]:
    """What the passes return. Each goes on when its experts have answered, in their order at every layer: a later part
    may be of the same prompt and read what an earlier one has written."""
    waiting, done = dict[int, Awaitable[Rows]](), dict[int, Rows]()

    def go_on(index: int, outputs: Rows | None) -> None:
        try:
            waiting[index] = passes[index].send(outputs)
        except StopIteration as end:
            done[index] = end.value

    try:
        for index in range(len(passes)):
            go_on(index, None)
        while waiting:
            for index in sorted(waiting):
                started = perf_counter()
                outputs = await waiting[index]
                timings.wait_s += perf_counter() - started
                del waiting[index]
                go_on(index, outputs)
    except ExpertsMissing as missing:
        rows = frozenset(first_rows[index] + row for row in missing.rows)
        raise ExpertsMissing(missing.experts, rows) from None
    finally:
        for left in waiting.values():
            if isinstance(left, Coroutine):
                left.close()
    return [done[index] for index in range(len(passes))]


def _layers(
    backbone: Backbone, caches: Sequence[LayerCache], experts: ExpertTransport, step: StepInputs, timings: Timings
) -> LayerPass:
    """The hidden states [T, D] behind the last layer."""
    eps = backbone.architecture.rms_norm_eps
    hidden_states = backbone.embed(step.token_ids)  # [T, D]
    for layer, cache in zip(backbone.layers, caches, strict=True):
        started = perf_counter()
        normed = rms_norm(hidden_states, layer.input_norm, eps)
        hidden_states += layer.attention(normed, step, cache)
        normed = rms_norm(hidden_states, layer.post_norm, eps)
        timings.attention_s += perf_counter() - started
        if layer.gate is None:
            assert layer.local is not None
            hidden_states += layer.local(normed)
        else:
            yield from _mixture(layer, hidden_states, normed, step.token_ids, experts, timings)
    return hidden_states


def _mixture(
    layer: Layer, hidden_states: Rows, normed: Rows, token_ids: Ids, experts: ExpertTransport, timings: Timings
) -> Generator[Awaitable[Rows], Rows | None, None]:
    """Adds the shared and the routed experts' rows to ``hidden_states``."""
    assert layer.gate is not None
    started = perf_counter()
    choice = layer.gate(normed, token_ids)
    gated = perf_counter()
    pending = experts.dispatch(layer.index, normed, choice.expert_ids)
    sent = perf_counter()
    if layer.local is not None:  # under the wire time
        hidden_states += layer.local(normed)
    shared = perf_counter()
    outputs = yield pending
    assert outputs is not None  # only the first turn is sent nothing
    answered = perf_counter()
    combine(hidden_states, outputs, choice.weights)
    combined = perf_counter()
    timings.gate_s += gated - started
    timings.dispatch_s += sent - gated
    timings.shared_s += shared - sent
    timings.combine_s += combined - answered
    timings.num_mixtures += 1


def _unsound_rows(hidden_states: Rows, logits: Rows, step: StepInputs) -> frozenset[int]:
    if np.isfinite(hidden_states).all() and np.isfinite(logits).all():  # the usual case, kept cheap
        return frozenset()
    rows = np.flatnonzero(~np.isfinite(hidden_states).all(axis=-1)).tolist()
    if len(step.logit_rows):
        rows += step.logit_rows[~np.isfinite(logits).all(axis=-1)].tolist()
    return frozenset(rows)
