"""The integer expert in torch: the specification's bits on every device that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from integer_kit import any_rows, any_weights, expected
from integer_vectors import make_vectors, read_rows, read_weights
from moray.experts import integer_torch
from moray.experts.integer import IntegerExpert
from moray.experts.integer_torch import TorchIntegerExpert, has_exact_int_mm
from moray.experts.random_checkpoint import DEMO_CONFIG, TINY_CONFIG
from row_oracle import as_bytes, as_lists

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
WIDTHS = (1, 2, 3, 8, 15, 17, 64, 65)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(params=["int_mm where it is exact", "without int_mm"], autouse=True)
def product(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without int_mm":
            patch.setattr(integer_torch, "has_exact_int_mm", lambda *shape: False)
        yield


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    hidden_size=st.sampled_from(WIDTHS),
    width=st.sampled_from(WIDTHS),
    num_rows=st.sampled_from([1, 2, 9, 33]),
    is_wild=st.booleans(),
)
def test_every_byte_is_the_specifications(
    device: str, seed: int, hidden_size: int, width: int, num_rows: int, is_wild: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = any_weights(rng, hidden_size, width, is_wild=is_wild)
    x = any_rows(rng, num_rows, hidden_size, is_wild=is_wild)
    assert as_lists(TorchIntegerExpert(weights, device)(as_bytes(x))) == expected(weights, x)


def test_the_published_vectors_come_out(device: str) -> None:
    for vector in make_vectors():
        results = TorchIntegerExpert(read_weights(vector), device)(read_rows(vector["rows"], vector["hidden_size"]))
        assert results.tobytes().hex() == vector["results"], vector["name"]


@pytest.mark.parametrize("config", [DEMO_CONFIG, TINY_CONFIG], ids=["demo", "tiny"])
@pytest.mark.parametrize("num_rows", [1, 2, 16, 17, 32, 256])
def test_the_shapes_that_are_served_have_the_kernels_bits(device: str, config: dict[str, int], num_rows: int) -> None:
    rng = np.random.default_rng(num_rows)
    weights = any_weights(rng, config["hidden_size"], config["moe_intermediate_size"], is_wild=False)
    x = as_bytes(any_rows(rng, num_rows, config["hidden_size"], is_wild=False))
    x[0, :-5] = -128
    assert np.array_equal(TorchIntegerExpert(weights, device)(x), IntegerExpert(weights)(x))


def test_a_row_has_the_same_bytes_alone_and_in_any_batch(device: str) -> None:
    rng = np.random.default_rng(5)
    expert = TorchIntegerExpert(any_weights(rng, 96, 80, is_wild=False), device)
    x = as_bytes(any_rows(rng, 64, 96, is_wild=False))
    whole = expert(x)
    for count in (1, 3, 33):
        assert np.array_equal(np.concatenate([expert(x[i : i + count]) for i in range(0, 64, count)]), whole)


def test_rows_of_another_width_are_refused(device: str) -> None:
    weights = any_weights(np.random.default_rng(0), 2, 1, is_wild=False)
    with pytest.raises(ValueError, match="rows of 8 bytes where 7 are due"):
        TorchIntegerExpert(weights, device)(np.zeros((1, 8), np.int8))


# -- whether int_mm is used


def test_widths_of_one_never_use_it(device: str) -> None:
    assert not has_exact_int_mm(device, 1, 64) and not has_exact_int_mm(device, 64, 1)


def test_a_product_that_saturates_is_found(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch._int_mm

    def saturating(x: Tensor, weight: Tensor) -> Tensor:
        return right(x, weight).clamp(max=x.shape[1] << 13)  # half of what -128 with itself makes

    monkeypatch.setattr(torch, "_int_mm", saturating)
    assert not has_exact_int_mm.__wrapped__(device, 256, 64)


def test_a_product_that_a_library_refuses_is_done_without_it(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(x: Tensor, weight: Tensor) -> Tensor:
        raise RuntimeError("not on this device")

    monkeypatch.setattr(torch, "_int_mm", refusing)
    assert not has_exact_int_mm.__wrapped__(device, 256, 64)
