"""A counter that survives crashes: of two lives of one replica the later has the higher number."""

import fcntl
import os
from pathlib import Path

from moray.errors import ClusterError
from moray.files import sync_directory, write_private

_MAX_U64 = 2**64 - 1


def next_incarnation(path: Path) -> int:
    """Raise the u64 counter in ``path`` by one and return it; the first value is 1.

    It is on disk (file and directory) before this returns. Processes that call at the same time get different
    numbers. Raises ClusterError if the file holds no such number.
    """
    # The lock has a file of its own because the counter's file is replaced.
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        incarnation = _read(path) + 1
        if incarnation > _MAX_U64:
            raise ClusterError(f"{path} has reached 2^64 - 1: give the node another state directory")
        write_private(path, b"%d\n" % incarnation)
        sync_directory(path.parent)
        return incarnation
    finally:
        os.close(fd)


def _read(path: Path) -> int:
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return 0
    except UnicodeDecodeError:
        text = ""
    if not text.isdecimal() or len(text) > len(str(_MAX_U64)) or int(text) > _MAX_U64:
        # Starting again at 1 would lock the node out: routers refuse a number that does not rise.
        raise ClusterError(f"{path} holds no number: restore it, or use another node id")
    return int(text)
