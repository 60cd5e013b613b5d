"""Run `ray start` for the nodes of one cluster, as cheaply as one small machine needs it.

Started as ``python -m moray.nodes.launcher`` by `moray.nodes.cluster`, with a `Plan` as JSON on standard input.
One process imports Ray once and forks one `ray start` per node. Ray's own start hook (``RAY_START_HOOK``) then
changes what has no option in Ray 2.60:

- the address 127.0.0.1 is kept (Ray replaces it by the machine's own and then listens on all interfaces);
- no Ray client server, which would listen on port 10001;
- lean: no dashboard process and no dashboard agents, and one runtime-environment agent, the head's, for all
  nodes. A node's two agents cost 125 MB and 2 seconds of CPU to start, and do nothing for Moray.
"""

import importlib
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HOOK = "moray.nodes.launcher.adjust"
LEAN_VARIABLE = "MORAY_RAY_LEAN"
_SHARED_AGENT_PORT = "MORAY_RUNTIME_ENV_AGENT_PORT"
# The raylet insists on an agent, appends options and dies with it; this one ignores them and waits.
_IDLE_AGENT = 'sh -c "exec sleep 2147483647" idle-agent'


class Start(BaseModel):
    """One `ray start`: its options, what its processes get besides this one's environment, its output file."""

    options: list[str]
    env: dict[str, str]
    log: Path


class Plan(BaseModel):
    """``temp_dir`` is where the head leaves its address; ``head`` is absent when only nodes are added."""

    temp_dir: Path
    head: Start | None
    nodes: list[Start]


def main() -> int:
    plan = Plan.model_validate_json(sys.stdin.buffer.read())
    cli = importlib.import_module("ray.scripts.scripts").cli

    def run(options: list[str]) -> None:
        cli.main(["start", *options], standalone_mode=False)

    if plan.head is not None and not _wait([_fork(plan.head, run)]):
        return 1
    address = (plan.temp_dir / "ray_current_cluster").read_text().strip()
    agent_port = _head_agent_port(plan.temp_dir)
    children = []
    for start in plan.nodes:
        options = [*start.options, f"--address={address}"]
        env = dict(start.env)
        if os.environ.get(LEAN_VARIABLE) == "1" and agent_port is not None:
            env[_SHARED_AGENT_PORT] = str(agent_port)
        children.append(_fork(Start(options=options, env=env, log=start.log), run))
    return 0 if _wait(children) else 1


def adjust(params: Any, head: bool) -> None:
    """Ray's start hook: ``params`` are the RayParams of the `ray start` in this process."""
    services: Any = importlib.import_module("ray._private.services")
    node: Any = importlib.import_module("ray._private.node")
    # Forked children share the state of Ray's random generator and would all draw the same node id.
    os.environ["RAY_OVERRIDE_NODE_ID_FOR_TESTING"] = secrets.token_hex(28)
    params.node_ip_address = "127.0.0.1"
    params.ray_client_server_port = None
    services.resolve_ip_for_localhost = lambda host: host
    if os.environ.get(LEAN_VARIABLE) != "1":
        return
    if head:
        node.Node.start_api_server = lambda self, **options: None
    shared_port = os.environ.pop(_SHARED_AGENT_PORT, None)
    if shared_port is not None:
        params.runtime_env_agent_port = int(shared_port)
    start_process = services.start_ray_process

    def start_lean(command: list[str], process_type: str, **options: Any) -> Any:
        if process_type == "raylet":
            command = _without_agents(command, keep_runtime_env_agent=shared_port is None)
        return start_process(command, process_type, **options)

    services.start_ray_process = start_lean


def _without_agents(command: Sequence[str], keep_runtime_env_agent: bool) -> list[str]:
    raylet = _raylet()
    option = dict(part[2:].split("=", 1) for part in command if part.startswith("--") and "=" in part)
    for service in ("METRICS_AGENT", "METRICS_EXPORT", "DASHBOARD_AGENT_LISTEN"):
        # What Ray's own agent writes in its minimal mode: this service is not in use.
        port_name = getattr(raylet, f"{service}_PORT_NAME")
        raylet.persist_port(option["session_dir"], option["node_id"], port_name, -1)
    idle = ["--dashboard_agent_command="]
    if not keep_runtime_env_agent:
        idle.append("--runtime_env_agent_command=")
    lean = list(command)
    for name in idle:
        lean = [name + _IDLE_AGENT if part.startswith(name) else part for part in lean]
    return lean


def _head_agent_port(temp_dir: Path) -> int | None:
    files = (temp_dir / "session_latest").glob(f"{_raylet().RUNTIME_ENV_AGENT_PORT_NAME}*")
    ports = [int(file.read_text()) for file in files if file.read_text().strip().isdecimal()]
    return ports[0] if ports else None


def _raylet() -> Any:
    # Through importlib as Ray's type stubs leave these names out.
    return importlib.import_module("ray._raylet")


def _fork(start: Start, run: Callable[[list[str]], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(start.env)
        run(start.options)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(children: list[int]) -> bool:
    return all([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children])


if __name__ == "__main__":
    sys.exit(main())
