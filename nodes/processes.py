"""Finding and ending the processes of one cluster, and no others.

Every process of a cluster inherits ``MORAY_CLUSTER=<marker>`` from the command that started it. A process whose
environment does not carry exactly that marker is never touched.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from moray.errors import ClusterError

MARKER_VARIABLE = "MORAY_CLUSTER"
SUPERVISOR = {"MORAY_ROLE": "supervisor"}  # in the environment of the process that starts dead nodes again
# Without it setproctitle writes the title "ray::..." over /proc/<pid>/environ and the marker is gone.
KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}

_POLL_S = 0.05


def marked_processes(marker: str, variables: Mapping[str, str] | None = None) -> list[psutil.Process]:
    """The live processes that carry ``marker`` and all ``variables``, this one excepted.

    Zombies do not count: they hold nothing.
    """
    if not marker:
        raise ClusterError("a cluster without a marker cannot be searched for: delete its state.json")
    wanted = {MARKER_VARIABLE: marker, **(variables or {})}.items()
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = wanted <= process.environ().items() and process.pid != os.getpid()
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found


def end_marked(
    marker: str,
    variables: Mapping[str, str] | None = None,
    term_wait_s: float = 2.0,
    kill_wait_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """End every process that carries ``marker`` and all ``variables``; return how many there were.

    SIGTERM, up to ``term_wait_s`` seconds, then SIGKILL until no process carries the marker: processes that
    start meanwhile are found again. The wait is short as Ray's own processes do not end on SIGTERM alone
    (raylet and GCS were still there after 6 s) and keep nothing; let Serve drain its replicas before this.

    Raises ClusterError if some are left after ``kill_wait_s`` more seconds.
    """
    seen = set()
    term_until = clock() + term_wait_s
    told: set[int] = set()
    while (alive := marked_processes(marker, variables)) and clock() < term_until:
        for process in alive:
            seen.add(process.pid)
            if process.pid not in told:
                told.add(process.pid)
                _send(process.terminate)
        time.sleep(_POLL_S)
    kill_until = clock() + kill_wait_s
    while alive := marked_processes(marker, variables):
        seen.update(process.pid for process in alive)
        for process in alive:
            _send(process.kill)
        if clock() >= kill_until:
            pids = ", ".join(str(process.pid) for process in alive)
            raise ClusterError(f"processes {pids} do not end on SIGKILL: check what they wait for, then try again")
        time.sleep(_POLL_S)
    return len(seen)


def _send(signal: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal()
