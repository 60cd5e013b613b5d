"""HTTP servers that behave as a test says, and what they have seen and sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

WAIT_S = 20.0


class Request(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def first_byte(self) -> int:
        match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0


class Reply(BaseHTTPRequestHandler):
    """One request's handler, which ``Server.answer`` is called with."""

    server: Server
    request_seen: Request

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.request_seen = Request(self.path, dict(self.headers.items()), body)
        self.server.requests.append(self.request_seen)
        with suppress(ConnectionError):  # whoever asked has heard enough
            self.server.answer(self)

    do_POST = do_GET

    def head(self, status: int, headers: Mapping[str, object]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def whole(self, content: bytes, status: int = 200) -> None:
        self.head(status, {"Content-Length": len(content)})
        self.body(content)

    def body(self, content: bytes) -> None:
        self.server.num_sent += len(content)  # counted first: whoever has read the last byte may look at once
        self.wfile.write(content)

    def raw(self, content: bytes) -> None:
        """Instead of a head."""
        self.wfile.write(content)

    def error(self, status: int, code: str, message: str) -> None:
        self.whole(json.dumps({"error": {"message": message, "type": "x", "code": code}}).encode(), status)

    def hang(self) -> None:
        self.server.ended.wait(WAIT_S)

    def log_message(self, format: str, *args: object) -> None:
        pass


Answer = Callable[[Reply], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Reply)
        self.answer = answer
        self.requests: list[Request] = []
        self.num_connections = 0
        self.num_sent = 0  # bytes of bodies
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def verify_request(self, request: object, client_address: object) -> bool:
        self.num_connections += 1
        return True


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join(WAIT_S)


def file_answer(content: bytes) -> Answer:
    """``content`` under every path, ranges too."""

    def answer(reply: Reply) -> None:
        first = reply.request_seen.first_byte
        if first >= len(content) > 0:
            reply.head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": 0})
            return
        if not first:
            reply.whole(content)
            return
        rest = content[first:]
        last = len(content) - 1
        reply.head(206, {"Content-Range": f"bytes {first}-{last}/{len(content)}", "Content-Length": len(rest)})
        reply.body(rest)

    return answer
