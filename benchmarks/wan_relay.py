"""The proxy's process: TCP connections of replicas, passed on to the router as their line's ``Link`` says.

One thread on one epoll. Bytes on their way wait in queues with the moment they are due, and a heap says which is next.
Commands are lines of JSON on stdin, each answered with one on stdout; at stdin's end the process ends.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import os
import random
import select
import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from wan_link import READ_BYTES, Link, Schedule

HOST = "127.0.0.1"
BACKLOG = 128
MAX_QUEUED_BYTES = 256 << 20  # on their way to one end; beyond it the sender waits
DIAL_TIMEOUT_S = 1.0
END, RESET = b"", None  # in place of bytes
WITH_A_RESET = struct.pack("ii", 1, 0)  # SO_LINGER


class End:
    """One socket of a connection, and what is on its way to it."""

    peer: End

    def __init__(self, line: Line, connection: socket.socket, is_replica: bool) -> None:
        self.line, self.socket, self.fd, self.is_replica = line, connection, connection.fileno(), is_replica
        self.queue = deque[tuple[float, bytes | None]]()
        self.num_queued_bytes = 0
        self.schedule = Schedule()
        self.wakes_at = math.inf  # its entry in the heap
        self.moved_at = monotonic()  # bytes last came out here or went in
        self.is_over = False  # nothing more goes in here
        self.is_full = self.is_shut = self.is_gone = False  # its socket: takes nothing now, shut by us, or broken
        self.watched = 0
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_read(self) -> bool:
        return not self.is_over and self.peer.num_queued_bytes < MAX_QUEUED_BYTES

    @property
    def opens_at(self) -> float:
        """From when on bytes come out here."""
        ways = ("both", "down") if self.is_replica else ("both", "up")
        return self.line.held_until if self.line.link.carries in ways else math.inf


@dataclass(eq=False)
class Line:
    """One replica's way to the router."""

    listener: socket.socket
    link: Link = field(default_factory=Link)
    held_until: float = 0.0
    ends: set[End] = field(default_factory=set)
    filler: socket.socket | None = None  # has the listener's only place, so that who dials hears nothing
    num_connections: int = 0
    num_bytes: int = 0  # that came out, both ways


