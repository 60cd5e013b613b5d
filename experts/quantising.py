"""Experts as bytes on disk: which tensors a quantised shard holds, making them, reading them.

For each matrix of a layer ``X.weight`` (I8, ``[out, in]``; weights of four bits U8, two to a byte, see ``nibbles``),
``X.mantissa`` (I32, ``[out]``) and ``X.shift`` (I8, ``[out]``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from moray.architecture import Architecture
from moray.errors import BadCheckpoint
from moray.experts.integer import IntegerWeights
from moray.experts.linear import to_array
from moray.experts.nibbles import pack_nibbles, packed_width, unpack_nibbles
from moray.experts.safetensors_file import TensorEntry, read_header, read_tensor
from moray.experts.scaled_rows import ScaledRows, quantise
from moray.experts.shard_plan import PlannedFile, expert_file_name, in_file_order
from moray.experts.tensors import expert_prefix, expert_tensors
from moray.experts.weight_root import StoredMatrix, expert_leaves, tree_root
from moray.types import NumericClass

WEIGHT_BITS: dict[NumericClass, int] = {"int8": 8, "int4": 4}
_HIGHEST = {8: 127, 4: 7}  # magnitude of a weight that is written

_MATRICES = ("gate_proj", "up_proj", "down_proj")


def plan_integer_expert(architecture: Architecture, expert_id: int, bits: int) -> PlannedFile:
    """What the expert's file will hold. Its entries have no source: ``integer_chunks`` makes them."""
    entries = []
    for weight, (num_outputs, num_inputs) in expert_tensors(architecture, expert_id).items():
        name, row_bytes = weight.removesuffix(".weight"), num_inputs if bits == 8 else packed_width(num_inputs)
        shape = (num_outputs, row_bytes)
        entries += [
            TensorEntry(f"{name}.weight", "I8" if bits == 8 else "U8", shape, Path(), 0, num_outputs * row_bytes),
            TensorEntry(f"{name}.mantissa", "I32", (num_outputs,), Path(), 0, 4 * num_outputs),
            TensorEntry(f"{name}.shift", "I8", (num_outputs,), Path(), 0, num_outputs),
        ]
    return PlannedFile(expert_file_name(expert_id), expert_id, in_file_order(entries))


def integer_chunks(planned: PlannedFile, read_tensor_named: Callable[[str], Tensor], bits: int) -> Iterator[memoryview]:
    """The planned file's bytes in order, quantised matrix by matrix. Raises BadCheckpoint for infinities and NaN."""

    @lru_cache(maxsize=1)  # a matrix's weight and shift are neighbours in the file
    def quantised(name: str) -> ScaledRows:
        weight = to_array(read_tensor_named(f"{name}.weight"))
        if not np.isfinite(weight).all():
            raise BadCheckpoint(f"{name}.weight has values that are not finite; download the checkpoint again")
        return quantise(weight, _HIGHEST[bits])

    yield memoryview(planned.header)
    for entry in planned.tensors:
        name, _, part = entry.name.rpartition(".")
        rows = quantised(name)
        if part == "weight":
            yield memoryview((rows.values if bits == 8 else pack_nibbles(rows.values)).tobytes())
        else:
            yield memoryview((rows.mantissas.astype("<i4") if part == "mantissa" else rows.shifts).tobytes())


def stored_matrices(path: Path, architecture: Architecture, expert_id: int, bits: int) -> Iterator[StoredMatrix]:
    """The expert's matrices in the order of their leaves, read one after the other.

    Raises BadCheckpoint when the file does not hold what its manifest's architecture says.
    """
    entries = read_header(path)
    for planned in plan_integer_expert(architecture, expert_id, bits).tensors:
        found = entries.get(planned.name)
        if found is None or (found.dtype, found.shape) != (planned.dtype, planned.shape):
            raise BadCheckpoint(f"{path}: tensor {planned.name} is missing or of another kind; quantise again")
    for layer in architecture.moe_layers:
        for matrix, name in enumerate(_MATRICES):
            prefix = f"{expert_prefix(layer, expert_id)}.{name}"
            weight, mantissas, shifts = (
                read_tensor(entries[f"{prefix}.{part}"]).numpy() for part in ("weight", "mantissa", "shift")
            )
            yield StoredMatrix(layer, matrix, bits, weight.view(np.uint8), mantissas, shifts)


def read_integer_expert(path: Path, architecture: Architecture, expert_id: int, bits: int) -> dict[int, IntegerWeights]:
    """By layer. Raises what ``stored_matrices`` raises."""
    depths = (architecture.hidden_size, architecture.hidden_size, architecture.moe_intermediate_size)
    matrices: dict[int, list[ScaledRows]] = {}
    for stored in stored_matrices(path, architecture, expert_id, bits):
        rows = ScaledRows(_weights(stored, depths[stored.matrix]), stored.mantissas, stored.shifts)
        matrices.setdefault(stored.layer, []).append(rows)
    return {layer: IntegerWeights(*three) for layer, three in matrices.items()}


def _weights(stored: StoredMatrix, depth: int) -> NDArray[np.int8]:
    return stored.values.view(np.int8) if stored.bits == 8 else unpack_nibbles(stored.values, depth)


def expert_root(path: Path, architecture: Architecture, expert_id: int, bits: int) -> bytes:
    """Of the weights in the shard. Raises what ``stored_matrices`` raises."""
    return tree_root(expert_leaves(expert_id, stored_matrices(path, architecture, expert_id, bits)))
