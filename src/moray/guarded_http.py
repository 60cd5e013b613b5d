"""HTTP to hosts that somebody else named: nothing they say costs more memory or time than was allowed.

No redirects, no proxies, no cookies, no compression, one connection per request. Size limits hold for the bytes that
come, whatever a header says. One deadline holds for connecting and a whole small reply; of a file it is set anew with
every PACE_BYTES, so neither a silent source nor one that drips holds a download up.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ValidationError

from moray.dialling import dial
from moray.errors import DownloadFailed
from moray.quoting import quoted
from moray.web_address import plain_url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PACE_BYTES = 64 << 10  # of a file, in ``patience_s``
MAX_ERROR_BYTES = 16 << 10  # read of the body of an error
_READ_BYTES = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-")


@dataclass(frozen=True)
class Fetcher:
    """``allow_private``: whether hosts may have addresses that are not public, see ``moray.dialling``."""

    allow_private: bool
    patience_s: float = 20.0  # for a small reply, or a file's head, or the next PACE_BYTES of it

    def get(self, url: str, limit_bytes: int) -> bytes:
        """A reply of at most ``limit_bytes``. Raises UnsafeAddress, DownloadFailed."""
        return self.get_dated(url, limit_bytes)[0]

    def get_dated(self, url: str, limit_bytes: int) -> tuple[bytes, float | None]:
        """As ``get``, and the server's clock by the ``Date`` of its reply: Unix seconds, None where it tells none."""
        with self._exchange("GET", url, {}) as exchange:
            return exchange.body(limit_bytes), exchange.date_s()

    def post_json(self, url: str, body: bytes, limit_bytes: int) -> bytes:
        """The reply to ``body``, as ``get``."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        with self._exchange("POST", url, headers, body) as exchange:
            return exchange.body(limit_bytes)

    def get_range(self, url: str, first_byte: int, end_byte: int) -> Generator[bytes]:
        """A file's bytes from ``first_byte`` up to but without ``end_byte``, as they come, and never more.

        A server that knows no ranges sends the file's beginning too, which is dropped here. Raises UnsafeAddress,
        DownloadFailed, that also when the file ends early: what came until then has been yielded.
        """
        try:
            yield from self._pieces(url, first_byte, first_byte, end_byte)
        except DownloadFailed as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not first_byte:
                raise
            yield from self._pieces(url, 0, first_byte, end_byte)

    def _pieces(self, url: str, asked_byte: int, first_byte: int, end_byte: int) -> Generator[bytes]:
        headers = {"Range": f"bytes={asked_byte}-{end_byte - 1}"} if asked_byte else {}
        with self._exchange("GET", url, headers) as exchange:
            position = exchange.start(asked_byte)
            for piece in exchange.pieces():
                skipped = max(first_byte - position, 0)
                wanted = piece[skipped : end_byte - position]
                position += len(piece)
                if wanted:
                    yield wanted
                if position >= end_byte:
                    return
            raise DownloadFailed(f"{exchange.host} ended at byte {position} of {end_byte}; try again")

    @contextmanager
    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Iterator[_Exchange]:
        """One request and the head of its reply. All that goes wrong in the body is told as DownloadFailed."""
        try:
            parts = urlsplit(plain_url(url))
        except ValueError as error:
            raise DownloadFailed(f"cannot ask {quoted(str(error))}; correct it") from None
        host = parts.netloc
        try:
            deadline_s = time.monotonic() + self.patience_s
            with self._connect(parts, deadline_s) as connection:
                stream = _Stream(connection, deadline_s)
                stream.send(_head(method, parts, headers) + body)
                response = HTTPResponse(cast("socket.socket", stream), method=method)
                response.begin()
                exchange = _Exchange(host, response, stream, self.patience_s)
                exchange.require_success(is_ranged="Range" in headers)
                yield exchange
        except TimeoutError:
            raise DownloadFailed(f"{host} is slower than {self.patience_s:g} s allow; try again") from None
        except OSError as error:
            raise DownloadFailed(f"{host}: {quoted(error.strerror or str(error))}; try again") from None
        except HTTPException as error:
            raise DownloadFailed(f"{host} does not answer in HTTP ({type(error).__name__}); check the URL") from None

    def _connect(self, parts: SplitResult, deadline_s: float) -> socket.socket:
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        connection = dial(host, parts.port or (443 if is_tls else 80), _left_s(deadline_s), self.allow_private)
        if not is_tls:
            return connection
        try:
            connection.settimeout(_left_s(deadline_s))
            return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
        finally:
            connection.close()  # of no effect where the session has taken the socket over


@dataclass(frozen=True)
class _Exchange:
    host: str
    response: HTTPResponse
    stream: _Stream
    patience_s: float

    def require_success(self, is_ranged: bool) -> None:
        """Raises DownloadFailed with the status and what an error of OpenAI's form says."""
        status = self.response.status
        if status == HTTPStatus.OK or (is_ranged and status == HTTPStatus.PARTIAL_CONTENT):
            return
        if 300 <= status < 400:
            raise DownloadFailed(f"{self.host} redirects (HTTP {status}), which is not followed", status)
        raise DownloadFailed(f"{self.host} answers HTTP {status}{self._told()}", status)

    def body(self, limit_bytes: int) -> bytes:
        body = self._up_to(limit_bytes)
        if len(body) > limit_bytes:
            raise DownloadFailed(f"{self.host} sends more than {limit_bytes} bytes; refused")
        if self.response.length:
            raise DownloadFailed(f"{self.host} ended {self.response.length} bytes early; try again")
        return body

    def date_s(self) -> float | None:
        try:
            return parsedate_to_datetime(self.response.headers.get("Date", "")).timestamp()
        except (ValueError, OverflowError):
            return None

    def start(self, asked_byte: int) -> int:
        """Which byte of the file comes first."""
        if self.response.status == HTTPStatus.OK:
            return 0
        match = _CONTENT_RANGE.match(self.response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != asked_byte:
            raise DownloadFailed(f"{self.host} sends another part than byte {asked_byte} on; try another source")
        return asked_byte

    def pieces(self) -> Iterator[bytes]:
        """The body, endless where the server is; the deadline moves on with it."""
        num_since = 0
        for piece in self._read():
            num_since += len(piece)
            if num_since >= PACE_BYTES:
                num_since = 0
                self.stream.deadline_s = time.monotonic() + self.patience_s
            yield piece

    def _read(self) -> Iterator[bytes]:
        while piece := self.response.read1(_READ_BYTES):
            yield piece

    def _up_to(self, limit_bytes: int) -> bytes:
        """The body, cut somewhere above ``limit_bytes`` where it is longer."""
        body = bytearray()
        for piece in self._read():
            body += piece
            if len(body) > limit_bytes:
                break
        return bytes(body)

    def _told(self) -> str:
        try:
            error = _ErrorReply.model_validate_json(self._up_to(MAX_ERROR_BYTES)).error
        except ValidationError:
            return ""
        return ": " + quoted(f"{error.code}: {error.message}" if error.code else error.message)


class _Error(BaseModel):
    message: str
    code: str | None = None


class _ErrorReply(BaseModel):
    error: _Error


class _Stream(io.RawIOBase):
    """A socket every read and write of which ends by one deadline, however little each of them brings."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection = connection
        self.deadline_s = deadline_s  # of time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._connection.settimeout(_left_s(self.deadline_s))
        return self._connection.recv_into(buffer)

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(_left_s(self.deadline_s))
            rest = rest[self._connection.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """What HTTPResponse asks of a socket."""
        return io.BufferedReader(self)


def _head(method: str, parts: SplitResult, headers: Mapping[str, str]) -> bytes:
    """``parts`` are of a plain URL, so nothing in them ends a line."""
    lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += ["Connection: close", "Accept-Encoding: identity", "User-Agent: moray"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
