"""FP8 blocks against an oracle that decodes bit by bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moray.experts.fp8 import E4M3_MAX, dequantize_blocks, quantize_blocks

BLOCKS = st.tuples(st.integers(1, 5), st.integers(1, 5))


def decode_e4m3(code: int) -> float:
    """One byte of float8_e4m3fn by the definition: sign, 4 exponent bits of bias 7, 3 mantissa bits."""
    sign = -1.0 if code & 0x80 else 1.0
    exponent, mantissa = (code >> 3) & 0xF, code & 0x7
    if exponent == 0:
        return sign * mantissa / 8 * 2.0**-6
    return sign * (1 + mantissa / 8) * 2.0 ** (exponent - 7)


@st.composite
def quantised_weights(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    rows, columns = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    block = draw(BLOCKS)
    finite_codes = st.integers(0, 255).filter(lambda code: code & 0x7F != 0x7F)  # 0x7f and 0xff are NaN
    codes = draw(hnp.arrays(np.uint8, (rows, columns), elements=finite_codes))
    scales = draw(
        hnp.arrays(
            np.float32,
            (math.ceil(rows / block[0]), math.ceil(columns / block[1])),
            elements=st.floats(2.0**-20, 2.0**20, width=32),
        )
    )
    return codes, scales, block


@given(quantised_weights())
def test_dequantised_values_are_the_products_of_the_definition(
    case: tuple[np.ndarray, np.ndarray, tuple[int, int]],
) -> None:
    codes, scales, block = case
    weight = torch.from_numpy(codes).view(torch.float8_e4m3fn)
    values = dequantize_blocks(weight, torch.from_numpy(scales), block)
    assert values.dtype == torch.float32
    for row in range(codes.shape[0]):
        for column in range(codes.shape[1]):
            scale = scales[row // block[0], column // block[1]]
            expected = np.float32(decode_e4m3(int(codes[row, column]))) * scale
            assert values[row, column].item() == expected


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    ),
    BLOCKS,
)
@settings(max_examples=60)
def test_quantising_loses_at_most_half_a_step(values: np.ndarray, block: tuple[int, int]) -> None:
    weight, scale = quantize_blocks(torch.from_numpy(values), block)
    back = dequantize_blocks(weight, scale, block).numpy().astype(np.float64)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            step = float(scale[row // block[0], column // block[1]])
            # half a unit in the last of 4 significant bits, or half the block's smallest subnormal (2^-9)
            allowed = max(abs(float(values[row, column])) * 2.0**-4, step * 2.0**-10) * (1 + 1e-6)
            assert abs(back[row, column] - float(values[row, column])) <= allowed


def test_the_largest_of_a_block_becomes_448() -> None:
    weight, scale = quantize_blocks(torch.tensor([[0.5, -3.0, 7.0], [1.0, 2.0, -0.25]]), (2, 2))
    assert scale.shape == (1, 2)
    assert weight.to(torch.float32)[0, 1] == -E4M3_MAX
    assert weight.to(torch.float32)[0, 2] == E4M3_MAX


def test_576_rows_have_five_scale_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    original = torch.randn(576, 200, generator=generator)
    weight, scale = quantize_blocks(original, (128, 128))
    assert scale.shape == (5, 2)
    back = dequantize_blocks(weight, scale, (128, 128))
    assert torch.equal(back[512:, 128:], weight[512:, 128:].to(torch.float32) * scale[4, 1])
    assert (back - original).abs().max() < original.abs().max() * 2.0**-4


def test_a_block_of_zeros_and_one_of_subnormals_stay_finite() -> None:
    values = torch.zeros(4, 4)
    values[2:, 2:] = 1e-44
    weight, scale = quantize_blocks(values, (2, 2))
    assert bool((scale > 0).all())
    assert bool(torch.isfinite(dequantize_blocks(weight, scale, (2, 2))).all())


def test_scales_that_do_not_fit_are_refused() -> None:
    weight = torch.zeros(5, 4).to(torch.float8_e4m3fn)
    with pytest.raises(ValueError, match="do not fit"):
        dequantize_blocks(weight, torch.ones(2, 2), (2, 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="cannot be quantised"):
        quantize_blocks(torch.tensor([[1.0, bad]]), (128, 128))
