"""Reading weights as float32 out of tensor entries, whatever they are stored as, and checking that they can
be.

Stored as float32, bfloat16 or float16; two-dimensional ones also as block-scaled float8_e4m3 (see fp8.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from moray.architecture import Architecture
from moray.errors import BadCheckpoint, UnsupportedArchitecture
from moray.experts.fp8 import dequantize_blocks
from moray.experts.safetensors_file import TensorEntry, read_tensor
from moray.experts.tensors import SCALE_SUFFIX, Shape, scale_shape

PLAIN_DTYPES = ("F32", "BF16", "F16")
FP8_DTYPE = "F8_E4M3"
SCALE_DTYPES = ("F32", "BF16", "F8_E8M0")

Entries = Mapping[str, TensorEntry]


def read_float32(entries: Entries, name: str, block: tuple[int, int] | None) -> Tensor:
    """The tensor ``name`` as float32, FP8 blocks multiplied out. Raises KeyError for an unknown name."""
    entry = entries[name]
    stored = read_tensor(entry)
    if entry.dtype != FP8_DTYPE or block is None:
        return stored.to(torch.float32)
    return dequantize_blocks(stored, read_tensor(entries[name + SCALE_SUFFIX]), block)


def require_tensors(entries: Entries, expected: Mapping[str, Shape], architecture: Architecture, where: str) -> None:
    """Check from headers alone that every expected tensor is there, of its shape, and of a readable dtype.

    Raises BadCheckpoint for what is missing or of another shape, UnsupportedArchitecture for a dtype.
    """
    missing = [name for name in expected if name not in entries]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BadCheckpoint(f"{where}: tensor {missing[0]}{more} is missing; download the checkpoint again")
    for name, shape in expected.items():
        entry = entries[name]
        if entry.shape != shape:
            raise BadCheckpoint(
                f"{where}: tensor {name} has shape {list(entry.shape)} where config.json says {list(shape)}; "
                "the two are of different models"
            )
        if entry.dtype == FP8_DTYPE:
            _require_scale(entries, entry, architecture.fp8_block, where)
        elif entry.dtype not in PLAIN_DTYPES:
            raise UnsupportedArchitecture(
                f"{where}: tensor {name} is stored as {entry.dtype}; supported: {', '.join(PLAIN_DTYPES)}, "
                f"{FP8_DTYPE} with block scales"
            )
        elif name + SCALE_SUFFIX in entries:
            raise BadCheckpoint(
                f"{where}: tensor {name} is {entry.dtype} and still has a scale; convert the checkpoint again"
            )


def _require_scale(entries: Entries, entry: TensorEntry, block: tuple[int, int] | None, where: str) -> None:
    if block is None or min(block) < 1 or len(entry.shape) != 2:
        raise BadCheckpoint(
            f"{where}: tensor {entry.name} is FP8 and config.json gives no block size for it; "
            "take config.json from the same checkpoint"
        )
    scale = entries.get(entry.name + SCALE_SUFFIX)
    if scale is None:
        raise BadCheckpoint(f"{where}: tensor {entry.name}{SCALE_SUFFIX} is missing; download the checkpoint again")
    if scale.shape != scale_shape(entry.shape, block) or scale.dtype not in SCALE_DTYPES:
        raise BadCheckpoint(
            f"{where}: tensor {scale.name} is {scale.dtype} {list(scale.shape)} where blocks of "
            f"{block[0]} x {block[1]} need {list(scale_shape(entry.shape, block))}; "
            "take config.json from the same checkpoint"
        )
