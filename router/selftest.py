"""The start-up self-test: does batch invariance hold on this CPU, with these weights?

Runs every kind of product that the router serves, on the model's own first layers, alone and in company, and
compares bits. What it does not cover: other layers of the same shapes, and the experts' weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from moray.experts.compiled import Rows
from moray.experts.linear import rms_norm
from moray.router.backbone import Backbone, Layer
from moray.router.gate import Gate
from moray.router.kv_cache import KV_PAGE_SIZE, LayerCache
from moray.router.step import Chunk, build_step

ROW_COUNTS = (2, 3, 5, 8, 17, 33, 64)
NUM_ROWS = 64
CONTEXTS = (1, KV_PAGE_SIZE - 1, KV_PAGE_SIZE + 1, 5 * KV_PAGE_SIZE + 1)  # tokens


def find_variance(backbone: Backbone, context_length: int) -> list[str]:
    """Names of the parts whose bits depend on the batch; empty: batch invariance holds here."""
    rng = np.random.default_rng(1)
    hidden_states = rng.standard_normal((NUM_ROWS, backbone.architecture.hidden_size), np.float32)
    varying = [name for name, part in _parts(backbone) if not _is_row_wise(part, hidden_states)]
    if not _attention_is_invariant(backbone.layers[0], hidden_states, context_length):
        varying.append("attention")
    return varying


def _parts(backbone: Backbone) -> Iterator[tuple[str, Callable[[Rows], Rows]]]:
    eps = backbone.architecture.rms_norm_eps
    yield "norm", lambda x: rms_norm(x, backbone.norm, eps)
    yield "head", backbone.logits
    seen: set[str] = set()
    for layer in backbone.layers:
        gate, local = layer.gate, layer.local
        kind = "dense feed-forward" if gate is None else "shared experts"
        if local is not None and kind not in seen:
            seen.add(kind)
            yield kind, local
        if gate is not None and "gate" not in seen:
            seen.add("gate")
            yield "gate", partial(_gate_weights, gate)


def _gate_weights(gate: Gate, x: Rows) -> Rows:
    return gate(x, np.zeros(len(x), np.int64)).weights


def _is_row_wise(part: Callable[[Rows], Rows], x: Rows) -> bool:
    alone = np.concatenate([part(x[i : i + 1]) for i in range(len(x))])
    return all(np.array_equal(part(x[:count]), alone[:count]) for count in ROW_COUNTS)


def _attention_is_invariant(layer: Layer, hidden_states: Rows, context_length: int) -> bool:
    """Several sequences token by token, each alone, against all of them together with their prompts in chunks."""
    contexts = [min(length, context_length) for length in CONTEXTS]
    tables, num_pages = [], 0
    for length in contexts:
        used = -(-length // KV_PAGE_SIZE)
        tables.append(list(range(num_pages, num_pages + used)))
        num_pages += used
    inputs = [hidden_states[np.arange(length) % NUM_ROWS] for length in contexts]

    def run(cache: LayerCache, spans: list[tuple[int, int, int]]) -> list[Rows]:
        """One step over (sequence, start, end) spans; the last row of each."""
        chunks = [Chunk([0] * (end - start), start, tables[i], True) for i, start, end in spans]
        step = build_step(chunks)
        rows = np.concatenate([inputs[i][start:end] for i, start, end in spans])
        return list(layer.attention(rows, step, cache)[step.logit_rows])

    alone_cache, mixed_cache = (LayerCache(layer.attention.cache_spec(), num_pages) for _ in range(2))
    alone = []
    for i, length in enumerate(contexts):
        run(alone_cache, [(i, 0, length - 1)] if length > 1 else [(i, 0, 1)])
        alone += run(alone_cache, [(i, length - 1, length)])
    for turn in range(0, max(contexts) - 1, 97):  # an odd chunk length, so that chunks and pages never line up
        spans = [(i, turn, min(turn + 97, length - 1)) for i, length in enumerate(contexts) if turn < length - 1]
        run(mixed_cache, spans)
    mixed = run(mixed_cache, [(i, length - 1, length) for i, length in enumerate(contexts)])
    return all(np.array_equal(a, b) for a, b in zip(alone, mixed, strict=True))
