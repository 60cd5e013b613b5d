"""What a sharded folder will hold, decided from headers alone: which tensor goes into which file, in which
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moray.architecture import Architecture
from moray.experts.safetensors_file import DTYPES, TensorEntry, encode_header
from moray.experts.tensors import SCALE_SUFFIX, expected_tensors, expert_of, expert_tensors

BACKBONE_FILE_BYTES = 4 << 30  # a backbone file is cut before the tensor that would take it past this

Entries = Mapping[str, TensorEntry]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One safetensors file to write.

    The bytes are a function of the tensors alone, not of the source's layout.
    """

    name: str
    expert: int | None  # None: backbone
    tensors: tuple[TensorEntry, ...]  # in file order

    @property
    def header(self) -> bytes:
        return encode_header([(entry.name, entry.dtype, entry.shape) for entry in self.tensors])

    @property
    def size_bytes(self) -> int:
        return len(self.header) + sum(entry.num_bytes for entry in self.tensors)


def plan_shards(
    entries: Entries, architecture: Architecture, backbone_file_bytes: int = BACKBONE_FILE_BYTES
) -> list[PlannedFile]:
    """Backbone files first, then one file per expert id."""
    experts = [plan_expert(entries, architecture, expert_id) for expert_id in range(architecture.num_experts)]
    return plan_backbone(entries, architecture, backbone_file_bytes) + experts


def plan_expert(entries: Entries, architecture: Architecture, expert_id: int) -> PlannedFile:
    """The expert's tensors of every MoE layer. Raises IndexError when the architecture has no such expert."""
    if not 0 <= expert_id < architecture.num_experts:
        raise IndexError(f"expert {expert_id} is not one of the model's {architecture.num_experts}")
    names = expert_tensors(architecture, expert_id)
    return PlannedFile(expert_file_name(expert_id), expert_id, in_file_order(_stored(entries, names)))


def expert_file_name(expert_id: int) -> str:
    return f"expert-{expert_id:05d}.safetensors"


def plan_backbone(entries: Entries, architecture: Architecture, file_bytes: int) -> list[PlannedFile]:
    """Everything that is not a routed expert's, in model order, in files of at most about ``file_bytes``."""
    names = [name for name in expected_tensors(architecture) if expert_of(name) is None]
    groups: list[list[TensorEntry]] = [[]]
    size = 0
    for entry in _stored(entries, names):
        if groups[-1] and size + entry.num_bytes > file_bytes:
            groups.append([])
            size = 0
        groups[-1].append(entry)
        size += entry.num_bytes
    return [
        PlannedFile(f"backbone-{index:05d}-of-{len(groups):05d}.safetensors", None, in_file_order(group))
        for index, group in enumerate(groups, start=1)
    ]


def _stored(entries: Entries, names: Iterable[str]) -> list[TensorEntry]:
    """The entries of ``names``, each FP8 weight followed by its scales."""
    found: list[TensorEntry] = []
    for name in names:
        found.append(entries[name])
        if name + SCALE_SUFFIX in entries:
            found.append(entries[name + SCALE_SUFFIX])
    return found


def in_file_order(entries: list[TensorEntry]) -> tuple[TensorEntry, ...]:
    """Wide dtypes first, so that every tensor starts at a multiple of its item size; otherwise the order
    given.
    """
    return tuple(sorted(entries, key=lambda entry: -DTYPES[entry.dtype].itemsize))
