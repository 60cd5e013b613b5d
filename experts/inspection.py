"""What a model folder holds, in numbers, found without reading weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from moray.architecture import Architecture
from moray.errors import BadCheckpoint, BadSetting
from moray.experts.checkpoint import Checkpoint
from moray.experts.shard_plan import BACKBONE_FILE_BYTES, plan_backbone, plan_expert
from moray.experts.source import open_model
from moray.experts.store import ShardStore
from moray.experts.tensors import Shape, expected_tensors, expert_of, expert_tensors
from moray.types import NumericClass

FileState = Literal["present", "missing", "verified", "corrupt"]


@dataclass(frozen=True, slots=True)
class FileReport:
    name: str
    size_bytes: int
    sha256: str
    state: FileState


@dataclass(frozen=True, slots=True)
class ModelReport:
    """``expert`` figures are those of one expert in all its layers; bytes are as stored."""

    folder: Path
    is_sharded: bool
    model_id: str
    numeric_class: NumericClass
    weight_root: str | None  # of integer experts
    architecture: Architecture
    num_parameters: int
    num_backbone_parameters: int
    num_expert_parameters: int
    backbone_bytes: int
    expert_bytes: int
    files: tuple[FileReport, ...]  # a manifest's; empty for an unsharded checkpoint

    @property
    def is_intact(self) -> bool:
        return not any(file.state == "corrupt" for file in self.files)

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "is_sharded": self.is_sharded,
            "model_id": self.model_id,
            "numeric_class": self.numeric_class,
            "weight_root": self.weight_root,
            "architecture": self.architecture.model_dump(mode="json"),
            "num_parameters": self.num_parameters,
            "num_backbone_parameters": self.num_backbone_parameters,
            "num_expert_parameters": self.num_expert_parameters,
            "backbone_bytes": self.backbone_bytes,
            "expert_bytes": self.expert_bytes,
            "files": [
                {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256, "state": file.state}
                for file in self.files
            ],
        }


def inspect_model(
    folder: Path | str, verify: bool = False, on_file: Callable[[str, int], None] | None = None
) -> ModelReport:
    """Open a model folder and count. ``verify`` hashes every file of the manifest that is there, and
    integer weights row by row.

    ``on_file`` gets name and size of each file when it has been looked at. Raises what open_model raises, and
    BadSetting when an unsharded checkpoint is to be verified: nothing says what its bytes should be.
    """
    model = open_model(folder)
    a = model.architecture
    tensors = expected_tensors(a)
    backbone = _count({name: shape for name, shape in tensors.items() if expert_of(name) is None})
    if isinstance(model, ShardStore):
        files = tuple(_look_at_files(model, verify, on_file))
        backbone_bytes = sum(file.size_bytes for file in model.manifest.with_role("backbone"))
        expert_bytes = model.manifest.expert_file(0).size_bytes
    else:
        assert isinstance(model, Checkpoint)
        if verify:
            raise BadSetting(f"{folder} has no manifest to verify against; shard it first with `moray model shard`")
        files = ()
        plans = plan_backbone(model.entries, a, BACKBONE_FILE_BYTES)
        backbone_bytes = sum(plan.size_bytes for plan in plans)
        expert_bytes = plan_expert(model.entries, a, 0).size_bytes
    return ModelReport(
        folder=model.folder,
        is_sharded=isinstance(model, ShardStore),
        model_id=model.model_id,
        numeric_class=model.numeric_class,
        weight_root=model.manifest.weight_root if isinstance(model, ShardStore) else None,
        architecture=a,
        num_parameters=_count(tensors),
        num_backbone_parameters=backbone,
        num_expert_parameters=_count(expert_tensors(a, 0)),
        backbone_bytes=backbone_bytes,
        expert_bytes=expert_bytes,
        files=files,
    )


def _look_at_files(store: ShardStore, verify: bool, on_file: Callable[[str, int], None] | None) -> list[FileReport]:
    reports: list[FileReport] = []
    for file in store.manifest.files:
        state: FileState = "present" if (store.folder / file.name).is_file() else "missing"
        if verify and state == "present":
            try:
                store.verify([file.name])
                is_whole = file.expert is None or store.has_its_weight_root(file.expert)
                state = "verified" if is_whole else "corrupt"
            except BadCheckpoint:
                state = "corrupt"
        reports.append(FileReport(file.name, file.size_bytes, file.sha256, state))
        if on_file is not None:
            on_file(file.name, file.size_bytes)
    return reports


def _count(tensors: dict[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in tensors.values())
