"""The published test vectors: what the oracle says, and what the kernel computes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from integer_vectors import VECTORS_FILE, encode_vectors, read_rows, read_weights
from moray.experts.integer import IntegerExpert
from moray.experts.weight_root import StoredMatrix, expert_leaves, tree_root, weight_root
from row_oracle import as_lists

PUBLISHED = json.loads(VECTORS_FILE.read_text())


def test_the_published_vectors_are_the_oracles() -> None:
    assert VECTORS_FILE.read_text() == encode_vectors()


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: vector["name"])
def test_the_kernel_computes_the_published_results(vector: dict[str, Any]) -> None:
    results = IntegerExpert(read_weights(vector))(read_rows(vector["rows"], vector["hidden_size"]))
    assert results.tobytes().hex() == vector["results"]


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: vector["name"])
def test_the_weights_have_the_published_root(vector: dict[str, Any]) -> None:
    weights = read_weights(vector)
    matrices = [
        StoredMatrix(0, place, 8, rows.values.view(np.uint8), rows.mantissas, rows.shifts)
        for place, rows in enumerate((weights.gate, weights.up, weights.down))
    ]
    assert weight_root([tree_root(expert_leaves(0, matrices))]).hex() == vector["weight_root"]


def test_the_vectors_reach_the_ends_of_the_specification() -> None:
    results = [row for v in PUBLISHED["vectors"] for row in as_lists(read_rows(v["results"], v["hidden_size"]))]
    scales = [scale for _, scale in results]
    assert (0, 0) in scales
    assert any(shift == -128 for _, shift in scales)
    assert sum(any(values) for values, _ in results) >= 12
    down = [row for v in PUBLISHED["vectors"] for row in as_lists(read_rows(v["down"], v["width"]))]
    assert {mantissa < 0 for _, (mantissa, _) in down} == {False, True}
