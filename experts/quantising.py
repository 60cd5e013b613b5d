"""Experts as bytes on disk: which tensors a quantised shard holds, making them, reading them.

For each matrix of a layer ``X.weight`` (I8, ``[out, in]``), ``X.mantissa`` (I32, ``[out]``) and ``X.shift``
(I8, ``[out]``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from moray.architecture import Architecture
from moray.errors import BadCheckpoint
from moray.experts.integer import IntegerWeights
from moray.experts.linear import to_array
from moray.experts.safetensors_file import TensorEntry, read_header, read_tensor
from moray.experts.scaled_rows import ScaledRows, quantise
from moray.experts.shard_plan import PlannedFile, expert_file_name, in_file_order
from moray.experts.tensors import expert_prefix, expert_tensors
from moray.experts.weight_root import StoredMatrix, expert_leaves, tree_root

_MATRICES = ("gate_proj", "up_proj", "down_proj")
_PARTS = (("weight", "I8", 1), ("mantissa", "I32", 4), ("shift", "I8", 1))  # name, dtype, bytes of a value


def plan_integer_expert(architecture: Architecture, expert_id: int) -> PlannedFile:
    """What the expert's file will hold. Its entries have no source: ``integer_chunks`` makes them."""
    entries = []
    for name, (num_outputs, num_inputs) in expert_tensors(architecture, expert_id).items():
        for part, dtype, size in _PARTS:
            shape = (num_outputs, num_inputs) if part == "weight" else (num_outputs,)
            num_bytes = size * num_outputs * (num_inputs if part == "weight" else 1)
            part_name = name.removesuffix("weight") + part
            entries.append(TensorEntry(part_name, dtype, shape, Path(), 0, num_bytes))
    return PlannedFile(expert_file_name(expert_id), expert_id, in_file_order(entries))


def integer_chunks(planned: PlannedFile, read_tensor_named: Callable[[str], Tensor]) -> Iterator[memoryview]:
    """The planned file's bytes in order, quantised matrix by matrix. Raises BadCheckpoint for infinities and NaN."""

    @lru_cache(maxsize=1)  # a matrix's weight and shift are neighbours in the file
    def quantised(name: str) -> ScaledRows:
        weight = to_array(read_tensor_named(f"{name}.weight"))
        if not np.isfinite(weight).all():
            raise BadCheckpoint(f"{name}.weight has values that are not finite; download the checkpoint again")
        return quantise(weight)

    yield memoryview(planned.header)
    for entry in planned.tensors:
        name, _, part = entry.name.rpartition(".")
        rows = quantised(name)
        values = {"weight": rows.values, "mantissa": rows.mantissas.astype("<i4"), "shift": rows.shifts}[part]
        yield memoryview(values.tobytes())


def stored_matrices(path: Path, architecture: Architecture, expert_id: int) -> Iterator[StoredMatrix]:
    """The expert's matrices in the order of their leaves, read one after the other.

    Raises BadCheckpoint when the file does not hold what its manifest's architecture says.
    """
    entries = read_header(path)
    for planned in plan_integer_expert(architecture, expert_id).tensors:
        found = entries.get(planned.name)
        if found is None or (found.dtype, found.shape) != (planned.dtype, planned.shape):
            raise BadCheckpoint(f"{path}: tensor {planned.name} is missing or of another kind; quantise again")
    for layer in architecture.moe_layers:
        for matrix, name in enumerate(_MATRICES):
            prefix = f"{expert_prefix(layer, expert_id)}.{name}"
            values, mantissas, shifts = (read_tensor(entries[f"{prefix}.{part}"]).numpy() for part, _, _ in _PARTS)
            yield StoredMatrix(layer, matrix, 8, values.view(np.uint8), mantissas, shifts)


def read_integer_expert(path: Path, architecture: Architecture, expert_id: int) -> dict[int, IntegerWeights]:
    """By layer. Raises what ``stored_matrices`` raises."""
    matrices: dict[int, list[ScaledRows]] = {}
    for stored in stored_matrices(path, architecture, expert_id):
        rows = ScaledRows(stored.values.view(np.int8), stored.mantissas, stored.shifts)
        matrices.setdefault(stored.layer, []).append(rows)
    return {layer: IntegerWeights(*three) for layer, three in matrices.items()}


def expert_root(path: Path, architecture: Architecture, expert_id: int) -> bytes:
    """Of the weights in the shard. Raises what ``stored_matrices`` raises."""
    return tree_root(expert_leaves(expert_id, stored_matrices(path, architecture, expert_id)))
