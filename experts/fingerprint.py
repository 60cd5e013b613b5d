"""The identity of an unsharded checkpoint, found without reading its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from moray.experts.safetensors_file import TensorEntry

SAMPLES_PER_FILE = 64
SAMPLE_BYTES = 4096


def fingerprint(config: Path, entries: dict[str, TensorEntry]) -> str:
    """Hex SHA-256 over config.json, each weight file's name, size and header, and 64 samples of 4 KiB of its
    bytes.

    It tells models and finished fine-tunes apart. It does not prove the weights: a change that misses every
    sample keeps the id. Only the manifest of a sharded folder, whose digests cover every byte, proves them.
    """
    digest = hashlib.sha256(b"moray unsharded checkpoint v1\0")
    _add(digest, config.read_bytes())
    for path in sorted({entry.path for entry in entries.values()}, key=lambda path: path.name):
        size = path.stat().st_size
        _add(digest, path.name.encode())
        _add(digest, size.to_bytes(8, "little"))
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            _add(digest, file.read(header_bytes))
            for index in range(SAMPLES_PER_FILE):
                file.seek(size * index // SAMPLES_PER_FILE)
                _add(digest, file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _add(digest: hashlib._Hash, content: bytes) -> None:
    """Length first, so that two different lists of fields never give the same bytes."""
    digest.update(len(content).to_bytes(8, "little"))
    digest.update(content)
