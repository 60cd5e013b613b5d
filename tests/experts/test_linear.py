"""Products, norms and the feed-forward: each output is one known chain of operations, whatever it is computed with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from exact import F32, WIDTHS, chain, fma, nearest_float32, random_rows, same_bits
from moray.experts.ffn import load_feed_forward
from moray.experts.linear import load_linear, rms_norm
from moray.experts.product_kernel import BLOCK_ROWS

NUM_ROWS = 64
INNER = (*WIDTHS, 300)
FINITE = st.floats(width=32, min_value=-(2.0**40), max_value=2.0**40)


def random_weight(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(random_rows(seed, *shape))


def is_exact(x: float, y: float, z: float) -> bool:
    emulated = fma(*(np.array(value, np.float32) for value in (x, y, z)))
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    return bool(emulated == nearest_float32(exact))


@given(FINITE, FINITE, FINITE)
def test_the_oracle_rounds_any_fused_multiply_add_once(x: float, y: float, z: float) -> None:
    assert is_exact(x, y, z)


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_oracle_rounds_once_where_float64_would_round_twice(sign: int, direction: int) -> None:
    """The product is 2^-24 less 2^-70: the sum lies just beside the middle of two numbers, in float64 upon it."""
    x, y = direction * 2.0**-12 * (1 + 2.0**-23), 2.0**-12 * (1 - 2.0**-23)
    z = sign * (1 + 2.0**-23)
    assert is_exact(x, y, z)
    assert np.float32(x * y + z) != nearest_float32(Fraction(x) * Fraction(y) + Fraction(z))


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", WIDTHS)
def test_every_output_is_one_chain_of_fused_multiply_adds(inner: int, outer: int) -> None:
    x, weight = (
        random_rows(inner, 7, inner),
        random_weight(outer, outer, inner),
    )  # rows: a tile, a pair and a single one
    assert same_bits(load_linear(weight)(x), chain(x, weight.numpy().T))


def test_sums_that_cancel_are_chains_too() -> None:
    x, weight = random_rows(1, 9, 200), random_weight(2, 40, 200)
    x[:, 100:] = -x[:, :100]
    weight[:, 100:] = weight[:, :100] * (1 + 2.0**-20)  # nearly all of the first half is taken away again
    assert same_bits(load_linear(weight)(x), chain(x, weight.numpy().T))


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", WIDTHS)
def test_the_product_is_the_product(inner: int, outer: int) -> None:
    x, weight, bias = random_rows(inner, 9, inner), random_weight(outer, outer, inner), random_weight(3, outer)
    exact = x.astype(np.float64) @ weight.double().numpy().T + bias.double().numpy()
    # Each of the inner additions may be off by half a unit in the last place of what is summed by then.
    bound = inner * 2.0**-24 * (np.abs(x) @ np.abs(weight.numpy()).T) + 2.0**-23 * (np.abs(exact) + 1)
    assert (np.abs(load_linear(weight, bias)(x) - exact) <= bound).all()


def test_the_bias_is_added_to_the_finished_sum() -> None:
    x, weight, bias = random_rows(1, 9, 33), random_weight(2, 20, 33), random_weight(3, 20)
    assert same_bits(load_linear(weight, bias)(x), load_linear(weight)(x) + bias.numpy())


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", WIDTHS)
def test_a_row_has_the_same_bits_alone_and_among_up_to_64(inner: int, outer: int) -> None:
    x, linear = random_rows(inner * outer, NUM_ROWS, inner), load_linear(random_weight(outer, outer, inner))
    alone = np.concatenate([linear(x[i : i + 1]) for i in range(NUM_ROWS)])
    for count in range(2, NUM_ROWS + 1):
        assert same_bits(linear(x[:count]), alone[:count])
        assert same_bits(linear(x[-count:]), alone[-count:])


def test_a_row_that_overflows_leaves_its_neighbours_alone() -> None:
    x, linear = random_rows(1, 6, 40), load_linear(random_weight(2, 50, 40))
    expected = linear(x)
    x[2], x[4] = np.nan, np.inf
    product = linear(x)
    assert not np.isfinite(product[[2, 4]]).any()
    assert same_bits(product[[0, 1, 3, 5]], expected[[0, 1, 3, 5]])


@pytest.mark.parametrize("padding", [1, 9, 16, 100])
def test_zeros_appended_to_the_inner_dimension_change_no_bit(padding: int) -> None:
    x, weight = random_rows(1, 9, 33), random_weight(2, 70, 33)
    longer = np.concatenate((x, np.zeros((9, padding), np.float32)), axis=1)
    widened = torch.cat((weight, torch.full((70, padding), 1e30)), dim=1)
    assert same_bits(load_linear(widened)(longer), load_linear(weight)(x))


def test_no_rows_give_no_rows() -> None:
    assert load_linear(random_weight(1, 3, 8))(np.empty((0, 8), np.float32)).shape == (0, 3)
    assert load_feed_forward(random_weight(1, 6, 8), random_weight(2, 8, 3))(np.empty((0, 8), np.float32)).shape == (
        0,
        8,
    )


def test_columns_of_a_wider_array_are_refused_rather_than_misread() -> None:
    with pytest.raises(TypeError):
        load_linear(random_weight(1, 7, 15))(random_rows(2, 4, 30)[:, :15])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_weight_of_another_dtype_is_widened_or_narrowed_first(dtype: torch.dtype) -> None:
    x, weight = random_rows(1, 3, 20), random_weight(2, 9, 20).to(dtype)
    assert same_bits(load_linear(weight)(x), load_linear(weight.float())(x))


@pytest.mark.parametrize("width", (*WIDTHS, 1000))
def test_the_norm_is_the_norm_alone_and_in_company(width: int) -> None:
    x, weight = random_rows(width, 20, width), random_rows(1, width)
    exact = x.astype(np.float64)
    exact = weight * exact / np.sqrt((exact**2).mean(axis=-1, keepdims=True) + 1e-6)
    together = rms_norm(x, weight, 1e-6)
    assert np.allclose(together, exact, rtol=1e-5, atol=0)
    assert same_bits(together, np.concatenate([rms_norm(row, weight, 1e-6) for row in np.split(x, 20)]))


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_of_a_wider_array_have_the_norm_of_their_copy(width: int) -> None:
    wide, weight = random_rows(width, 10, 200), random_rows(2, width)
    for start in (0, 1, 33, 200 - width):
        for view in (wide[:, start : start + width], wide[::3, start : start + width]):
            assert same_bits(rms_norm(view, weight, 1e-6), rms_norm(view.copy(), weight, 1e-6))


def test_the_norm_of_a_row_of_zeros_is_zero() -> None:
    assert (rms_norm(np.zeros((2, 20), np.float32), random_rows(1, 20), 1e-6) == 0).all()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("hidden", [16, 20, 65])
def test_the_feed_forward_of_any_width_is_the_feed_forward(hidden: int, width: int) -> None:
    x, gate_up, down = random_rows(1, 9, hidden), random_weight(2, 2 * width, hidden), random_weight(3, hidden, width)
    gate, up = (torch.from_numpy(x).double() @ gate_up.double().T).chunk(2, dim=-1)
    exact = ((F.silu(gate) * up) @ down.double().T).numpy()
    assert np.abs(load_feed_forward(gate_up, down)(x) - exact).max() <= 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("hidden, width", [(20, 13), (64, 32), (33, 70)])
def test_the_feed_forward_of_a_row_has_the_same_bits_in_any_company(hidden: int, width: int) -> None:
    feed_forward = load_feed_forward(random_weight(2, 2 * width, hidden), random_weight(3, hidden, width))
    x = random_rows(1, 2 * BLOCK_ROWS + 3, hidden)
    alone = np.concatenate([feed_forward(row) for row in np.split(x, len(x))])
    for count in (2, 3, 5, 17, 64, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, len(x)):
        assert same_bits(feed_forward(x[:count]), alone[:count])


def test_threads_at_the_same_time_do_not_disturb_each_other() -> None:
    """Kernels run without the GIL, so what they write to on the way must be their own."""
    feed_forward = load_feed_forward(random_weight(2, 2 * 100, 60), random_weight(3, 60, 100))
    inputs: list[F32] = [random_rows(seed, 40, 60) for seed in range(64)]
    expected = [feed_forward(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for outputs, wanted in zip(pool.map(feed_forward, inputs), expected, strict=True):
            assert same_bits(outputs, wanted)
