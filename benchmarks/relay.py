"""A wire that takes time: passes bytes between replicas and the router, each so many microseconds after it came.

Compiled, with timers finer than an event loop's milliseconds, so that it costs little of the cores that are measured.
"""

from __future__ import annotations

import multiprocessing.connection
import socket
import threading
from typing import Any

import numba
import numpy as np
from numba import types

from moray.experts.native import recv, send

HOST = "127.0.0.1"
BUFFER_BYTES = 64 << 20  # of all that is on its way
MOST = 1 << 16  # pieces on their way
MAX_SOCKETS = 64

_clock: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))
_ppoll: Any = types.ExternalFunction("ppoll", types.int32(types.intp, types.intp, types.intp, types.intp))
_MONOTONIC, _NO_WAIT, _NO_SIGNAL, _PIECE_BYTES = 1, 0x4040, 0x4000, 1 << 18


@numba.njit(nogil=True)
def now_ns(scratch: Any) -> Any:
    _clock(_MONOTONIC, scratch.ctypes.data)
    return scratch[0] * 1_000_000_000 + scratch[1]


@numba.njit(nogil=True)
def relay(sockets: Any, delay_ns: Any) -> None:
    """``sockets[i]`` and ``sockets[i ^ 1]`` are two ends of one connection, -1: not there yet. Ends when one closes."""
    entries, time, scratch = np.empty((MAX_SOCKETS, 2), np.int32), np.empty(2, np.int64), np.empty(2, np.int64)
    owners, data = np.empty(MAX_SOCKETS, np.int64), np.empty(BUFFER_BYTES, np.uint8)
    pieces = np.empty((MOST, 4), np.int64)  # to, due, start, bytes
    first, end, filled = 0, 0, 0
    while True:
        count = 0
        for i in range(sockets.shape[0]):
            if sockets[i] >= 0:
                entries[count, 0], entries[count, 1], owners[count] = sockets[i], 1, i
                count += 1
        wait_ns = 50_000_000 if first == end else max(pieces[first % MOST, 1] - now_ns(scratch), 0)
        time[0], time[1] = wait_ns // 1_000_000_000, wait_ns % 1_000_000_000
        if _ppoll(entries.ctypes.data, count, time.ctypes.data, 0) > 0:
            for j in range(count):
                if entries[j, 1] == 1:
                    continue
                if filled + _PIECE_BYTES > BUFFER_BYTES:
                    filled = 0
                got = recv(entries[j, 0], data.ctypes.data + filled, _PIECE_BYTES, _NO_WAIT)
                if got <= 0:
                    return
                piece = pieces[end % MOST]
                piece[0], piece[1] = sockets[owners[j] ^ 1], now_ns(scratch) + delay_ns
                piece[2], piece[3] = filled, got
                filled, end = filled + got, end + 1
        while first < end and pieces[first % MOST, 1] <= now_ns(scratch):
            to, start, left = pieces[first % MOST, 0], pieces[first % MOST, 2], pieces[first % MOST, 3]
            while left > 0:
                sent = send(to, data.ctypes.data + start, left, _NO_SIGNAL)
                if sent < 0:
                    return
                start, left = start + sent, left - sent
            first += 1


def run_relay(router_port: int, delay_s: float, told: multiprocessing.connection.Connection) -> None:
    """Tells the port that replicas are to dial; until a connection closes."""
    listener = socket.create_server((HOST, 0))
    sockets, kept = np.full(MAX_SOCKETS, -1, np.int64), list[tuple[socket.socket, socket.socket]]()
    threading.Thread(target=relay, args=(sockets, int(delay_s * 1e9)), daemon=True).start()
    told.send(listener.getsockname()[1])
    while True:
        near, _ = listener.accept()
        far = socket.create_connection((HOST, router_port))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        place = 2 * len(kept)
        kept.append((near, far))
        sockets[place], sockets[place + 1] = near.fileno(), far.fileno()
