"""Files that only their owner may read and that are never half written."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from pathlib import Path

from moray.errors import UnsafeFile


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``: mode 0600, atomic, on disk when this returns."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def create_private(path: Path, data: bytes) -> None:
    """Like ``write_private``, but raises FileExistsError instead of replacing ``path``: of two processes one wins."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_private(fresh, data)
    try:
        os.link(fresh, path)  # fails where a rename would overwrite
    finally:
        fresh.unlink()
    sync_directory(path.parent)


def read_private(path: Path, limit_bytes: int) -> bytes:
    """All of a secret file. Raises UnsafeFile unless it is regular, the user's own, of mode 0600 or stricter, and of at
    most ``limit_bytes``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # so that a pipe does not block
    except OSError as error:
        raise UnsafeFile(f"cannot read {path}: {error.strerror}; give a file of your own") from None
    try:
        status = os.fstat(fd)  # of what was opened, whatever the path leads to by now
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFile(f"{path} is not a regular file; give one that is")
        if status.st_uid != os.geteuid():
            raise UnsafeFile(f"{path} belongs to another user; give a file of your own")
        if mode & ~0o600:
            raise UnsafeFile(f"{path} has mode {mode:04o}, others may use it; run `chmod 600 {shlex.quote(str(path))}`")
        if status.st_size > limit_bytes:
            raise UnsafeFile(f"{path} has {status.st_size} bytes, the limit is {limit_bytes}; give the right file")
        with open(fd, "rb", closefd=False) as file:
            return file.read(limit_bytes)
    finally:
        os.close(fd)


def sync_directory(path: Path) -> None:
    """Put a rename or a new entry of the directory on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
