"""The weight root is the specification's, and a proof proves one row at one place and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commitment_oracle import leaf, root_of
from moray.experts.keccak import keccak, keccak_rows
from moray.experts.weight_root import (
    RowPlace,
    StoredMatrix,
    StoredRow,
    TreeShape,
    check_proof,
    expert_leaves,
    prove_row,
    tree_root,
    weight_root,
)

SHAPES = st.builds(
    TreeShape,
    hidden_size=st.integers(1, 6),
    width=st.integers(1, 5),
    num_experts=st.integers(1, 5),
    first_layer=st.integers(0, 3),
    num_layers=st.integers(1, 3),
)


def draw_expert(rng: np.random.Generator, shape: TreeShape, bits: int) -> list[StoredMatrix]:
    matrices = []
    for layer in range(shape.first_layer, shape.first_layer + shape.num_layers):
        for matrix, (rows, depth) in enumerate(
            [(shape.width, shape.hidden_size)] * 2 + [(shape.hidden_size, shape.width)]
        ):
            values = rng.integers(0, 256, (rows, -(-depth * bits // 8))).astype(np.uint8)
            mantissas = rng.integers(-(2**31), 2**31, rows).astype(np.int32)
            shifts = rng.integers(-128, 128, rows).astype(np.int8)
            matrices.append(StoredMatrix(layer, matrix, bits, values, mantissas, shifts))
    return matrices


def rows_of(expert: int, matrices: Sequence[StoredMatrix]) -> list[tuple[RowPlace, StoredRow]]:
    return [
        (
            RowPlace(m.layer, expert, m.matrix, row),
            StoredRow(m.bits, int(m.mantissas[row]), int(m.shifts[row]), m.values[row].tobytes()),
        )
        for m in matrices
        for row in range(len(m.values))
    ]


class Model:
    def __init__(self, shape: TreeShape, seed: int, bits: int) -> None:
        rng = np.random.default_rng(seed)
        experts = [draw_expert(rng, shape, bits) for _ in range(shape.num_experts)]
        self.leaves = [expert_leaves(expert, matrices) for expert, matrices in enumerate(experts)]
        self.roots = [tree_root(leaves) for leaves in self.leaves]
        self.root = weight_root(self.roots)
        self.rows = [row for expert, matrices in enumerate(experts) for row in rows_of(expert, matrices)]
        self.shape = shape

    def prove(self, place: RowPlace) -> list[bytes]:
        return prove_row(self.leaves[place.expert], self.roots, self.shape, place)


@settings(max_examples=60)
@given(shape=SHAPES, seed=st.integers(0, 2**32), bits=st.sampled_from([4, 8]))
def test_roots_are_those_of_the_packed_fields(shape: TreeShape, seed: int, bits: int) -> None:
    model = Model(shape, seed, bits)
    leaves: dict[int, list[bytes]] = {}
    for place, row in model.rows:
        leaves.setdefault(place.expert, []).append(leaf(place, row))
    assert model.roots == [root_of(leaves[expert]) for expert in range(shape.num_experts)]
    assert model.root == root_of(model.roots)


@settings(max_examples=40)
@given(shape=SHAPES, seed=st.integers(0, 2**32), bits=st.sampled_from([4, 8]), data=st.data())
def test_a_proof_holds_for_its_row_and_for_no_other(
    shape: TreeShape, seed: int, bits: int, data: st.DataObject
) -> None:
    model = Model(shape, seed, bits)
    place, row = data.draw(st.sampled_from(model.rows))
    proof = model.prove(place)

    def holds(place: RowPlace, row: StoredRow, proof: Sequence[bytes], shape: TreeShape = shape) -> bool:
        return check_proof(model.root, shape, place, row, proof)

    assert holds(place, row, proof)
    assert not any(holds(other, row, proof) for other, _ in model.rows if other != place)
    elsewhere = [replace(place, layer=99), replace(place, expert=99), replace(place, matrix=3), replace(place, row=-1)]
    assert not any(holds(other, row, proof) for other in elsewhere)
    forged = [
        replace(row, bits=12 - row.bits),
        replace(row, mantissa=row.mantissa ^ 1),
        replace(row, mantissa=1 << 40),
        replace(row, shift=~row.shift),
        replace(row, values=row.values + b"\0"),
        replace(row, values=bytes([row.values[0] ^ 1]) + row.values[1:]),
    ]
    assert not any(holds(place, other, proof) for other in forged)
    assert not holds(place, row, [*proof, bytes(32)]) and not holds(place, row, [*proof, b""])
    assert not check_proof(bytes(32), shape, place, row, proof)
    for i in range(len(proof)):
        assert not holds(place, row, proof[:i] + proof[i + 1 :])
        assert not holds(place, row, [*proof[:i], bytes(32), *proof[i + 1 :]])


def test_a_row_that_stands_twice_is_proved_only_where_its_fields_say() -> None:
    """A maker of models who puts a second leaf for a row elsewhere in the tree can prove nothing by it."""
    shape = TreeShape(hidden_size=2, width=1, num_experts=1, first_layer=0, num_layers=1)
    model = Model(shape, 0, 8)
    (place, row), (_, _), *_ = model.rows
    forged = model.leaves[0].copy()
    forged[1] = forged[0]
    root = tree_root(forged)
    assert check_proof(root, shape, place, row, prove_row(forged, [root], shape, place))
    second = prove_row(forged, [root], shape, replace(place, matrix=1))
    assert not check_proof(root, shape, replace(place, matrix=1), row, second)


def test_what_is_of_another_model_proves_nothing() -> None:
    shape = TreeShape(hidden_size=3, width=2, num_experts=2, first_layer=1, num_layers=2)
    model = Model(shape, 0, 8)
    place = model.rows[0][0]
    with pytest.raises(IndexError, match="no expert 0 of layer 0"):
        model.prove(replace(place, layer=0))
    with pytest.raises(IndexError, match="matrix 2 has no row 3"):
        model.prove(replace(place, matrix=2, row=3))
    with pytest.raises(ValueError, match="not of this model"):
        prove_row(model.leaves[0][1:], model.roots, shape, place)


# -- the hash


def test_keccak_of_known_messages() -> None:
    """From the Ethereum Yellow Paper (the hash of nothing) and the Keccak team's test of "abc"."""
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 52, 65, 134, 135])
def test_the_kernel_hashes_as_the_library_does(length: int) -> None:
    messages = np.random.default_rng(length).integers(0, 256, (5, length)).astype(np.uint8)
    assert [row.tobytes() for row in keccak_rows(messages)] == [keccak(row.tobytes()) for row in messages]


def test_a_message_of_more_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 135"):
        keccak_rows(np.zeros((1, 136), np.uint8))
