"""One operator's Ray cluster on one machine: a head node and N expert nodes, all on 127.0.0.1."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from moray.errors import BadSetting, ClusterError
from moray.nodes.launcher import Plan, Start
from moray.nodes.processes import MARKER_VARIABLE, SUPERVISOR, end_marked, marked_processes
from moray.nodes.rayenv import NODE_VARIABLE, ray_environment
from moray.nodes.state import (
    RAY_TOKEN,
    WIRE_TOKEN,
    ClusterRecord,
    NodeRecord,
    clear_state,
    ensure_token,
    hold_lock,
    open_state_dir,
    read_state,
    write_state,
)

HEAD_ID = "head"
NODE_LABEL = "moray-node"
ROUTER_RESOURCE = "moray_router"
SLOT_RESOURCE = "moray_expert_slot"
REPLICA_ENV = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}  # spinning threads stall each other
# Ray refuses less than 75 MB. Activations never go through it, so it stays empty.
_OBJECT_STORE_BYTES = 80_000_000
# A Unix socket's path has at most 107 bytes and Ray appends about 65, so not below a long TMPDIR.
_TEMP_ROOT = Path("/tmp")  # noqa: S108
_TEMP_PREFIX = "moray-"
# Ray makes its own directory mode 0777, so it gets one inside a private one.
_RAY_DIR = "r"


@dataclass(frozen=True)
class ClusterSpec:
    """What to start.

    ``env`` reaches every process of the cluster, replicas included (OMP_NUM_THREADS, MKL_CBWR, ...).
    ``is_lean`` leaves out Ray's dashboard and its agents; without them Ray's own metrics and job API are off.
    """

    num_nodes: int
    slots: int
    names: tuple[str, ...] = ()  # of the nodes; node-0 and so on otherwise
    num_gpus: int = 0  # of this machine, for replicas that ask for one
    state_dir: Path | None = None
    model_path: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    is_lean: bool = True
    start_timeout_s: float = 120.0
    marker: str = field(default_factory=lambda: secrets.token_hex(16))  # what its processes are known by


def start_cluster(spec: ClusterSpec) -> ClusterRecord:
    """Start the head and the expert nodes ``node-0`` .. and return when all have registered.

    The record is in ``state.json`` from before the first process starts. After a failure nothing runs.
    Raises BadSetting for a spec that cannot be started, ClusterError if one already runs or Ray does not start.
    """
    if spec.num_nodes < 0 or spec.slots < 1:
        raise BadSetting(f"{spec.num_nodes} nodes with {spec.slots} expert slots each: give at least 0 and 1")
    state_dir = open_state_dir(spec.state_dir)
    with hold_lock(state_dir):
        _refuse_second(state_dir)
        ensure_token(state_dir, RAY_TOKEN)
        ensure_token(state_dir, WIRE_TOKEN)
        record = ClusterRecord(
            marker=spec.marker,
            state_dir=state_dir,
            temp_dir=Path(tempfile.mkdtemp(prefix=_TEMP_PREFIX, dir=_TEMP_ROOT)),
            nodes=tuple(
                NodeRecord(node_id=name, slots=spec.slots, num_gpus=spec.num_gpus)
                for name in spec.names or [f"node-{i}" for i in range(spec.num_nodes)]
            ),
            model_path=spec.model_path,
            env=dict(spec.env),
            is_lean=spec.is_lean,
        )
        write_state(record)
        try:
            nodes = [_node_start(record, node) for node in record.nodes]
            _launch(record, _head_start(record), nodes, spec.start_timeout_s)
            record = record.model_copy(update={"ray_address": _head_address(record)})
            write_state(record)
        except BaseException:
            _end(record)
            raise
    return record


def stop_cluster(record: ClusterRecord) -> int:
    """End every process of the cluster, remove its temp directory and its ``state.json``.

    Works after a crash, as it needs only the marker. Returns how many processes there were. Raises ClusterError
    if some outlive SIGKILL or another command is at work in the state directory.
    """
    num_supervisors = end_marked(record.marker, SUPERVISOR)  # which may hold the lock, and starts what is ended here
    with hold_lock(record.state_dir):
        return num_supervisors + _end(record)


def restart_node(record: ClusterRecord, i: int, start_timeout_s: float = 120.0) -> None:
    """End all that is left of ``node-<i>`` and start it again, with no replicas; Serve fills it.

    Raises BadSetting if there is no such node, ClusterError if it does not start.
    """
    if not 0 <= i < len(record.nodes):
        raise BadSetting(f"there is no node-{i}: give a number below {len(record.nodes)}")
    node = record.nodes[i]
    with hold_lock(record.state_dir):
        end_marked(record.marker, variables={NODE_VARIABLE: node.node_id})
        shutil.rmtree(_ray_dir(record) / node.node_id, ignore_errors=True)
        _launch(record, None, [_node_start(record, node)], start_timeout_s)


def driver_environment(record: ClusterRecord) -> dict[str, str]:
    """What a process must have in its environment before it imports Ray to be let into the cluster."""
    return ray_environment(record.state_dir / RAY_TOKEN)


def _refuse_second(state_dir: Path) -> None:
    old = read_state(state_dir)
    if old is None:
        return
    if old.is_existing or marked_processes(old.marker):
        raise ClusterError(
            f"a cluster of {state_dir} runs already: end it with `moray down` or give another --state-dir"
        )
    _end(old)


def _end(record: ClusterRecord) -> int:
    count = end_marked(record.marker)
    temp_dir = record.temp_dir
    if temp_dir.parent == _TEMP_ROOT and temp_dir.name.startswith(_TEMP_PREFIX) and not temp_dir.is_symlink():
        shutil.rmtree(temp_dir, ignore_errors=True)
    clear_state(record.state_dir)
    return count


def _launch(record: ClusterRecord, head: Start | None, nodes: list[Start], timeout_s: float) -> None:
    plan = Plan(temp_dir=_ray_dir(record), head=head, nodes=nodes)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MORAY_"))}
    env |= ray_environment(record.state_dir / RAY_TOKEN, is_lean=record.is_lean)
    env |= record.env | {MARKER_VARIABLE: record.marker}
    if "PYTHONPATH" in env:
        env["PYTHONPATH"] = os.pathsep.join(str(Path(p).absolute()) for p in env["PYTHONPATH"].split(os.pathsep) if p)
    log_path = record.temp_dir / "launcher.log"
    with log_path.open("wb") as log:
        # A session of its own: Ctrl-C in the terminal must not reach the raylets.
        process = subprocess.Popen(
            [sys.executable, "-m", "moray.nodes.launcher"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=env,
            cwd="/",
            start_new_session=True,
        )
        try:
            process.communicate(plan.model_dump_json().encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"Ray did not start in {timeout_s:.0f} s: end other load and try again") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        raise ClusterError(f"Ray did not start ({_last_line(record.temp_dir)}): see `moray doctor`")


def _last_line(temp_dir: Path) -> str:
    for path in sorted(temp_dir.glob("*.log")):
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line or "Exception" in line]
        if errors:
            return errors[-1][:200]
    return "no reason given"


def _head_start(record: ClusterRecord) -> Start:
    options = [
        "--head",
        "--port=0",
        "--include-dashboard=false",
        "--no-monitor",
        "--num-cpus=1",
        f"--resources={_json({ROUTER_RESOURCE: 1})}",
        f"--labels={NODE_LABEL}={HEAD_ID}",
        f"--temp-dir={_ray_dir(record)}",
        "--num-gpus=0",
    ]
    return _start(record, HEAD_ID, options)


def _node_start(record: ClusterRecord, node: NodeRecord) -> Start:
    options = [
        # Replicas take slots and no CPUs; without CPUs nothing else can be placed on the node.
        "--num-cpus=0",
        f"--resources={_json({SLOT_RESOURCE: node.slots})}",
        f"--labels={NODE_LABEL}={node.node_id}",
        # Nodes that start at the same time in one directory take each other's socket names.
        f"--temp-dir={_ray_dir(record) / node.node_id}",
        f"--num-gpus={node.num_gpus}",
    ]
    return _start(record, node.node_id, options)


def _start(record: ClusterRecord, node_id: str, options: list[str]) -> Start:
    common = [
        "--node-ip-address=127.0.0.1",
        f"--node-name={node_id}",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
    ]
    return Start(options=[*options, *common], env={NODE_VARIABLE: node_id}, log=record.temp_dir / f"{node_id}.log")


def _json(resources: Mapping[str, int]) -> str:
    return "{" + ",".join(f'"{name}":{count}' for name, count in resources.items()) + "}"


def _ray_dir(record: ClusterRecord) -> Path:
    return record.temp_dir / _RAY_DIR


def _head_address(record: ClusterRecord) -> str:
    return (_ray_dir(record) / "ray_current_cluster").read_text().strip()
