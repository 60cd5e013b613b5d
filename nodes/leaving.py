"""`moray node leave` and what `moray node status` shows, from another process than the node's own."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from moray.errors import ClusterError, MorayError
from moray.guarded_http import Fetcher
from moray.nodes.node_directory import end_leftovers
from moray.nodes.node_state import NODE_LOCK, NodeState, read_node
from moray.nodes.state import hold_lock
from moray.quoting import quoted

MAX_NETWORK_BYTES = 16 << 20
ASKING_S = 5.0  # patience with one router
POLL_S = 0.1
REFUSED_FOR_S = 60.0  # since when a refusal is history: a replica dials again several times a minute
ENDING_S = 5.0  # a process's threads, and its locks with them, may outlive its first thread

Told = Annotated[str, AfterValidator(quoted)]


class _Replica(BaseModel):
    """What is shown of it. Whatever else a router tells is passed on."""

    model_config = ConfigDict(extra="allow")

    experts: tuple[int, ...]
    state: Told
    reason: Told
    rows_sent: int
    latency_ms: float


class _Node(BaseModel):
    signer: str
    node_id: str
    replicas: tuple[_Replica, ...]


class _Refused(BaseModel):
    signer: str
    node_id: str
    replica_id: Told
    reason: Told
    ago_s: float


class _Page(BaseModel):
    nodes: tuple[_Node, ...]
    refused: tuple[_Refused, ...] = ()


def leave(state_dir: Path, timeout_s: float) -> int:
    """Have the node of ``state_dir`` finish what is in flight and stop, or end what a killed one left. Returns how many
    processes had to be ended here; a node that leaves by itself counts as none.

    Raises ClusterError when it does not stop in time.
    """
    state, until = read_node(state_dir), time.monotonic() + timeout_s
    if state is None:
        return 0
    if state.is_running:
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        while state.is_running:
            if time.monotonic() > until:
                raise ClusterError(f"the node's process {state.pid} does not stop: end it, then run this again")
            time.sleep(POLL_S)
    with hold_lock(state_dir, NODE_LOCK, ENDING_S):
        return end_leftovers(state_dir)


def views(state: NodeState) -> list[dict[str, Any]]:
    """How each router sees the node: ``router``, ``replicas`` as its ``/network`` has them, ``problem`` where it does
    not say."""
    fetcher, found = Fetcher(state.allow_private, ASKING_S), list[dict[str, Any]]()
    for name, url in state.routers.items():
        ours, problem = [], ""
        try:
            page = _Page.model_validate_json(fetcher.get(f"{url}/network", MAX_NETWORK_BYTES))
            name_of_ours = state.signer, state.node_id
            nodes = [node for node in page.nodes if (node.signer, node.node_id) == name_of_ours]
            ours = [replica.model_dump(mode="json") for node in nodes for replica in node.replicas]
            refused = [
                f"it refuses {one.replica_id}: {one.reason}"
                for one in page.refused
                if (one.signer, one.node_id) == name_of_ours and one.ago_s < REFUSED_FOR_S
            ]
            problem = "; ".join(refused) or ("" if ours else "it has no uplink of this node")
        except ValidationError:
            problem = "it does not answer as a router does"
        except MorayError as error:
            problem = str(error)
        found.append({"router": name, "replicas": ours, "problem": problem})
    return found