class Relay:
    def __init__(self, target: tuple[str, int], num_lines: int) -> None:
        self._target, self._lines = target, [Line(_bound()) for _ in range(num_lines)]
        self._line_of = {line.listener.fileno(): line for line in self._lines}
        self._end_of: dict[int, End] = {}
        self._due: list[tuple[float, int, End]] = []
        self._numbers = itertools.count()
        self._control, self._commands = sys.stdin.fileno(), b""
        self._epoll = select.epoll()
        self._epoll.register(self._control, select.EPOLLIN)
        for line in self._lines:
            self._listen(line)
        _tell([line.listener.getsockname() for line in self._lines])

    def run(self) -> None:
        is_over = False
        while not is_over:
            for fd, events in self._wait():
                if fd == self._control:
                    is_over = not self._obey()
                elif fd in self._line_of:
                    self._accept(self._line_of[fd])
                elif fd in self._end_of:
                    self._move(self._end_of[fd], events)
            now = monotonic()
            while self._due and self._due[0][0] <= now:
                at, _, end = heapq.heappop(self._due)
                if at == end.wakes_at:
                    end.wakes_at = math.inf
                    self._let_out(end, now)

    def _wait(self) -> list[tuple[int, int]]:
        if not self._due:
            return self._epoll.poll()
        select.select((self._epoll,), (), (), max(0.0, self._due[0][0] - monotonic()))  # in us; epoll counts in ms
        return self._epoll.poll(0)

    # -- bytes

    def _move(self, end: End, events: int) -> None:
        if events & ~select.EPOLLIN and end.is_full:
            end.is_full = False
            self._let_out(end, monotonic())
        if events & ~select.EPOLLOUT and end.is_read:
            self._take_in(end)
        self._watch(end)

    def _take_in(self, end: End) -> None:
        try:
            data: bytes | None = end.socket.recv(end.line.link.read_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = RESET
        end.is_over = not data
        now = monotonic()
        work_s, end.moved_at = now - end.moved_at if end.is_replica else 0.0, now
        self._send_off(end.peer, data, now, work_s)

    def _send_off(self, end: End, data: bytes | None, now: float, work_s: float = 0.0) -> None:
        """On the way to ``end``."""
        num_bytes = len(data or b"")
        end.queue.append((end.schedule.due(end.line.link, now, num_bytes, random.random(), work_s), data))
        end.num_queued_bytes += num_bytes
        self._let_out(end, now)

    def _let_out(self, end: End, now: float) -> None:
        """What is due comes out."""
        while end.queue and not end.is_full:
            at = max(end.queue[0][0], end.opens_at)
            if at > now:
                self._wake(end, at)
                break
            _, data = end.queue.popleft()
            if data == RESET:
                self._close(end, with_reset=True)
            elif data == END:
                self._shut(end)
            else:
                self._write(end, _with_what_follows(data, end.queue, now), now)
        self._watch(end.peer)  # there may be room for more of it

    def _wake(self, end: End, at: float) -> None:
        if at != end.wakes_at:
            end.wakes_at = at
            if at < math.inf:
                heapq.heappush(self._due, (at, next(self._numbers), end))

    def _write(self, end: End, data: bytes, now: float) -> None:
        try:
            sent = len(data) if end.is_gone else end.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # whoever sent this hears of it as late as of anything
            sent, end.is_gone = len(data), True
            self._send_off(end.peer, RESET, now)
        end.moved_at = now
        end.num_queued_bytes -= sent
        end.line.num_bytes += sent
        if sent < len(data):
            end.queue.appendleft((now, data[sent:]))
            end.is_full = True
            self._watch(end)

    # -- connections

    def _watch(self, end: End) -> None:
        wanted = (select.EPOLLIN if end.is_read else 0) | (select.EPOLLOUT if end.is_full else 0)
        if wanted == end.watched or self._end_of.get(end.fd) is not end:
            return
        if not wanted:  # else a broken socket would be told of again and again
            self._epoll.unregister(end.fd)
        elif end.watched:
            self._epoll.modify(end.fd, wanted)
        else:
            self._epoll.register(end.fd, wanted)
        end.watched = wanted

    def _accept(self, line: Line) -> None:
        try:
            connection, _ = line.listener.accept()
        except OSError:  # gone already
            return
        try:
            onward = socket.create_connection(self._target, DIAL_TIMEOUT_S)
        except OSError:
            _reset(connection)
            return
        replica, router = End(line, connection, True), End(line, onward, False)
        replica.peer, router.peer = router, replica
        line.num_connections += 1
        for end in (replica, router):
            line.ends.add(end)
            self._end_of[end.fd] = end
            self._watch(end)

    def _shut(self, end: End) -> None:
        with suppress(OSError):
            end.socket.shutdown(socket.SHUT_WR)
        end.is_shut = True
        if end.peer.is_shut:
            self._close(end)

    def _close(self, end: End, with_reset: bool = False) -> None:
        if end not in end.line.ends:
            return
        for one in (end, end.peer):
            one.line.ends.discard(one)
            self._end_of.pop(one.fd, None)
            one.queue.clear()
            if with_reset:
                _reset(one.socket)
            else:
                one.socket.close()

    # -- commands

    def _obey(self) -> bool:
        """False when there is nobody left to give any."""
        data = os.read(self._control, 1 << 16)
        *whole, self._commands = (self._commands + data).split(b"\n")
        for line in whole:
            command = json.loads(line)
            lines = [self._lines[number] for number in command["lines"]] or self._lines
            _tell(getattr(self, "do_" + command["do"])(lines, *command["with"]))
        return bool(data)

    def do_set(self, lines: list[Line], link: dict[str, Any]) -> None:
        for line in lines:
            before, line.link = line.link, Link(**link)
            if line.link.new_connections != before.new_connections:
                self._stop_listening(line, before)
                self._listen(line)
            for end in list(line.ends):
                self._let_out(end, monotonic())

    def do_stall(self, lines: list[Line], seconds: float) -> None:
        for line in lines:
            line.held_until = monotonic() + seconds

    def do_reset(self, lines: list[Line]) -> None:
        for line in lines:
            while line.ends:
                self._close(next(iter(line.ends)), with_reset=True)

    def do_count(self, lines: list[Line]) -> list[dict[str, int]]:
        return [
            {"num_connections": line.num_connections, "num_open": len(line.ends) // 2, "num_bytes": line.num_bytes}
            for line in lines
        ]

    def _stop_listening(self, line: Line, before: Link) -> None:
        """Who dials is refused."""
        if before.new_connections == "accepted":
            self._epoll.unregister(line.listener)
        if line.filler is not None:
            line.filler.close()
            line.filler = None
        if before.new_connections != "refused":
            line.listener.shutdown(socket.SHUT_RDWR)

    def _listen(self, line: Line) -> None:
        if line.link.new_connections == "accepted":
            line.listener.listen(BACKLOG)
            self._epoll.register(line.listener, select.EPOLLIN)
        elif line.link.new_connections == "hanging":
            line.listener.listen(0)
            line.filler = socket.create_connection(line.listener.getsockname())


def _with_what_follows(data: bytes, queue: deque[tuple[float, bytes | None]], now: float) -> bytes:
    """All bytes that are due, taken from the queue: they go out in one call."""
    parts, size = [data], len(data)
    while queue and queue[0][0] <= now and queue[0][1] and size < READ_BYTES:
        more = queue.popleft()[1]
        assert more
        parts.append(more)
        size += len(more)
    return data if len(parts) == 1 else b"".join(parts)


def _bound() -> socket.socket:
    """At a port that is named in ``bind``: only such a one stays when listening is given up for a while."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((HOST, 0))
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(free.getsockname())
        listener.setblocking(False)
        return listener


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, WITH_A_RESET)
    connection.close()


def _tell(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    host, port, num_lines = sys.argv[1:]
    Relay((host, int(port)), int(num_lines)).run()
