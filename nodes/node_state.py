"""What `moray node join` leaves in its state directory for `moray node status` and `moray node leave`."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from moray.errors import ClusterError
from moray.files import create_private, write_private

NODE_LOCK = "node.lock"  # held for as long as the node runs
_STATE = "node.json"
_NAME = "node_name"
_NAME_PATTERN = re.compile(r"node-[0-9a-f]{8}\n?")
_CLOCK_TICK_S = 0.01  # in which the system counts when a process starts

Phase = Literal["starting", "fetching", "serving", "waiting", "draining"]


class NodeState(BaseModel):
    """The node of a state directory and the process that looks after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    pid: PositiveInt
    pid_started: float  # seconds after the system's own start: a process id is used again, and the clock may be set
    marker: str = ""  # of its Ray cluster
    join_string: str
    allow_private: bool
    network_id: str
    node_id: str
    signer: str
    num_slots: int
    routers: dict[str, str]  # URL by name, as the network's manifest has them
    phase: Phase
    reason: str = ""  # why it is so, where that is not plain
    experts: tuple[int, ...] = ()  # that are served

    @property
    def is_running(self) -> bool:
        """A process that has ended and was not waited for by its parent is not."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            is_the_same = abs(_started(process) - self.pid_started) < _CLOCK_TICK_S / 2
            return is_the_same and bool(process.status() != psutil.STATUS_ZOMBIE)
        return False


def ensure_node_name(state_dir: Path) -> str:
    """This machine among those of one key: chosen once, by chance. Raises ClusterError for a damaged file."""
    path = state_dir / _NAME
    if not path.exists():
        with suppress(FileExistsError):
            create_private(path, f"node-{secrets.token_hex(4)}\n".encode())
    name = path.read_text(errors="replace")
    if _NAME_PATTERN.fullmatch(name) is None:
        raise ClusterError(f"{path} holds no node's name: restore it, or delete it to be a new node")
    return name.strip()


def write_node(state_dir: Path, state: NodeState) -> None:
    write_private(state_dir / _STATE, state.model_dump_json(indent=2).encode() + b"\n")


def read_node(state_dir: Path) -> NodeState | None:
    """None where no node was. Raises ClusterError for a file that is not as ``write_node`` leaves it."""
    path = state_dir / _STATE
    try:
        return NodeState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ClusterError(f"{path} was not written by this version of Moray; delete it if no node runs") from None


def clear_node(state_dir: Path) -> None:
    (state_dir / _STATE).unlink(missing_ok=True)


def this_process() -> tuple[int, float]:
    """Its id and when it started, as ``NodeState`` has them."""
    return os.getpid(), _started(psutil.Process())


def _started(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())
