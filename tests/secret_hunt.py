"""Looks for secrets where none may be: files, environments, command lines, Ray's object store and its servers' memory.

Only root sees all of it.
"""

from __future__ import annotations

import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 16 << 20
OVERLAP_BYTES = 1024  # more than any spelling has

Piece = tuple[str, bytes]  # which place it is from, and what stands there


def spellings(secret: bytes) -> frozenset[bytes]:
    """Raw, as hex, as a decimal number, and the part that it has in any base64 text of something around it."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode(), str(int.from_bytes(secret)).encode()}
    for before in range(3):
        # A letter holds six bits; those of the first and the last are shared with what lies around.
        first, last = -(-8 * before // 6), 8 * (before + len(secret)) // 6
        found |= {encode(bytes(before) + secret)[first:last] for encode in (b64encode, urlsafe_b64encode)}
    return frozenset(found)


def hunt(secrets: Mapping[str, bytes], pieces: Iterable[Piece]) -> dict[str, set[str]]:
    """The places where each was found."""
    wanted = {name: spellings(secret) for name, secret in secrets.items()}
    found = {name: set[str]() for name in secrets}
    for place, content in pieces:
        for name, spelt in wanted.items():
            if any(each in content for each in spelt):
                found[name].add(place)
    return found


def files(folder: Path, but: Iterable[Path] = ()) -> Iterator[Piece]:
    left_out = set(but)
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path not in left_out:
            with suppress(OSError), path.open("rb") as file:
                yield from ((str(path), content) for content in _chunks(file.fileno()))


def processes() -> Iterator[Piece]:
    """The environment and the command line of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            with suppress(OSError):
                yield f"{name} of {folder.name}", (folder / name).read_bytes()


def shared_memory(pids: Iterable[int]) -> Iterator[Piece]:
    """What the processes keep in /dev/shm, deleted files too: Ray's object store."""
    seen = set[int]()
    for link in (link for pid in pids for link in _links(pid)):
        with suppress(OSError):
            if not str(link.readlink()).startswith("/dev/shm/") or link.stat().st_ino in seen:
                continue
            seen.add(link.stat().st_ino)
            with link.open("rb") as file:
                yield from (("object store", content) for content in _chunks(file.fileno()))


def memory(pid: int) -> Iterator[Piece]:
    """What the process itself has written."""
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            if mode == "rw-p":
                start, end = (int(each, 16) for each in span.split("-"))
                with suppress(OSError):
                    yield from ((f"memory of {name}", content) for content in _chunks(fd, start, end))
    finally:
        os.close(fd)


def _links(pid: int) -> list[Path]:
    with suppress(OSError):
        return list(Path(f"/proc/{pid}/fd").iterdir())
    return []


def _chunks(fd: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Each begins with the end of the one before. A file's holes are passed over."""
    before = b""
    while end is None or start < end:
        if end is None:
            try:
                place = os.lseek(fd, start, os.SEEK_DATA)
            except OSError:
                return  # nothing but a hole to its end
            start, before = place, before if place == start else b""
        content = os.pread(fd, CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - start), start)
        if not content:
            return
        yield before + content
        start, before = start + len(content), content[-OVERLAP_BYTES:]
