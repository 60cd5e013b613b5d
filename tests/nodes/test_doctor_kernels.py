"""A kernel that computes wrongly is found, however little it does so; one that computes rightly is not blamed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from moray.experts.compiled import Array
from moray.experts.weights import pack_expert
from moray.nodes.doctor_kernels import Compute, Sample, find_fault, make_sample, measure_rows_per_s
from moray.types import NumericClass

CLASSES: tuple[NumericClass, ...] = ("float32", "int8")
WIDTHS = ((48, 24), (130, 65), (1, 1))


def kernel_of(sample: Sample) -> Compute:
    return pack_expert({0: sample.weights})[0]


@pytest.mark.parametrize("numeric_class", CLASSES)
@pytest.mark.parametrize(("hidden_size", "width"), WIDTHS)
def test_the_kernels_of_this_machine_are_right(numeric_class: NumericClass, hidden_size: int, width: int) -> None:
    sample = make_sample(numeric_class, hidden_size, width)
    assert find_fault(kernel_of(sample), sample) == ""


def flip_a_bit(rows: Array) -> Array:
    rows.view(np.uint8)[0, 3] ^= 0x40
    return rows


def forget_the_last_row(rows: Array) -> Array:
    rows[-1] = 0
    return rows


def lose_a_number(rows: Array) -> Array:
    rows[0, 0] = np.nan if rows.dtype == np.float32 else rows[0, 0] ^ 1
    return rows


@pytest.mark.parametrize("numeric_class", CLASSES)
@pytest.mark.parametrize("damage", [flip_a_bit, forget_the_last_row, lose_a_number])
def test_a_damaged_kernel_is_found(numeric_class: NumericClass, damage: Callable[[Array], Array]) -> None:
    sample = make_sample(numeric_class, 48, 24)
    right = kernel_of(sample)
    assert "plain one" in find_fault(lambda rows: damage(right(rows)), sample)


def test_an_integer_kernel_that_saturates_at_16_bits_is_found() -> None:
    """As some CPUs' byte products do: the sum of two neighbours is cut."""
    sample = make_sample("int8", 48, 24)
    right = kernel_of(sample)
    weights = sample.weights

    def saturating(rows: Array) -> Array:
        pairs = (rows[:, None, :48].astype(int) * weights.gate.values).reshape(len(rows), -1, 24, 2).sum(-1)  # type: ignore[union-attr]
        out = right(rows)
        out[np.abs(pairs).max((1, 2)) >= 1 << 15] ^= 1
        return out

    assert "plain one" in find_fault(saturating, sample)


@pytest.mark.parametrize("numeric_class", CLASSES)
def test_a_kernel_whose_rows_depend_on_their_company_is_found(numeric_class: NumericClass) -> None:
    sample = make_sample(numeric_class, 48, 24)
    right = kernel_of(sample)

    def batched(rows: Array) -> Array:
        out = right(rows)
        if len(rows) == 2:
            out.view(np.uint8)[0, 0] ^= 1  # in float32 the last bit: within every tolerance
        return out

    assert "beside it" in find_fault(batched, sample)


def test_throughput_counts_rows_of_whole_calls() -> None:
    sizes = []

    def count(rows: Array) -> Array:
        sizes.append(len(rows))
        return rows

    assert measure_rows_per_s(count, np.zeros((7, 3), np.float32), at_least_s=0.0) > 0
    assert sizes == [7, 7]
