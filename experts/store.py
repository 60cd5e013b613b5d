"""A sharded model folder: the backbone, some or all experts, and the manifest that vouches for every byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from torch import Tensor

from moray.architecture import Architecture
from moray.errors import ShardCorrupt
from moray.experts.manifest import Manifest, ManifestFile, read_manifest
from moray.experts.quantising import WEIGHT_BITS, expert_root, read_integer_expert
from moray.experts.safetensors_file import TensorEntry, read_header
from moray.experts.stored_weights import read_float32, require_tensors
from moray.experts.tensors import Shape, expected_tensors, expert_of, expert_tensors
from moray.experts.tokenizer_files import TokenizerFiles, read_tokenizer_files
from moray.experts.weights import AnyWeights, assemble_expert
from moray.types import ModelId, NumericClass

HASH_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ShardStore:
    """A ModelSource over a sharded folder, which may hold only the files that this node needs.

    Each file is hashed in full before its first use by this object. Whoever can change files while the
    process runs is not guarded against.
    """

    folder: Path
    manifest: Manifest
    _verified: set[str] = field(default_factory=set, repr=False, compare=False)  # file names

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Read and check the manifest; no other file is touched.

        Raises BadCheckpoint for a bad manifest, UnsupportedArchitecture for a model that is not computed.
        """
        store = cls(Path(folder), read_manifest(Path(folder)))
        expected_tensors(store.architecture)  # refuses absurd sizes
        return store

    @property
    def architecture(self) -> Architecture:
        return self.manifest.architecture

    @property
    def numeric_class(self) -> NumericClass:
        return self.manifest.numeric_class

    @property
    def model_id(self) -> ModelId:
        return ModelId(self.manifest.model_id)

    def verify(self, which: Iterable[str | int] | None = None) -> None:
        """Hash files, given by name or expert id, or all of the manifest, against the manifest.

        Raises ShardCorrupt for the first that is missing or differs, KeyError or IndexError for one that the
        manifest does not list. Files are read again even if they were verified before.
        """
        for file in self._listed(which):
            self._hash(file)

    def tensor(self, name: str) -> Tensor:
        """Any tensor as float32, FP8 blocks multiplied out; the file that holds it is verified first.

        Raises KeyError for an unknown name, ShardCorrupt for a file that differs from the manifest.
        """
        expert_id = expert_of(name)
        if expert_id is not None and (expert_id >= self.architecture.num_experts or self.numeric_class != "float32"):
            raise KeyError(name)
        entries = self._backbone if expert_id is None else self._expert_entries(expert_id)
        return read_float32(entries, name, self.architecture.fp8_block)

    def expert(self, expert_id: int) -> Mapping[int, AnyWeights]:
        """One expert's weights by layer index.

        Raises IndexError for an unknown one, ShardCorrupt as tensor().
        """
        if self.numeric_class != "float32":
            file = self.manifest.expert_file(expert_id)
            self._require_verified(file)
            bits = WEIGHT_BITS[self.numeric_class]
            return read_integer_expert(self.folder / file.name, self.architecture, expert_id, bits)
        entries = self._expert_entries(expert_id)
        block = self.architecture.fp8_block
        return assemble_expert(lambda name: read_float32(entries, name, block), self.architecture, expert_id)

    def expert_digest(self, expert_id: int) -> str:
        """The manifest's digest of the expert's shard (hex SHA-256); reads nothing."""
        return self.manifest.expert_file(expert_id).sha256

    def has_its_weight_root(self, expert_id: int) -> bool:
        """Whether the expert's rows have the manifest's weight root; True for one that has none to have.

        Reads the whole shard, verified first. Raises what ``expert`` raises.
        """
        file = self.manifest.expert_file(expert_id)
        if file.weight_root is None:
            return True
        self._require_verified(file)
        bits = WEIGHT_BITS[self.numeric_class]
        return expert_root(self.folder / file.name, self.architecture, expert_id, bits).hex() == file.weight_root

    def tokenizer_files(self) -> TokenizerFiles:
        """Verified. Raises BadCheckpoint when there is no tokenizer.json, ShardCorrupt when one differs."""
        files = read_tokenizer_files(self.folder)
        listed = {file.name: file for file in self.manifest.with_role("tokenizer")}
        for path in (files.tokenizer, files.tokenizer_config, files.generation_config, files.chat_template):
            if path is None:
                continue
            if path.name not in listed:
                raise ShardCorrupt(f"{path} is not in the manifest; remove it")
            self._require_verified(listed[path.name])
        return files

    @cached_property
    def _backbone(self) -> dict[str, TensorEntry]:
        entries: dict[str, TensorEntry] = {}
        for file in self.manifest.with_role("backbone"):
            self._require_verified(file)
            entries.update(read_header(self.folder / file.name))
        expected = {n: shape for n, shape in expected_tensors(self.architecture).items() if expert_of(n) is None}
        self._require(entries, expected, "backbone")
        return entries

    def _expert_entries(self, expert_id: int) -> dict[str, TensorEntry]:
        file = self.manifest.expert_file(expert_id)
        self._require_verified(file)
        entries = read_header(self.folder / file.name)
        self._require(entries, expert_tensors(self.architecture, expert_id), file.name)
        return entries

    def _require(self, entries: dict[str, TensorEntry], expected: dict[str, Shape], what: str) -> None:
        require_tensors(entries, expected, self.architecture, f"{self.folder} ({what})")

    def _require_verified(self, file: ManifestFile) -> None:
        if file.name not in self._verified:
            self._hash(file)

    def _hash(self, file: ManifestFile) -> None:
        path = self.folder / file.name
        self._verified.discard(file.name)
        digest = hashlib.sha256()
        try:
            size = path.stat().st_size
            if size != file.size_bytes:
                raise ShardCorrupt(
                    f"{path} has {size} bytes where the manifest says {file.size_bytes}; copy or download it again"
                )
            with path.open("rb", buffering=0) as stream:
                while chunk := stream.read(HASH_CHUNK_BYTES):
                    digest.update(chunk)
        except FileNotFoundError:
            raise ShardCorrupt(f"{path} is missing, though the manifest lists it; copy or download it") from None
        except OSError as exc:
            raise ShardCorrupt(f"{path} cannot be read ({exc.strerror}); copy or download it again") from None
        if digest.hexdigest() != file.sha256:
            raise ShardCorrupt(f"{path} is not the file of the manifest (SHA-256 differs); copy or download it again")
        self._verified.add(file.name)

    def _listed(self, which: Iterable[str | int] | None) -> list[ManifestFile]:
        if which is None:
            return list(self.manifest.files)
        by_name = {file.name: file for file in self.manifest.files}
        return [self.manifest.expert_file(item) if isinstance(item, int) else by_name[item] for item in which]
