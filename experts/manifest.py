"""``manifest.json``: what a sharded model folder holds, byte for byte, and the model's identity.

A manifest comes from whoever sharded the model, so reading one validates everything: size, format version,
file names (plain ones only), digests, that the weight root is the experts', and that ``model_id`` is what the content
says.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from moray.architecture import SUPPORTED_MODEL_TYPES, Architecture
from moray.errors import BadCheckpoint, UnsupportedArchitecture
from moray.experts.model_identity import ModelIdentity, model_identity
from moray.experts.weight_root import weight_root
from moray.types import NumericClass

MANIFEST_FILE = "manifest.json"
FORMAT_VERSION = 2
MAX_MANIFEST_BYTES = 4 << 20  # a model of 256 experts needs 60 KB
MAX_FILES = 20_000

Role = Literal["backbone", "expert", "tokenizer", "config"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DEVICE_NAME = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def plain_name(name: str) -> str:
    """``name`` when it is a plain file name, nothing that could lead out of a folder.

    Raises ValueError otherwise.
    """
    if not _PLAIN_NAME.fullmatch(name) or _DEVICE_NAME.match(name) or name == MANIFEST_FILE:
        raise ValueError(f"{name!r} is not a plain file name")
    return name


def _known_architecture(raw: Any) -> Any:
    """Refuse fields that this version does not know: they may change the mathematics."""
    if isinstance(raw, dict):
        unknown = sorted(set(raw) - set(Architecture.model_fields))
        if unknown:
            raise ValueError(f"unknown architecture fields {unknown}")
    return raw


class ManifestFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, AfterValidator(plain_name)]
    size_bytes: int = Field(ge=0, lt=1 << 63)
    sha256: Digest
    role: Role
    expert: int | None = Field(default=None, ge=0)
    weight_root: Digest | None = None  # of an integer expert

    @model_validator(mode="after")
    def _expert_has_an_id(self) -> Self:
        if (self.role == "expert") != (self.expert is not None):
            raise ValueError(f"{self.name}: a file has an expert id when its role is expert, and only then")
        if self.weight_root is not None and self.expert is None:
            raise ValueError(f"{self.name}: only an expert has a weight root")
        return self


class Manifest(BaseModel):
    """Frozen. ``model_id`` covers all the other fields, see ``experts.model_identity``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2]
    numeric_class: NumericClass
    architecture: Annotated[Architecture, BeforeValidator(_known_architecture)]
    files: tuple[ManifestFile, ...] = Field(max_length=MAX_FILES)
    weight_root: Digest | None = None  # over all experts, where they are integers
    model_id: Digest

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len({file.name.lower() for file in self.files}) != len(self.files):
            raise ValueError("a file name occurs twice")
        experts = sorted(file.expert for file in self.files if file.expert is not None)
        if len(experts) != self.architecture.num_experts or experts != list(range(len(experts))):
            raise ValueError("the files do not hold every expert exactly once")
        if not any(file.role == "backbone" for file in self.files):
            raise ValueError("no file holds the backbone")
        if self.weight_root != _weight_root(self.files, self.numeric_class):
            raise ValueError("the weight root is not that of the experts")
        return self

    def with_role(self, role: Role) -> tuple[ManifestFile, ...]:
        return tuple(file for file in self.files if file.role == role)

    def expert_file(self, expert_id: int) -> ManifestFile:
        """Raises IndexError when the model has no such expert."""
        for file in self.files:
            if file.expert == expert_id:
                return file
        raise IndexError(f"expert {expert_id} is not one of the model's {self.architecture.num_experts}")


def build_manifest(
    architecture: Architecture, files: list[ManifestFile], numeric_class: NumericClass = "float32"
) -> Manifest:
    """The manifest of these files, its ``model_id`` computed."""
    content = {
        "format_version": FORMAT_VERSION,
        "numeric_class": numeric_class,
        "architecture": architecture.model_dump(mode="json"),
        "files": [file.model_dump(mode="json") for file in files],
        "weight_root": _weight_root(files, numeric_class),
    }
    sealed = content | {"model_id": _identity(architecture, content).id}
    return Manifest.model_validate_json(json.dumps(sealed))


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of manifest.json: indented for people, the same for the same manifest."""
    return (json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Raises BadCheckpoint when manifest.json is missing, too large, not valid, or its model_id is not its
    own.
    """
    path = folder / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as exc:
        raise BadCheckpoint(
            f"{path} cannot be read ({exc.strerror}); finish `moray model shard` or copy it again"
        ) from None
    if len(text) > MAX_MANIFEST_BYTES:
        raise BadCheckpoint(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes; refused")
    return parse_manifest(text, str(path))


def parse_manifest(text: bytes, where: str) -> Manifest:
    """``where`` names the text in errors, which are those of read_manifest."""
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise BadCheckpoint(f"{where} is not valid JSON ({exc}); copy it again") from None
    if not isinstance(raw, dict) or raw.get("format_version") != FORMAT_VERSION:
        version = raw.get("format_version") if isinstance(raw, dict) else None
        raise BadCheckpoint(
            f"{where} has format version {version!r}, this Moray reads {FORMAT_VERSION}; use the Moray that wrote it"
        )
    try:
        # strict JSON validation: lists become tuples, a number is never read out of a string
        manifest = Manifest.model_validate_json(json.dumps(raw))
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        message = first["msg"].removeprefix("Value error, ")
        raise BadCheckpoint(f"{where}: {field}: {message}; shard the checkpoint again") from None
    if manifest.architecture.model_type not in SUPPORTED_MODEL_TYPES:
        raise UnsupportedArchitecture(
            f"{where}: model_type {manifest.architecture.model_type!r} is not supported; "
            f"supported: {', '.join(SUPPORTED_MODEL_TYPES)}"
        )
    content = {key: value for key, value in raw.items() if key != "model_id"}
    if _identity(manifest.architecture, content).id != manifest.model_id:
        raise BadCheckpoint(
            f"{where} was changed after it was written: its model_id is not its content's; copy it again"
        )
    return manifest


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def identity_of(manifest: Manifest) -> ModelIdentity:
    """What its ``model_id`` is the hash of."""
    return _identity(manifest.architecture, manifest.model_dump(mode="json", exclude={"model_id"}))


def _identity(architecture: Architecture, content: dict[str, Any]) -> ModelIdentity:
    """``content``: the manifest without its model_id."""
    root = content.get("weight_root")
    return model_identity(
        architecture, content["numeric_class"], None if root is None else bytes.fromhex(root), _digest(content)
    )


def _digest(content: dict[str, Any]) -> bytes:
    """SHA-256 over canonical JSON: sorted keys, no spaces, ASCII, Python's shortest floats."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).digest()


def _weight_root(files: Iterable[ManifestFile], numeric_class: NumericClass) -> str | None:
    """Over the experts' in ascending order. Raises ValueError when one has none, or has one without being integers."""
    experts = {file.expert: file.weight_root for file in files if file.expert is not None}
    roots = [bytes.fromhex(root) for _, root in sorted(experts.items()) if root is not None]
    if len(roots) != (len(experts) if numeric_class != "float32" else 0):
        raise ValueError("every integer expert has a weight root, and nothing else has one")
    return weight_root(roots).hex() if roots else None
