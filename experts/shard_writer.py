"""Copying tensors from their source files into one safetensors file, a few megabytes at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from moray.errors import ShardCorrupt
from moray.experts.safetensors_file import TensorEntry
from moray.experts.shard_plan import PlannedFile

CHUNK_BYTES = 1 << 20


def file_chunks(planned: PlannedFile) -> Iterator[memoryview]:
    """The bytes of the planned file in order, in pieces of at most 1 MiB (the header comes in one).

    A piece is valid until the next one is asked for: all of them share one buffer. Raises ShardCorrupt when a
    source file ends before a tensor does.
    """
    yield memoryview(planned.header)
    buffer = bytearray(CHUNK_BYTES)
    for entry in planned.tensors:
        yield from _tensor_chunks(entry, buffer)


def digest_file(planned: PlannedFile) -> str:
    """Hex SHA-256 of the planned file."""
    return digest_chunks(file_chunks(planned))


def digest_chunks(chunks: Iterable[memoryview], on_chunk: Callable[[memoryview], None] | None = None) -> str:
    """Hex SHA-256 of all pieces; ``on_chunk`` sees each, for example to write it."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        if on_chunk is not None:
            on_chunk(chunk)
    return digest.hexdigest()


def _tensor_chunks(entry: TensorEntry, buffer: bytearray) -> Iterator[memoryview]:
    try:
        with entry.path.open("rb", buffering=0) as file:
            file.seek(entry.offset)
            left = entry.num_bytes
            while left:
                got = file.readinto(memoryview(buffer)[: min(left, len(buffer))])
                if not got:
                    raise ShardCorrupt(f"{entry.path}: it ends inside tensor {entry.name}; download it again")
                yield memoryview(buffer)[:got]
                left -= got
    except OSError as exc:
        raise ShardCorrupt(f"{entry.path} cannot be read ({exc.strerror}); download it again") from None
