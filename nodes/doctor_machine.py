"""What `moray node doctor` measures of this machine, without any network."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import llvmlite.binding
import psutil

_CGROUP = Path("/sys/fs/cgroup")  # of this container, where there is one (version 2)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, not written to
_RAY_PROCESSES = ("raylet", "gcs_server", "ray::")  # how their names begin


@dataclass(frozen=True, slots=True)
class Machine:
    free_disk_bytes: int  # for this user, where shards go
    free_inodes: int | None  # None: a file system that does not count them
    available_memory_bytes: int
    free_shared_memory_bytes: int
    max_open_files: int  # of one process, the hard limit
    exposed_ray_ports: tuple[str, ...]  # "address:port (process)" beyond loopback
    has_fma: bool


def measure_machine(folder: Path) -> Machine:
    """``folder``: where shards go; it exists."""
    inodes = os.statvfs(folder)
    return Machine(
        free_disk_bytes=shutil.disk_usage(folder).free,
        free_inodes=inodes.f_favail if inodes.f_files else None,
        available_memory_bytes=available_memory(psutil.virtual_memory().available, _CGROUP),
        free_shared_memory_bytes=shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else 0,
        max_open_files=_or_endless(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        exposed_ray_ports=tuple(sorted(_exposed_ray_ports())),
        has_fma=platform.machine() not in ("x86_64", "AMD64") or has_feature("fma"),
    )


def has_feature(name: str) -> bool:
    """Of this CPU, in LLVM's words."""
    return bool(llvmlite.binding.get_host_cpu_features().get(name))


def available_memory(of_machine: int, cgroup: Path) -> int:
    """Bytes: what the machine has, or less where a container may not use so much. Pages of files that were read once
    (inactive) are given back when memory is short, so they are counted as free."""
    with suppress(OSError, ValueError, StopIteration):
        limit = int((cgroup / "memory.max").read_text())  # "max" is no number
        used = int((cgroup / "memory.current").read_text())
        lines = (cgroup / "memory.stat").read_text().splitlines()
        inactive = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return min(of_machine, max(limit - used + inactive, 0))
    return of_machine


def _or_endless(limit: int) -> int:
    return limit if limit != resource.RLIM_INFINITY else 1 << 31


def _exposed_ray_ports() -> set[str]:
    exposed = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is another user's
            name = process.name()
            if not name.startswith(_RAY_PROCESSES):
                continue
            for connection in process.net_connections("tcp"):
                is_listening = connection.status == psutil.CONN_LISTEN
                if is_listening and not is_loopback(connection.laddr.ip):
                    exposed.add(f"{connection.laddr.ip}:{connection.laddr.port} ({name})")
    return exposed


def is_loopback(address: str) -> bool:
    """Also of an IPv4 address in IPv6's clothes."""
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
