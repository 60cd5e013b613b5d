"""A Hugging Face checkpoint on disk, opened without reading its weights.

Format: ``config.json`` beside ``model.safetensors``, or beside ``model.safetensors.index.json`` and the
parts that its ``weight_map`` names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from torch import Tensor

from moray.architecture import Architecture, read_architecture
from moray.errors import BadCheckpoint, ShardCorrupt
from moray.experts.fingerprint import fingerprint
from moray.experts.safetensors_file import TensorEntry, read_header, read_tensor
from moray.experts.shard_plan import plan_expert
from moray.experts.shard_writer import digest_file
from moray.experts.stored_weights import read_float32, require_tensors
from moray.experts.tensors import expected_tensors, refuse_unknown, settle_mtp
from moray.experts.tokenizer_files import TokenizerFiles, read_tokenizer_files
from moray.experts.weights import ExpertWeights, assemble_expert
from moray.types import ModelId, NumericClass

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
MAX_INDEX_BYTES = 64 << 20  # DeepSeek-V3's index is 9 MB


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An unsharded checkpoint; a ModelSource. Holds headers, no weights and no open files."""

    folder: Path
    architecture: Architecture  # num_mtp_layers is what the files hold, not what config.json promises
    entries: dict[str, TensorEntry]
    _lazy: dict[str, str] = field(default_factory=dict, repr=False, compare=False)  # digests, computed when asked

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open ``folder`` and check from headers alone that it holds the model that config.json describes.

        Raises BadCheckpoint when a file or tensor is missing or of the wrong shape, ShardCorrupt when a file
        is cut short or its header broken, UnsupportedArchitecture for a family, switch or dtype that is not
        computed.
        """
        folder = Path(folder)
        architecture = read_architecture(folder)
        entries = _read_entries(folder)
        architecture = settle_mtp(architecture, frozenset(entries))
        require_tensors(entries, expected_tensors(architecture), architecture, str(folder))
        filled = (name for name, entry in entries.items() if entry.num_bytes)  # transformers keeps absent parts empty
        refuse_unknown(architecture, filled, str(folder))
        return cls(folder, architecture, entries)

    @property
    def numeric_class(self) -> NumericClass:
        return "float32"  # whatever it is stored as

    def names(self) -> list[str]:
        return sorted(self.entries)

    def raw(self, name: str) -> Tensor:
        """The tensor in its stored dtype; reads only its bytes. Raises KeyError for an unknown name."""
        return read_tensor(self.entries[name])

    def tensor(self, name: str) -> Tensor:
        """The tensor as float32, FP8 blocks multiplied out. Raises KeyError for an unknown name."""
        return read_float32(self.entries, name, self.architecture.fp8_block)

    def expert(self, expert_id: int) -> dict[int, ExpertWeights]:
        """The expert's weights by layer index, the MTP layers' included.

        Raises IndexError for an unknown one.
        """
        return assemble_expert(self.tensor, self.architecture, expert_id)

    def expert_digest(self, expert_id: int) -> str:
        """Hex SHA-256 of the shard that sharding this checkpoint would write for the expert.

        Equal to the digest in the manifest of a sharded copy. Reads the expert's weights once, then
        remembers.
        """
        key = f"expert {expert_id}"
        if key not in self._lazy:
            self._lazy[key] = digest_file(plan_expert(self.entries, self.architecture, expert_id))
        return self._lazy[key]

    @property
    def model_id(self) -> ModelId:
        """See fingerprint.py for what it covers: it is not the ``model_id`` of a sharded copy."""
        if "model" not in self._lazy:
            self._lazy["model"] = fingerprint(self.folder / "config.json", self.entries)
        return ModelId(self._lazy["model"])

    def tokenizer_files(self) -> TokenizerFiles:
        """Raises BadCheckpoint when there is no tokenizer.json."""
        return read_tokenizer_files(self.folder)


def _read_entries(folder: Path) -> dict[str, TensorEntry]:
    if (folder / SINGLE_FILE).exists():
        return read_header(folder / SINGLE_FILE)
    weight_map = _read_index(folder)
    headers: dict[str, dict[str, TensorEntry]] = {}
    for part in sorted(set(weight_map.values())):
        if not (folder / part).exists():
            raise ShardCorrupt(f"{folder / part} is missing, though {INDEX_FILE} names it; download it again")
        headers[part] = read_header(folder / part)
    for name, part in weight_map.items():
        if name not in headers[part]:
            raise BadCheckpoint(
                f"{folder / part} does not hold tensor {name}, though {INDEX_FILE} says so; download both again"
            )
    return {name: headers[part][name] for name, part in weight_map.items()}


def _read_index(folder: Path) -> dict[str, str]:
    path = folder / INDEX_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_INDEX_BYTES + 1)
    except OSError:
        raise BadCheckpoint(
            f"{folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}; give a checkpoint in safetensors format"
        ) from None
    if len(text) > MAX_INDEX_BYTES:
        raise BadCheckpoint(f"{path} is larger than {MAX_INDEX_BYTES} bytes; download it again")
    try:
        weight_map = json.loads(text)["weight_map"]
        parts = {str(name): str(part) for name, part in weight_map.items()}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise BadCheckpoint(f"{path} is not a JSON object with a weight_map; download it again") from None
    for part in set(parts.values()):
        if Path(part).name != part or not part.endswith(".safetensors"):
            raise BadCheckpoint(f"{path} names the part {part!r}, which is not a plain *.safetensors name; refused")
    return parts
