"""The integer expert: equal to the specification in plain Python, whatever the bytes; the same in any company."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import integer_oracle
from integer_kit import any_rows, any_weights, expected
from moray.experts.compiled import part
from moray.experts.ffn import load_feed_forward
from moray.experts.integer import MAX_WIDTH, IntegerExpert, IntegerWeights, pack_bytes, sigmoid_table
from moray.experts.scaled_rows import ScaledRows, decode, encode, quantise
from moray.experts.simd import LANES
from moray.experts.simd_int8 import HAS_BYTE_PRODUCTS, byte_product_tile
from row_oracle import as_bytes, as_lists

WIDTHS = (1, 2, 3, 15, 16, 17, 63, 64, 65, 130)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    hidden_size=st.sampled_from(WIDTHS),
    width=st.sampled_from(WIDTHS),
    num_rows=st.integers(1, 9),
    is_wild=st.booleans(),
)
def test_every_byte_is_the_specifications(
    seed: int, hidden_size: int, width: int, num_rows: int, is_wild: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = any_weights(rng, hidden_size, width, is_wild=is_wild)
    x = any_rows(rng, num_rows, hidden_size, is_wild=is_wild)
    assert as_lists(IntegerExpert(weights)(as_bytes(x))) == expected(weights, x)


@pytest.mark.parametrize("extreme", [-128, 127])
@pytest.mark.parametrize("mantissa", [-(2**31), 2**31 - 1])
@pytest.mark.parametrize("shift", [-128, 0, 127])
def test_the_largest_bytes_and_scales_are_the_specifications(extreme: int, mantissa: int, shift: int) -> None:
    def filled(rows: int, columns: int) -> ScaledRows:
        values = np.full((rows, columns), extreme, np.int8)
        return ScaledRows(values, np.full(rows, mantissa, np.int32), np.full(rows, shift, np.int8))

    weights = IntegerWeights(filled(20, 300), filled(20, 300), filled(300, 20))
    x = filled(2, 300)
    assert as_lists(IntegerExpert(weights)(as_bytes(x))) == expected(weights, x)


def test_the_widest_sum_does_not_overflow() -> None:
    deep = np.full((1, MAX_WIDTH), -128, np.int8)
    one = ScaledRows(deep, np.array([2**30], np.int32), np.array([0], np.int8))
    thin = ScaledRows(deep.T.copy(), np.full(MAX_WIDTH, 2**30, np.int32), np.zeros(MAX_WIDTH, np.int8))
    weights = IntegerWeights(one, one, thin)
    assert as_lists(IntegerExpert(weights)(as_bytes(one))) == expected(weights, one)


def test_a_wider_expert_is_refused() -> None:
    def zeros(*shape: int) -> ScaledRows:
        return ScaledRows(np.zeros(shape, np.int8), np.zeros(shape[0], np.int32), np.zeros(shape[0], np.int8))

    wide = MAX_WIDTH + 1
    with pytest.raises(ValueError, match="at most 65536"):
        IntegerExpert(IntegerWeights(zeros(1, wide), zeros(1, wide), zeros(wide, 1)))
    with pytest.raises(ValueError, match="rows of 8 bytes where 7 are due"):
        IntegerExpert(IntegerWeights(zeros(1, 2), zeros(1, 2), zeros(2, 1)))(np.zeros((1, 8), np.int8))


def test_a_row_has_the_same_bytes_alone_in_any_batch_and_from_any_thread() -> None:
    rng = np.random.default_rng(5)
    expert = IntegerExpert(any_weights(rng, 96, 80, is_wild=False))
    x = as_bytes(any_rows(rng, 64, 96, is_wild=False))
    whole = expert(x)
    for count in (1, 2, 3, 5, 8, 33):
        parts = [x[i : i + count] for i in range(0, 64, count)]
        with ThreadPoolExecutor(4) as pool:
            assert np.array_equal(np.concatenate(list(pool.map(expert, parts))), whole)
    order = rng.permutation(64)
    assert np.array_equal(expert(x[order]), whole[order])


@pytest.mark.parametrize("rows, vectors", [(1, 1), (4, 4), (2, 2), (3, 1)])
@pytest.mark.parametrize("has_instruction", sorted({False, HAS_BYTE_PRODUCTS}))
def test_a_tile_is_exact_with_the_cpus_instruction_and_without(rows: int, vectors: int, has_instruction: bool) -> None:
    tile = byte_product_tile(rows, vectors, has_instruction)

    @part
    def run(x: NDArray[np.uint8], w: NDArray[np.int8], start: NDArray[np.int32], out: NDArray[np.int32]) -> None:
        depth, stored = x.shape[1], out.shape[1]
        tile(x.ctypes.data, depth, w.ctypes.data, 4 * stored, depth // 4, start.ctypes.data, out.ctypes.data, stored)

    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (rows, 72)).astype(np.uint8)
    weight = rng.integers(-128, 128, (vectors * LANES, 72)).astype(np.int8)
    x[0], weight[0] = 255, -128
    packed, start = pack_bytes(weight)
    out = np.empty((rows, vectors * LANES), np.int32)
    run(x, packed, start, out)
    assert np.array_equal(out, (x.astype(np.int64) - 128) @ weight.astype(np.int64).T)


def test_the_sigmoid_table_is_the_specifications() -> None:
    assert sigmoid_table().tolist() == [integer_oracle.sigmoid(step) for step in range(-2048, 2048)]


def test_an_integer_expert_is_near_the_float32_one() -> None:
    rng = np.random.default_rng(2)
    gate, up = (rng.standard_normal((192, 256), np.float32) / np.float32(16) for _ in range(2))
    down = rng.standard_normal((256, 192), np.float32) / np.float32(14)
    x = (rng.standard_normal((16, 256)) * np.logspace(-3, 1, 16)[:, None]).astype(np.float32)
    exact = load_feed_forward(torch.from_numpy(np.concatenate((gate, up))), torch.from_numpy(down))(x)
    ours = decode(IntegerExpert(IntegerWeights(quantise(gate), quantise(up), quantise(down)))(encode(x)))
    errors = np.linalg.norm(ours - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert errors.max() < 0.06
