"""What an interrupted sharding run had finished: a small JSON file in the output folder.

It names the source by its fingerprint, so a second source cannot continue the first one's folder, and each
finished file with size and digest. It is replaced as a whole, after the file itself is on disk, and stays
when all is done: running the same command again then has nothing to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.errors import BadSetting
from moray.experts.manifest import ManifestFile

JOURNAL_FILE = "shard-journal.json"
PARTIAL_SUFFIX = ".partial"


class JournalContent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    source: str = Field(pattern="^[0-9a-f]{64}$")
    finished: tuple[ManifestFile, ...] = ()


@dataclass
class ShardJournal:
    folder: Path
    content: JournalContent

    @classmethod
    def open(cls, folder: Path, source: str) -> ShardJournal:
        """The journal of ``folder``, or a new one.

        Raises BadSetting when it is of another source or damaged.
        """
        path = folder / JOURNAL_FILE
        try:
            content = JournalContent.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls(folder, JournalContent(source=source))
        except ValidationError:
            raise BadSetting(f"{path} is damaged; delete the folder {folder} and start again") from None
        if content.source != source:
            raise BadSetting(f"{folder} was begun from another checkpoint; choose another folder or delete this one")
        return cls(folder, content)

    def finished(self, name: str, size_bytes: int) -> ManifestFile | None:
        """What is on record for a file, if it is still there with the size that both sides expect."""
        for file in self.content.finished:
            path = self.folder / name
            if file.name == name and file.size_bytes == size_bytes and path.is_file():
                return file if path.stat().st_size == size_bytes else None
        return None

    def record(self, file: ManifestFile) -> None:
        others = [entry for entry in self.content.finished if entry.name != file.name]
        finished = tuple(sorted([*others, file], key=lambda entry: entry.name))
        self.content = self.content.model_copy(update={"finished": finished})
        self.save()

    def save(self) -> None:
        write_whole(self.folder / JOURNAL_FILE, self.content.model_dump_json(indent=1).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that a crash leaves the old one or the new one, never half of it."""
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    with partial.open("wb") as file:
        file.write(content)
        flush_to_disk(file.fileno())
    put_in_place(partial, path)


def put_in_place(partial: Path, path: Path) -> None:
    """Rename, then make the rename itself durable."""
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        flush_to_disk(folder)
    finally:
        os.close(folder)


def flush_to_disk(descriptor: int) -> None:
    os.fsync(descriptor)
