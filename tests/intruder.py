"""What one user of the system can try on another's files, socket and processes, as a script of its own.

It reads a JSON list of [how, target] from stdin and prints for each "let" or "refused".
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17  # of <sys/ptrace.h>
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class _Span(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("size", ctypes.c_size_t)]


_LIBC.process_vm_readv.argtypes = [
    ctypes.c_int, ctypes.POINTER(_Span), ctypes.c_ulong, ctypes.POINTER(_Span), ctypes.c_ulong, ctypes.c_ulong,
]  # fmt: skip


def read(path: str) -> None:
    with Path(path).open("rb", buffering=0) as file:
        try:
            file.read(1)
        except OSError as error:
            if error.errno != errno.EIO:  # of /proc/PID/mem, whose first page nobody has
                raise


def write(path: str) -> None:
    with Path(path).open("ab"):
        pass


def enter(folder: str) -> None:
    next(Path(folder).iterdir())


def attach(pid: str) -> None:
    _check(_LIBC.ptrace(_PTRACE_ATTACH, int(pid), None, None))
    os.waitpid(int(pid), 0)
    _check(_LIBC.ptrace(_PTRACE_DETACH, int(pid), None, None))


def copy_memory(pid: str) -> None:
    """Of an address that nobody has: whoever may ask is told that there is nothing."""
    here, there = _Span(ctypes.addressof(ctypes.create_string_buffer(8)), 8), _Span(16, 8)
    if _LIBC.process_vm_readv(int(pid), here, 1, there, 1, 0) < 0 and ctypes.get_errno() != errno.EFAULT:
        raise PermissionError


def signal(pid: str) -> None:
    os.kill(int(pid), 0)


def ask(frame_and_socket: str) -> None:
    """For a signature, with a frame in hex before the socket's path."""
    frame, path = frame_and_socket.split(" ", 1)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(bytes.fromhex(frame))
        if not connection.recv(65536):
            raise PermissionError


WAYS: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (read, write, enter, attach, copy_memory, signal, ask)
}


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _is_let(how: str, target: str) -> bool:
    try:
        WAYS[how](target)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(["let" if _is_let(how, target) else "refused" for how, target in json.load(sys.stdin)]))
