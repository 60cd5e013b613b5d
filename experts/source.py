"""Where a model comes from: an unsharded checkpoint or a sharded folder, behind one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from moray.architecture import Architecture
from moray.errors import BadCheckpoint
from moray.experts.checkpoint import Checkpoint
from moray.experts.manifest import MANIFEST_FILE
from moray.experts.shard_journal import JOURNAL_FILE
from moray.experts.store import ShardStore
from moray.experts.tokenizer_files import TokenizerFiles
from moray.experts.weights import AnyWeights
from moray.types import ModelId, NumericClass


class ModelSource(Protocol):
    """A model on disk. Tensors are read when asked for; nothing is cached."""

    @property
    def folder(self) -> Path: ...

    @property
    def architecture(self) -> Architecture: ...

    @property
    def model_id(self) -> ModelId: ...

    @property
    def numeric_class(self) -> NumericClass: ...

    def tensor(self, name: str) -> Tensor:
        """A tensor by its checkpoint name, float32. Raises KeyError for an unknown name."""
        ...

    def expert(self, expert_id: int) -> Mapping[int, AnyWeights]:
        """One expert's weights by layer index, the MTP layers' included.

        Raises IndexError for an unknown one.
        """
        ...

    def expert_digest(self, expert_id: int) -> str:
        """Hex SHA-256 of the expert's shard; the same for a checkpoint and its sharded copy."""
        ...

    def tokenizer_files(self) -> TokenizerFiles:
        """Raises BadCheckpoint when there is no tokenizer.json."""
        ...


def open_model(folder: Path | str) -> ModelSource:
    """Open a model folder: by its manifest.json when it has one, otherwise as a Hugging Face checkpoint.

    Raises BadCheckpoint, ShardCorrupt or UnsupportedArchitecture with one line that says what to do.
    """
    folder = Path(folder)
    if (folder / MANIFEST_FILE).exists():
        return ShardStore.open(folder)
    if (folder / JOURNAL_FILE).exists():
        raise BadCheckpoint(f"{folder} is not finished; run the same `moray model shard` again to complete it")
    return Checkpoint.open(folder)


def known_digests(source: ModelSource, experts: Sequence[int]) -> list[bytes]:
    """Digests of the experts' shards as the manifest states them; none for an unsharded checkpoint, where they would
    cost a reading of all weights. Both sides of a handshake open the same kind of folder: the model id says so."""
    if not isinstance(source, ShardStore):
        return []
    return [bytes.fromhex(source.expert_digest(expert)) for expert in experts]
