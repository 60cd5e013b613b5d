"""A TCP proxy in front of a server that breaks connections off in the middle of what they carry."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy(socketserver.ThreadingTCPServer):
    """The first ``cuts`` connections end after ``after_bytes`` of what the server sends; all others are left alone."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, url: str, cuts: int, after_bytes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        address = urlsplit(url)
        self.target = (str(address.hostname), int(address.port or 80))
        self.cuts_left, self.after_bytes, self.num_cut = cuts, after_bytes, 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.BaseRequestHandler):
    server: CuttingProxy

    def handle(self) -> None:
        with self.server.lock:
            is_cut = self.server.cuts_left > 0
            self.server.cuts_left -= is_cut
        with socket.create_connection(self.server.target) as upstream, suppress(OSError):
            threading.Thread(target=_pump, args=(self.request, upstream), daemon=True).start()
            left = self.server.after_bytes
            while data := upstream.recv(256):
                if is_cut and left < len(data):
                    self.request.sendall(data[:left])
                    self.server.num_cut += 1
                    self.request.shutdown(socket.SHUT_RDWR)
                    return
                left -= len(data)
                self.request.sendall(data)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def cutting(url: str, cuts: int, after_bytes: int) -> Iterator[CuttingProxy]:
    with CuttingProxy(url, cuts, after_bytes) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
