"""What is measured of this machine: real numbers, and a container's limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from moray.nodes.doctor_machine import available_memory, is_loopback, measure_machine


def test_this_machine_is_measured(tmp_path: Path) -> None:
    machine = measure_machine(tmp_path)
    assert machine.free_disk_bytes > 0 and machine.available_memory_bytes > 0
    assert machine.max_open_files > 0
    assert machine.free_inodes is None or machine.free_inodes >= 0


def limits(folder: Path, most: str, current: int, inactive: int) -> Path:
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\nactive_file 7\n")
    return folder


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    assert available_memory(1000, limits(tmp_path, "500", 300, 50)) == 250
    assert available_memory(100, limits(tmp_path, "500", 300, 50)) == 100
    assert available_memory(1000, limits(tmp_path, "500", 700, 50)) == 0
    assert available_memory(1000, limits(tmp_path, "max", 300, 50)) == 1000


def test_without_a_container_the_machine_counts(tmp_path: Path) -> None:
    assert available_memory(1000, tmp_path) == 1000
    (limits(tmp_path, "500", 300, 50) / "memory.stat").write_text("anon 5\n")
    assert available_memory(1000, tmp_path) == 1000


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
    ],
)
def test_an_address_beyond_loopback_is_told_apart(address: str, expected: bool) -> None:
    assert is_loopback(address) == expected


def test_a_ray_process_that_listens_to_all_is_named(tmp_path: Path) -> None:
    (tmp_path / "raylet").symlink_to(sys.executable)
    script = "import socket; s = socket.create_server(('0.0.0.0', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen(
        [str(tmp_path / "raylet"), "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        port = process.stdout.readline().strip()
        exposed = measure_machine(tmp_path).exposed_ray_ports
        process.communicate("\n")
    assert f"0.0.0.0:{port} (raylet)" in exposed
