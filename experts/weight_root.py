"""The Merkle root over every row of every integer expert's weights, and proofs that a row is under it.

``docs/integer-expert.md``, "Commitments", is the specification. One core needs 4 to 7 us a row of 2 to 7 KB, most of it
SHA-256: about ten minutes for 10^8 rows. An expert's leaves take 32 bytes a row, and one matrix is in memory at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moray.architecture import Architecture
from moray.experts.keccak import keccak, keccak_rows

NUM_MATRICES = 3  # gate, up, down
LEAF, NODE = b"\x00", b"\x01"

Digests = NDArray[np.uint8]  # [N, 32]


@dataclass(frozen=True, slots=True, eq=False)
class StoredMatrix:
    """One matrix of an expert as its shard has it."""

    layer: int
    matrix: int  # 0 gate, 1 up, 2 down
    bits: int  # of a weight
    values: NDArray[np.uint8]  # [R, bytes of a row]
    mantissas: NDArray[np.int32]  # [R]
    shifts: NDArray[np.int8]  # [R]


@dataclass(frozen=True, slots=True)
class RowPlace:
    layer: int
    expert: int
    matrix: int  # 0 gate, 1 up, 2 down
    row: int


@dataclass(frozen=True, slots=True)
class StoredRow:
    bits: int
    mantissa: int
    shift: int
    values: bytes


@dataclass(frozen=True, slots=True)
class TreeShape:
    """What decides where a row's leaf is."""

    hidden_size: int  # D
    width: int  # F
    num_experts: int
    first_layer: int  # the first with experts
    num_layers: int  # with experts

    @property
    def layer_rows(self) -> int:
        return 2 * self.width + self.hidden_size

    @property
    def num_leaves(self) -> int:
        """Of one expert."""
        return self.num_layers * self.layer_rows

    def leaf_index(self, place: RowPlace) -> int:
        """Among its expert's leaves. Raises IndexError when the model has no such row."""
        layer = place.layer - self.first_layer
        if not (0 <= layer < self.num_layers and 0 <= place.expert < self.num_experts):
            raise IndexError(f"the model has no expert {place.expert} of layer {place.layer}")
        if not 0 <= place.matrix < NUM_MATRICES:
            raise IndexError(f"matrix {place.matrix} is none of gate, up and down")
        if not 0 <= place.row < (self.hidden_size if place.matrix == NUM_MATRICES - 1 else self.width):
            raise IndexError(f"matrix {place.matrix} has no row {place.row}")
        return layer * self.layer_rows + place.matrix * self.width + place.row


def tree_shape(architecture: Architecture) -> TreeShape:
    a = architecture
    first = min(a.num_dense_layers, a.num_layers)
    num_layers = a.num_layers + a.num_mtp_layers - first
    return TreeShape(a.hidden_size, a.moe_intermediate_size, a.num_experts, first, num_layers)


def expert_leaves(expert: int, matrices: Iterable[StoredMatrix]) -> Digests:
    """The leaves of one expert; ``matrices`` in the order of their leaves, one in memory at a time."""
    return np.concatenate([_leaves(expert, matrix) for matrix in matrices])


def tree_root(digests: Digests) -> bytes:
    """Of at least one digest: an expert's leaves, or the experts' roots in ascending order."""
    *_, top = _levels(digests)
    root: bytes = top[0].tobytes()
    return root


def weight_root(expert_roots: Sequence[bytes]) -> bytes:
    return tree_root(_stacked(expert_roots))


def prove_row(leaves: Digests, expert_roots: Sequence[bytes], shape: TreeShape, place: RowPlace) -> list[bytes]:
    """The siblings on the way from the row's leaf, one of its expert's ``leaves``, up to the weight root.

    Raises IndexError when the model has no such row, ValueError for leaves or roots of another shape.
    """
    index = shape.leaf_index(place)
    if len(leaves) != shape.num_leaves or len(expert_roots) != shape.num_experts:
        raise ValueError(f"{len(leaves)} leaves and {len(expert_roots)} experts are not of this model")
    return [*_siblings(leaves, index), *_siblings(_stacked(expert_roots), place.expert)]


def check_proof(root: bytes, shape: TreeShape, place: RowPlace, row: StoredRow, proof: Sequence[bytes]) -> bool:
    """Whether ``row`` is what stands at ``place`` in the model of this weight root."""
    try:
        index = shape.leaf_index(place)
        digest = keccak(_leaf_message(place, row))
    except (IndexError, OverflowError):
        return False
    if any(len(sibling) != len(root) for sibling in proof):
        return False
    left = iter(proof)
    try:
        digest = _climb(digest, index, shape.num_leaves, left)
        digest = _climb(digest, place.expert, shape.num_experts, left)
    except StopIteration:
        return False
    return digest == root and next(left, None) is None


def _leaf_message(place: RowPlace, row: StoredRow) -> bytes:
    numbers = ((place.layer, 4), (place.expert, 4), (place.matrix, 1), (place.row, 4), (row.bits, 1))
    message = LEAF + b"".join(number.to_bytes(size, "big") for number, size in numbers)
    message += row.mantissa.to_bytes(4, "big", signed=True) + row.shift.to_bytes(1, "big", signed=True)
    return message + hashlib.sha256(row.values).digest()


_MESSAGE = np.dtype(
    [
        *(("kind", "u1"), ("layer", ">u4"), ("expert", ">u4"), ("matrix", "u1"), ("row", ">u4"), ("bits", "u1")),
        *(("mantissa", ">i4"), ("shift", "i1"), ("sha256", "u1", 32)),
    ]
)


def _leaves(expert: int, stored: StoredMatrix) -> Digests:
    """``keccak(_leaf_message(...))`` of every row of a matrix."""
    rows = len(stored.values)
    messages = np.zeros(rows, _MESSAGE)  # kind 0: a leaf
    for name, value in (("layer", stored.layer), ("expert", expert), ("matrix", stored.matrix), ("bits", stored.bits)):
        messages[name] = value
    messages["row"], messages["mantissa"], messages["shift"] = np.arange(rows), stored.mantissas, stored.shifts
    row_digests = b"".join(hashlib.sha256(row).digest() for row in np.ascontiguousarray(stored.values))
    messages["sha256"] = np.frombuffer(row_digests, np.uint8).reshape(rows, -1)
    return keccak_rows(messages.view(np.uint8).reshape(rows, -1))


def _levels(digests: Digests) -> Iterator[Digests]:
    """From the given ones up to a level of one. An odd one at the end of a level goes up as it is."""
    yield digests
    while len(digests) > 1:
        pairs = len(digests) // 2
        kinds = np.full((pairs, 1), NODE[0], np.uint8)
        parents = keccak_rows(np.hstack((kinds, digests[: 2 * pairs].reshape(pairs, -1))))
        digests = np.concatenate((parents, digests[2 * pairs :]))
        yield digests


def _siblings(digests: Digests, index: int) -> Iterator[bytes]:
    for level in _levels(digests):
        if index ^ 1 < len(level):
            yield level[index ^ 1].tobytes()
        index //= 2


def _climb(digest: bytes, index: int, count: int, siblings: Iterator[bytes]) -> bytes:
    """The root over ``digest``, which is at ``index`` among ``count``. Raises StopIteration when siblings run out."""
    while count > 1:
        if index ^ 1 < count:
            sibling = next(siblings)
            digest = keccak(NODE + (sibling + digest if index % 2 else digest + sibling))
        index, count = index // 2, (count + 1) // 2
    return digest


def _stacked(digests: Sequence[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1).copy()
