"""Rows shared out among threads: all of them once, errors heard, the same bits as with one thread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from moray.experts.ffn import load_feed_forward
from moray.experts.linear import load_linear
from moray.experts.threads import MIN_ROWS, RowThreads, row_threads


@pytest.fixture
def three_threads() -> Iterator[None]:
    row_threads.resize(3)
    yield
    row_threads.resize(1)


@pytest.mark.parametrize("num_threads", [1, 2, 3, 5])
@pytest.mark.parametrize("num_rows", [0, 1, MIN_ROWS, 2 * MIN_ROWS - 1, 2 * MIN_ROWS, 5 * MIN_ROWS + 3])
def test_every_row_is_worked_on_once(num_threads: int, num_rows: int) -> None:
    threads, seen = RowThreads(), np.zeros(num_rows, np.int64)
    threads.resize(num_threads)

    def work(rows: slice) -> None:
        seen[rows] += 1

    threads.share(num_rows, work)
    assert (seen == 1).all()


def test_an_error_in_any_thread_is_raised() -> None:
    threads = RowThreads()
    threads.resize(2)

    def work(rows: slice) -> None:
        if rows.start > 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.share(4 * MIN_ROWS, work)


@pytest.mark.usefixtures("three_threads")
def test_products_have_the_bits_of_one_thread() -> None:
    torch.manual_seed(0)
    linear = load_linear(torch.randn(70, 90), torch.randn(70))
    expert = load_feed_forward(torch.randn(2 * 40, 90), torch.randn(90, 40))
    x = torch.randn(101, 90).numpy()
    several = linear(x), expert(x)
    row_threads.resize(1)
    assert np.array_equal(several[0], linear(x)) and np.array_equal(several[1], expert(x))
