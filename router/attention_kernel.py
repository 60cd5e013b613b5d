"""Latent attention of rows over their cached keys, compiled. What is computed and why: ``router.attention``.

Every row is computed by itself, over exactly the keys that it may see, in ascending position, so its bits depend on
nothing else: neither on its company nor on how a prompt was cut. H heads, C latent, R rope; W = padded C + padded R.
"""

from __future__ import annotations

import numpy as np

from moray.experts.compiled import HAS_WIDE_REGISTERS, Ids, Rows, kernel, part
from moray.experts.product_kernel import F32_BYTES, PANEL, accumulate, multiply, normalise, padded
from moray.experts.simd import LANES, dot_tile, exp_sum, peak

SCORE_HEADS = 4 if HAS_WIDE_REGISTERS else 2
SCORE_KEYS = 4 if HAS_WIDE_REGISTERS else 2  # a page holds whole tiles of them
BLOCK_ROWS = 16  # queries that are made at a time: bounds the scratch memory of a long prompt

_scores_tile = dot_tile(SCORE_HEADS, SCORE_KEYS)
_scores_row = dot_tile(1, SCORE_KEYS)


@part
def rotate(x: Rows, cos: Rows, sin: Rows, is_interleaved: bool, out: Rows) -> None:
    """One vector [R] by one position's cos and sin [R/2]. Pairs are (0, 1), (2, 3)... or (i, i + R/2); the result
    holds first halves, then second halves: queries and keys agree, which is all that counts."""
    half = cos.shape[0]
    for i in range(half):
        first, second = (x[2 * i], x[2 * i + 1]) if is_interleaved else (x[i], x[half + i])
        out[i] = first * cos[i] - second * sin[i]
        out[half + i] = second * cos[i] + first * sin[i]


@part
def score(queries: Rows, keys: int, count: int, out: Rows) -> None:
    """``out[h, n] = queries[h] . keys[n]`` for n < ``count``, rounded up to a whole tile: what follows is ignored."""
    heads, width = queries.shape
    stride = out.strides[0] // F32_BYTES
    for n in range(0, count, SCORE_KEYS):
        key = keys + F32_BYTES * n * width
        h = 0
        while h < heads:
            query, target = queries[h].ctypes.data, out[h, n:].ctypes.data
            if h + SCORE_HEADS <= heads:
                _scores_tile(query, width, key, width, width // LANES, target, stride)
                h += SCORE_HEADS
            else:
                _scores_row(query, width, key, width, width // LANES, target, stride)
                h += 1


@part
def attend_row(
    queries: Rows, cache: Rows, page_size: int, table: Ids, num_keys: int, scores: Rows, latents: Rows
) -> None:
    """Softmax attention of one row: queries [H, W], the cache's slots [S, W], scores [H, keys] for scratch; latents
    [H, padded C] are the weighted means of the keys' first columns."""
    heads, columns = latents.shape
    for start in range(0, num_keys, page_size):
        keys = cache[table[start // page_size] * page_size :].ctypes.data
        score(queries, keys, min(page_size, num_keys - start), scores[:, start:])
    depth = padded(num_keys) // LANES
    sums = np.empty(heads, np.float32)
    for h in range(heads):
        for n in range(num_keys, depth * LANES):
            scores[h, n] = -np.inf
        row = scores[h].ctypes.data
        sums[h] = exp_sum(row, peak(row, depth), depth)
    for start in range(0, num_keys, page_size):
        keys = cache[table[start // page_size] * page_size :].ctypes.data
        count, is_sum = min(page_size, num_keys - start), 1 if start else 0
        for c in range(0, columns, PANEL):
            width = min(PANEL, columns - c)
            accumulate(scores[:, start:], keys + F32_BYTES * c, cache.shape[1], count, width, latents[:, c:], is_sum)
    for h in range(heads):
        for c in range(columns):
            latents[h, c] /= sums[h]


@kernel("void(f4[:,::1], i8[::1], i8[::1], f4[:,::1], f4[:,::1], b1, f4[::1], f8, f4[:,::1])")
def write_entries_kernel(
    lowered: Rows,  # [T, C + R + ...] the latent before its norm, then the rope key
    positions: Ids,  # [T]
    slots: Ids,  # [T] where each row's entry goes
    cos: Rows,  # [positions, R/2]
    sin: Rows,
    is_interleaved: bool,
    kv_norm: Rows,  # [C]
    eps: float,
    cache: Rows,  # [slots, W]
) -> None:
    latent, rope = kv_norm.shape[0], 2 * cos.shape[1]
    for t in range(positions.shape[0]):
        entry, place = cache[slots[t]], positions[t]
        normalise(lowered[t, :latent], kv_norm, eps, entry[:latent])
        target = entry[padded(latent) : padded(latent) + rope]
        rotate(lowered[t, latent : latent + rope], cos[place], sin[place], is_interleaved, target)


@kernel(
    "void(f4[:,::1], i8[::1], i8[::1], i8[:,::1], f4[:,::1], f4[:,::1], b1, f4[:,::1], f4[:,::1], f4[:,::1], i8, i8,"
    " f4[:,::1])"
)
def attend_kernel(
    raised: Rows,  # [T, H * (nope + R)] queries, scaled for the softmax
    positions: Ids,  # [T]
    owners: Ids,  # [T] each row's sequence
    tables: Ids,  # [sequences, pages] page tables
    cos: Rows,  # [positions, R/2]
    sin: Rows,
    is_interleaved: bool,
    key_up: Rows,  # [H, panels of C outputs from nope]
    value_up: Rows,  # [H, panels of v outputs from C]
    cache: Rows,  # [slots, W], with the rows' own entries
    page_size: int,
    latent: int,  # C
    values: Rows,  # [T, H * v], the result
) -> None:
    num_rows, num_heads, rope = raised.shape[0], key_up.shape[0], 2 * cos.shape[1]
    nope, value_width = raised.shape[1] // num_heads - rope, values.shape[1] // num_heads
    rope_start = padded(latent)
    scores = np.empty((num_heads, padded(positions.max() + 1 + page_size)), np.float32)
    most = min(BLOCK_ROWS, num_rows)
    queries = np.zeros((most, num_heads, cache.shape[1]), np.float32)  # what lies between columns stays zero
    latents = np.empty((most, num_heads, rope_start), np.float32)
    for start in range(0, num_rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, num_rows - start)
        block = raised[start : start + count]
        for h in range(num_heads):
            first = h * (nope + rope)
            multiply(block[:, first : first + nope], key_up[h], nope, queries[:count, h, :latent])
            for i in range(count):
                place = positions[start + i]
                source = block[i, first + nope : first + nope + rope]
                target = queries[i, h, rope_start : rope_start + rope]
                rotate(source, cos[place], sin[place], is_interleaved, target)
        for i in range(count):
            t = start + i
            attend_row(queries[i], cache, page_size, tables[owners[t]], positions[t] + 1, scores, latents[i])
        for h in range(num_heads):
            target = values[start : start + count, h * value_width : (h + 1) * value_width]
            multiply(latents[:count, h], value_up[h], latent, target)
