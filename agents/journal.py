"""What was decided and signed, line by line, so that nobody can change it afterwards without being found out.

A line is canonical JSON with the hash of the line before, on disk before ``append`` returns. Beside the journal lies
its head (``NAME.head``): how far it went. A last line without an end is a crash in the middle of a write, which nobody
has acted on; a journal that is shorter than its head was cut. Whoever can write both files could write a new chain, so
the head goes elsewhere too: to a file on a disk of somebody else's, at the start, every ``ANCHOR_EVERY`` entries and at
the end; and a signer's into the journal of the agent that asks it (``SEEN_HEAD``), which is another user's.

Hashes stand for whatever is secret or long: no key, no password, no prompt comes in here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, BinaryIO

from moray.canonical_json import canonical_json
from moray.errors import JournalBroken, JournalUnusable
from moray.files import sync_directory, write_private

MAX_LINE_BYTES = 64 << 10
MAX_HEAD_BYTES = 1024
ANCHOR_EVERY = 64  # entries
SEEN_HEAD = "signer_head"  # an entry of an agent's journal: ``number`` and ``hash``, as its signer told them
GENESIS = "0" * 64  # the hash before the first


@dataclass(frozen=True, slots=True)
class Head:
    """The journal's end: ``number`` entries, the last one's hash, and where its line ends in the file."""

    number: int
    hash: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """``number`` counts from 1; ``at_ms`` is unix time; ``hash`` covers all the rest."""

    number: int
    at_ms: int
    kind: str
    fields: dict[str, Any]
    previous: str
    hash: str

    @property
    def line(self) -> bytes:
        return canonical_json(_content(self) | {"hash": self.hash}) + b"\n"


EMPTY = Head(0, GENESIS, 0)


class Journal:
    """For writing, by one process at a time. Raises JournalBroken for one that does not verify, JournalUnusable where
    another process has it or the file cannot be used."""

    def __init__(self, path: Path, anchor: Path | None = None, wall_clock: Callable[[], float] = time) -> None:
        self.path, self._anchor, self._wall_clock = path, anchor, wall_clock
        self._is_sound, self._anchored = True, EMPTY
        if anchor is not None and anchor.exists() and is_journal(anchor):
            raise JournalUnusable(f"{anchor} is a journal itself; keep the heads in another file")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JournalUnusable(f"cannot write the journal {path}: {error.strerror}; give another") from None
        try:
            self._lock()
            self._head = verify(path, anchor)
            self._mend()
            self._anchor_head()
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def head(self) -> Head:
        return self._head

    def append(self, kind: str, fields: dict[str, Any]) -> Entry:
        """On disk when this returns. Raises JournalUnusable, and then it is not in the journal."""
        if not self._is_sound:
            raise JournalUnusable(f"an earlier write to {self.path} failed half way; make room and start again")
        entry = _entry(self._head.number + 1, int(self._wall_clock() * 1000), kind, fields, self._head.hash)
        line = entry.line
        if len(line) > MAX_LINE_BYTES:
            raise JournalUnusable(f"an entry of {len(line)} bytes; the limit is {MAX_LINE_BYTES}: journal its hash")
        try:
            self._write(line)
            self._head = Head(entry.number, entry.hash, self._head.num_bytes + len(line))
            self._write_head()
        except OSError as error:
            # Whether it got there is not known, so nothing is written behind it: the next start looks.
            self._is_sound = False
            raise JournalUnusable(f"cannot write the journal {self.path}: {error.strerror}; make room") from None
        except JournalUnusable:  # of the anchor; the entry is there, and what it stands for is not done
            self._is_sound = False
            raise
        return entry

    def close(self) -> None:
        """Raises JournalUnusable where the anchor cannot be written; closed it is then, too."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._anchor_head()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalUnusable(f"another process writes {self.path}; end it or give another --journal") from None

    def _mend(self) -> None:
        """Cut off what a crash left of a line, and say so in the journal."""
        torn = os.pread(self._fd, MAX_LINE_BYTES, self._head.num_bytes)
        if torn:
            os.ftruncate(self._fd, self._head.num_bytes)
            self.append("mended", {"num_bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()})
        elif self._head.number == 0:
            sync_directory(self.path.parent)
            self._write_head()

    def _write(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(28, "no space left")
        os.fsync(self._fd)

    def _write_head(self) -> None:
        write_private(head_file(self.path), canonical_json(_head_fields(self._head)))
        if self._head.number % ANCHOR_EVERY == 0:
            self._anchor_head()

    def _anchor_head(self) -> None:
        """Raises JournalUnusable; at the start, so that nobody learns of it after ``ANCHOR_EVERY`` signatures."""
        if self._anchor is None:
            return
        try:
            fd = os.open(self._anchor, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "ab") as file:
                if self._head not in (EMPTY, self._anchored):
                    file.write(canonical_json(_head_fields(self._head)) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise JournalUnusable(f"cannot write the anchor {self._anchor}: {error.strerror}; give another") from None
        self._anchored = self._head


def verify(path: Path, anchor: Path | None = None) -> Head:
    """The end of the last whole line. Raises JournalBroken, naming the first line that is wrong, or an anchor or a head
    that the journal does not come to."""
    ends = _anchored(anchor) if anchor is not None and anchor.exists() else []
    if head_file(path).exists():
        ends += _read_heads(head_file(path))
    awaited: dict[int, set[str]] = {}
    for end in ends:
        awaited.setdefault(end.number, set()).add(end.hash)
    head = EMPTY
    for entry, num_bytes in read_entries(path):
        head = Head(entry.number, entry.hash, num_bytes)
        if awaited.get(entry.number, {entry.hash}) != {entry.hash}:
            raise JournalBroken(f"{path}, line {entry.number}: not the entry that was anchored; it was written anew")
    longest = max(awaited, default=0)
    if longest > head.number:
        raise JournalBroken(f"{path} ends at line {head.number} and once had {longest}; it was cut, restore your copy")
    return head


def read_entries(path: Path) -> Iterator[tuple[Entry, int]]:
    """Each whole line's entry and where it ends in the file. Raises JournalBroken at the first that does not follow."""
    previous, end, number = GENESIS, 0, 0
    try:
        with path.open("rb") as file:
            for line in _lines(file):
                number += 1
                if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                    return  # the last, torn by a crash
                entry = _parse(line)
                if entry is None or entry.number != number or entry.previous != previous:
                    raise JournalBroken(f"{path}, line {number}: does not follow from the line before it")
                previous, end = entry.hash, end + len(line)
                yield entry, end
    except OSError as error:
        raise JournalUnusable(f"cannot read the journal {path}: {error.strerror}") from None


def is_journal(path: Path) -> bool:
    """By its first line. Raises JournalUnusable for what cannot be read."""
    try:
        with path.open("rb") as file:
            return _parse(file.readline(MAX_LINE_BYTES)) is not None
    except OSError as error:
        raise JournalUnusable(f"cannot read {path}: {error.strerror}") from None


def head_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES):
        yield line


def _entry(number: int, at_ms: int, kind: str, fields: dict[str, Any], previous: str) -> Entry:
    bare = Entry(number, at_ms, kind, fields, previous, "")
    return Entry(number, at_ms, kind, fields, previous, hashlib.sha256(canonical_json(_content(bare))).hexdigest())


def _content(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at_ms": entry.at_ms,
        "kind": entry.kind,
        "fields": entry.fields,
        "previous": entry.previous,
    }


def _parse(line: bytes) -> Entry | None:
    """None unless it is the one spelling of an entry with the right hash."""
    try:
        read = json.loads(line)
        entry = _entry(read["number"], read["at_ms"], read["kind"], read["fields"], read["previous"])
        is_whole = line == entry.line
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if is_whole else None


def _head_fields(head: Head) -> dict[str, object]:
    return {"number": head.number, "hash": head.hash, "num_bytes": head.num_bytes}


def _anchored(anchor: Path) -> list[Head]:
    """Of a file of heads, or of an agent's journal, which must be whole itself."""
    if not is_journal(anchor):
        return _read_heads(anchor)
    seen = [entry.fields for entry, _ in read_entries(anchor) if entry.kind == SEEN_HEAD]
    return [Head(int(each["number"]), str(each["hash"]), 0) for each in seen]


def _read_heads(path: Path) -> list[Head]:
    """Of a head file or an anchor, whose last line a crash may have torn."""
    heads = []
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_HEAD_BYTES):
                try:
                    read = json.loads(line)
                    heads.append(Head(int(read["number"]), str(read["hash"]), int(read["num_bytes"])))
                except (ValueError, KeyError, TypeError, RecursionError):
                    if line.endswith(b"\n"):
                        raise JournalBroken(f"{path}: a line that is no head of a journal; restore your copy") from None
    except OSError as error:
        raise JournalUnusable(f"cannot read {path}: {error.strerror}") from None
    return heads
