"""The one product: no row's bits depend on its company, and the gradient's path is torch's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from moray.experts.ffn import feed_forward
from moray.experts.linear import PerHeadLinear, linear


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def num_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


SHAPES = [(1, 1), (3, 2), (7, 5), (17, 33), (64, 48), (129, 257), (512, 31)]  # inner, outer


@pytest.mark.parametrize("inner, outer", SHAPES)
def test_a_row_has_the_same_bits_beside_any_number_of_rows(inner: int, outer: int, num_threads: int) -> None:
    torch.manual_seed(inner * outer)
    x, weight = torch.randn(40, inner), torch.randn(outer, inner)
    alone = torch.cat([linear(row, weight) for row in x.split(1)])
    for rows in (*range(1, 20), 31, 32, 33, 40):
        assert torch.equal(linear(x[:rows], weight), alone[:rows])
        assert torch.equal(linear(x[-rows:], weight), alone[-rows:])


def test_threads_never_change_a_bit() -> None:
    before = torch.get_num_threads()
    x, weight = torch.randn(67, 1024), torch.randn(513, 1024)
    try:
        torch.set_num_threads(1)
        single = linear(x, weight)
        torch.set_num_threads(2)
        assert torch.equal(linear(x, weight), single)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("inner, outer", SHAPES)
def test_the_product_is_the_product(inner: int, outer: int) -> None:
    x, weight, bias = torch.randn(9, inner), torch.randn(outer, inner), torch.randn(outer)
    exact = x.double() @ weight.double().T + bias.double()
    assert torch.allclose(linear(x, weight, bias).double(), exact, atol=1e-5 * inner, rtol=1e-5)
    assert torch.equal(linear(x, weight, bias), linear(x, weight) + bias)


def test_no_rows_give_no_rows() -> None:
    assert linear(torch.empty(0, 8), torch.randn(3, 8)).shape == (0, 3)


def test_rows_of_a_larger_tensor_have_the_bits_of_their_copy() -> None:
    wide, weight = torch.randn(10, 30), torch.randn(7, 15)
    for view in (wide[:, :15], wide[::2, 15:], wide[3:4, 1:16]):
        assert torch.equal(linear(view, weight), linear(view.contiguous(), weight))


@pytest.mark.parametrize("heads, inner, outer", [(1, 5, 3), (4, 8, 16), (5, 33, 7), (20, 64, 9), (3, 300, 4)])
def test_heads_packed_together_have_the_bits_of_heads_alone(
    heads: int, inner: int, outer: int, num_threads: int
) -> None:
    torch.manual_seed(heads)
    weight, x = torch.randn(heads, outer, inner), torch.randn(6, heads, inner)
    product = PerHeadLinear(weight)
    for rows in (1, 2, 6):
        one_by_one = [linear(x[:rows, head].contiguous(), weight[head]) for head in range(heads)]
        assert torch.equal(product(x[:rows]), torch.stack(one_by_one, dim=1))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_with_a_gradient_the_product_and_its_gradients_are_torchs(rows: int) -> None:
    x, weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((rows, 12), (7, 12), (7,)))
    product = linear(x, weight, bias)
    assert torch.equal(product, F.linear(x, weight, bias))
    ours = torch.autograd.grad(product.square().sum(), (x, weight, bias))
    theirs = torch.autograd.grad(F.linear(x, weight, bias).square().sum(), (x, weight, bias))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_weight_that_learns_changes_nothing_while_no_gradient_is_wanted() -> None:
    x, weight = torch.randn(5, 12), torch.randn(7, 12, requires_grad=True)
    with torch.no_grad():
        assert torch.equal(linear(x, weight), linear(x, weight.detach()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_take_torchs_product(dtype: torch.dtype) -> None:
    x, weight = torch.randn(4, 12).to(dtype), torch.randn(7, 12).to(dtype)
    assert torch.equal(linear(x, weight), F.linear(x, weight))


def test_the_feed_forward_of_a_row_has_the_same_bits_in_any_company(num_threads: int) -> None:
    x, gate_up, down = torch.randn(33, 20), torch.randn(2 * 13, 20), torch.randn(20, 13)
    together = feed_forward(x, gate_up, down)
    assert torch.equal(together, torch.cat([feed_forward(row, gate_up, down) for row in x.split(1)]))
    gate, up = (x.double() @ gate_up.double().T).chunk(2, dim=-1)
    assert torch.allclose(together.double(), (F.silu(gate) * up) @ down.double().T, atol=1e-3, rtol=1e-4)
