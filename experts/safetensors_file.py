"""The safetensors format: its header, checked; one tensor read from it; a header made.

Format (huggingface/safetensors README): 8 bytes little-endian header length, a JSON object ``name -> {dtype,
shape, data_offsets}`` with an optional ``__metadata__``, then the tensors' bytes without holes. The header
is parsed here rather than by the safetensors package because checks and shards need byte ranges.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from moray.errors import ShardCorrupt

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
LENGTH_BYTES = 8
MAX_DIMENSIONS = 8

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies."""

    name: str
    dtype: str  # the format's word, a key of DTYPES
    shape: tuple[int, ...]
    path: Path
    offset: int  # bytes from the start of the file
    num_bytes: int


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Every tensor of a safetensors file, by name, from the header alone.

    Raises ShardCorrupt when the file is missing, its header is not what the format allows, or its size is
    not what the header promises.
    """
    try:
        with path.open("rb") as file:
            file_bytes = file.seek(0, 2)
            file.seek(0)
            header_bytes = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if header_bytes > MAX_HEADER_BYTES:
                raise _corrupt(path, f"its header claims {header_bytes} bytes, above {MAX_HEADER_BYTES}")
            if file_bytes < LENGTH_BYTES + header_bytes:
                raise _corrupt(path, f"it is cut short inside its header ({file_bytes} bytes)")
            text = file.read(header_bytes)
    except OSError as exc:
        raise ShardCorrupt(f"{path} cannot be read ({exc.strerror}); download it again") from None
    try:
        raw = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as exc:  # bad JSON, bad UTF-8, a doubled key, nesting without end
        raise _corrupt(path, f"its header is not valid ({exc})") from None
    if not isinstance(raw, dict):
        raise _corrupt(path, "its header is not a JSON object")
    raw.pop("__metadata__", None)
    data_start = LENGTH_BYTES + header_bytes
    entries = {name: _parse_entry(path, name, fields, data_start) for name, fields in raw.items()}
    _require_no_holes(path, list(entries.values()), data_start, file_bytes)
    return entries


def read_tensor(entry: TensorEntry) -> Tensor:
    """The tensor in its stored dtype, in memory of its own: no handle stays open and no file is mapped.

    Raises ShardCorrupt when the file ends before the tensor does.
    """
    tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
    if not entry.num_bytes:
        return tensor
    view = tensor.view(-1).view(torch.uint8).numpy().data
    try:
        with entry.path.open("rb", buffering=0) as file:
            file.seek(entry.offset)
            filled = 0
            while filled < entry.num_bytes:  # one read gives at most 2 GiB
                got = file.readinto(view[filled:])
                if not got:
                    raise _corrupt(entry.path, f"it ends inside tensor {entry.name}")
                filled += got
    except OSError as exc:
        raise ShardCorrupt(f"{entry.path} cannot be read ({exc.strerror}); download it again") from None
    return tensor


def encode_header(tensors: list[tuple[str, str, tuple[int, ...]]]) -> bytes:
    """Length and header of a file that holds ``(name, dtype, shape)`` in this order, padded to 8 bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, dtype, shape in tensors:
        end = position + math.prod(shape) * DTYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _corrupt(path: Path, what: str) -> ShardCorrupt:
    return ShardCorrupt(f"{path}: {what}; download it again")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _parse_entry(path: Path, name: str, fields: Any, data_start: int) -> TensorEntry:
    if not isinstance(fields, dict):
        raise _corrupt(path, f"tensor {name!r} has no dtype, shape and offsets")
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _corrupt(path, f"tensor {name!r} has the unknown dtype {dtype!r}")
    # A bound on the dimensions, since a product over a long list of huge ones would take hours.
    if not _are_counts(shape) or len(shape) > MAX_DIMENSIONS or not _are_counts(offsets) or len(offsets) != 2:
        raise _corrupt(path, f"tensor {name!r} has a bad shape or bad offsets")
    num_bytes = offsets[1] - offsets[0]
    if math.prod(shape) * DTYPES[dtype].itemsize != num_bytes:
        raise _corrupt(path, f"tensor {name!r} of shape {shape} and dtype {dtype} cannot take {num_bytes} bytes")
    return TensorEntry(name, dtype, tuple(shape), path, data_start + offsets[0], num_bytes)


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _require_no_holes(path: Path, entries: list[TensorEntry], data_start: int, file_bytes: int) -> None:
    position = data_start
    for entry in sorted(entries, key=lambda entry: (entry.offset, entry.num_bytes)):
        if entry.offset != position:
            raise _corrupt(path, f"tensor {entry.name!r} does not start where the one before it ends")
        position += entry.num_bytes
    if position != file_bytes:
        raise _corrupt(path, f"it holds {file_bytes} bytes where its header promises {position}")
