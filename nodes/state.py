"""The state directory of one operator: what `moray up` leaves for `moray status` and `moray down`.

Everything in it is private to the user (directory 0700, files 0600) and every write is atomic: a reader sees
the old file or the new one.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from moray.errors import ClusterError
from moray.files import create_private, sync_directory, write_private

DEFAULT_STATE_DIR = Path("~/.local/state/moray")
RAY_TOKEN = "ray_token"  # noqa: S105 (a file name)
WIRE_TOKEN = "wire_token"  # noqa: S105 (a file name)
OWNER_KEYSTORE = Path("keys/owner.json")
NETWORK_MANIFEST = Path("network.json")  # what the router publishes
TOKEN_BYTES = 32
MAX_SOCKET_PATH_BYTES = 107  # of Linux
_STATE = "state.json"
_LOCK = "lock"
_POLL_S = 0.05


class NodeRecord(BaseModel):
    """One expert node: its Ray node carries the label ``moray-node=<node_id>`` and ``slots`` expert slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_id: str
    slots: int
    num_gpus: int = 0  # that Ray may give out; each node counts those of the machine as its own


class ClusterRecord(BaseModel):
    """What must be known to use or to end a network.

    ``marker`` alone is enough to end a local cluster: it is written before the first process starts, so the fields
    that a start fills in later may still be empty. ``env`` is what the processes were given besides Ray's settings.
    A cluster that was there already (``is_existing``) has no marker: of it only the Serve applications ``apps`` are
    ours. ``head_host`` is the head's address among its nodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    marker: str
    state_dir: Path
    temp_dir: Path
    ray_address: str = ""
    nodes: tuple[NodeRecord, ...] = ()
    model_path: Path | None = None
    url: str = ""
    env: dict[str, str] = {}
    is_lean: bool = True
    is_existing: bool = False
    head_host: str = "127.0.0.1"
    apps: tuple[str, ...] = ()


def open_state_dir(path: Path | None = None) -> Path:
    """Create the directory (0700) if it is absent and return its absolute path. Raises ClusterError."""
    directory = (path or DEFAULT_STATE_DIR).expanduser().absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise ClusterError(f"cannot use {directory}: {error.strerror}; give another --state-dir") from error
    return directory


@contextmanager
def hold_lock(state_dir: Path, name: str = _LOCK, patience_s: float = 0.0) -> Iterator[None]:
    """Hold one of the directory's locks, or raise ClusterError if another process holds it for ``patience_s`` more.

    The kernel drops the lock with the process, so a crash leaves nothing to clean up.
    """
    fd, until = os.open(state_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), time.monotonic() + patience_s
    try:
        while not _try_lock(fd):
            if time.monotonic() >= until:
                raise ClusterError(
                    f"another moray command is at work in {state_dir}: wait for it or give another --state-dir"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def ensure_token(state_dir: Path, name: str) -> str:
    """Return the hex token in the file ``name``, made of 32 random bytes if it is absent.

    Raises ClusterError if the file is there and holds no such token.
    """
    path = state_dir / name
    if not path.exists():
        with suppress(FileExistsError):  # of two processes that start together one wins
            create_private(path, secrets.token_hex(TOKEN_BYTES).encode())
    path.chmod(0o600)
    token = path.read_text().strip()
    try:
        is_whole = len(bytes.fromhex(token)) == TOKEN_BYTES
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ClusterError(f"{path} holds no {TOKEN_BYTES}-byte hex token: delete it and start again")
    return token


def write_state(record: ClusterRecord) -> None:
    write_private(record.state_dir / _STATE, record.model_dump_json(indent=2).encode() + b"\n")


def read_state(state_dir: Path) -> ClusterRecord | None:
    """The record of the directory's cluster, None if there is none. Raises ClusterError if it is unreadable."""
    path = state_dir / _STATE
    try:
        return ClusterRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ClusterError(
            f"{path} was not written by this version of Moray: end the old cluster with that version, "
            "or delete the file if none runs"
        ) from error


def clear_state(state_dir: Path) -> None:
    (state_dir / _STATE).unlink(missing_ok=True)
    sync_directory(state_dir)
