"""The HTTP client of a node against servers that lie, drip, flood and lead elsewhere."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from http_kit import Answer, Reply, Server, file_answer, serving
from moray import guarded_http
from moray.errors import DownloadFailed, UnsafeAddress
from moray.guarded_http import Fetcher

FETCHER = Fetcher(allow_private=True)
HASTY = Fetcher(allow_private=True, patience_s=0.4)
CONTENT = bytes(range(256)) * 4


def get(answer: Answer, fetcher: Fetcher = FETCHER, limit_bytes: int = 1000) -> bytes:
    with serving(answer) as server:
        return fetcher.get(f"{server.url}/x", limit_bytes)


def get_range(answer: Answer, first_byte: int, end_byte: int, fetcher: Fetcher = FETCHER) -> bytes:
    with serving(answer) as server:
        return b"".join(fetcher.get_range(f"{server.url}/x", first_byte, end_byte))


def raw(reply_bytes: bytes) -> Answer:
    return lambda reply: reply.raw(reply_bytes)


def drip(head: bytes, piece: bytes, gap_s: float = 0.05) -> Answer:
    """``piece`` again and again until the test is over."""

    def answer(reply: Reply) -> None:
        reply.raw(head)
        while not reply.server.ended.wait(gap_s):
            reply.raw(piece)

    return answer


def test_a_reply_and_what_was_asked_for_it() -> None:
    with serving(lambda reply: reply.whole(b"hello " + reply.request_seen.body)) as server:
        assert FETCHER.get(f"{server.url}/network/manifest", 6) == b"hello "
        assert FETCHER.post_json(f"{server.url}/network/assignment", b'{"a":1}', 13) == b'hello {"a":1}'
    get_request, post_request = server.requests
    assert get_request.path == "/network/manifest"
    assert get_request.headers["Host"] == f"127.0.0.1:{server.port}"
    assert post_request.path == "/network/assignment"
    assert post_request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("head", "date_s"),
    [
        (b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777.0),  # RFC 9110's example
        (b"", None),
        (b"Date: yesterday\r\n", None),
        (b"Date: Sun, 99 Nov 1994 08:49:37 GMT\r\n", None),
    ],
)
def test_the_servers_clock_is_told_with_its_reply(head: bytes, date_s: float | None) -> None:
    with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + head + b"\r\nok")) as server:
        assert FETCHER.get_dated(f"{server.url}/x", 2) == (b"ok", date_s)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda reply: reply.whole(b"from a proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert get(lambda reply: reply.whole(b"itself")) == b"itself"
        assert proxy.num_connections == 0


def test_a_private_host_is_refused_before_it_hears_anything() -> None:
    with serving(lambda reply: reply.whole(b"secret")) as server:
        with pytest.raises(UnsafeAddress, match="--allow-private"):
            Fetcher(allow_private=False).get(f"{server.url}/x", 1000)
        with pytest.raises(UnsafeAddress):
            next(Fetcher(allow_private=False).get_range(f"{server.url}/x", 0, 10))
        assert server.num_connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http:///x",
        "http://127.0.0.1:70000/x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/x\r\nX-Evil: 1",
        "http://127.0.0.1/../x",
        "http://127.0.0.1/x?token=1",
    ],
)
def test_a_url_that_is_more_than_host_and_path_is_refused(url: str) -> None:
    with pytest.raises(DownloadFailed) as caught:
        FETCHER.get(url, 10)
    assert "\n" not in str(caught.value)


def test_nobody_there_is_one_line_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda reply: None) as server:
        port = server.port
    with pytest.raises(DownloadFailed, match=rf"^127\.0\.0\.1:{port}: Connection refused"):
        FETCHER.get(f"http://127.0.0.1:{port}/x", 10)

    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadFailed, match=r"^name\.example: Name or service not known"):
        FETCHER.get("http://name.example/x", 10)


@pytest.mark.parametrize(
    "answer",
    [
        lambda reply: reply.whole(bytes(11)),
        raw(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(11)),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + bytes(11)),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + bytes(11) + b"\r\n0\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + bytes(11)),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16), gap_s=0),
    ],
)
def test_more_than_the_limit_is_refused_whatever_the_head_says(answer: Answer) -> None:
    with pytest.raises(DownloadFailed, match="sends more than 10 bytes"):
        get(answer, limit_bytes=10)


def test_exactly_the_limit_is_taken() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n"
    assert get(raw(chunked), limit_bytes=10) == b"abcdefghij"
    assert get(lambda reply: reply.whole(b"abcdefghij"), limit_bytes=10) == b"abcdefghij"


def test_a_reply_that_ends_early_is_not_taken_for_whole() -> None:
    with pytest.raises(DownloadFailed, match="ended 3 bytes early"):
        get(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"))
    with pytest.raises(DownloadFailed, match="does not answer in HTTP"):
        get(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"))


@pytest.mark.parametrize(
    "reply_bytes",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 huge OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n",
    ],
    ids=["nothing", "another protocol", "no status", "a huge header", "a thousand headers"],
)
def test_what_is_no_http_is_told_in_one_line(reply_bytes: bytes) -> None:
    with pytest.raises(DownloadFailed, match=r"^127\.0\.0\.1:\d+[^\n]*$"):
        get(raw(reply_bytes))


@pytest.mark.parametrize(
    "answer",
    [
        lambda reply: reply.hang(),
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"a"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
        drip(b"HTTP/1.1 403 No\r\n\r\n", b"a"),
    ],
    ids=["silence", "a head that drips", "always more to come", "a body that drips", "trailers", "an error that drips"],
)
def test_a_small_reply_has_one_deadline_however_it_is_spent(answer: Answer) -> None:
    with pytest.raises(DownloadFailed, match=r"slower than 0\.4 s"):
        get(answer, HASTY)


def test_a_file_that_drips_is_given_up_and_one_that_is_steady_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_http, "PACE_BYTES", 100)
    received: list[bytes] = []
    too_slow = pytest.raises(DownloadFailed, match=r"slower than 0\.4 s")
    with serving(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"a")) as server, too_slow:
        received.extend(HASTY.get_range(f"{server.url}/x", 0, 1000))
    assert 0 < len(received) < 100
    steady = drip(b"HTTP/1.1 200 OK\r\n\r\n", bytes(100), gap_s=0.1)
    assert get_range(steady, 0, 1500, Fetcher(allow_private=True, patience_s=1.0)) == bytes(1500)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving(lambda reply: reply.whole(b"elsewhere")) as elsewhere:

        def answer(reply: Reply) -> None:
            reply.head(status, {"Location": f"{elsewhere.url}/x", "Content-Length": 0})

        with pytest.raises(DownloadFailed, match=f"redirects .HTTP {status}., which is not followed") as caught:
            get(answer)
        assert caught.value.status == status
        assert elsewhere.num_connections == 0


def test_what_an_error_says_is_told_cut_and_printable() -> None:
    with pytest.raises(DownloadFailed, match=r"answers HTTP 403: wrong_node: this node is not yours$") as caught:
        get(lambda reply: reply.error(403, "wrong_node", "this node is not yours"))
    assert caught.value.status == 403
    with pytest.raises(DownloadFailed) as caught:
        get(lambda reply: reply.error(400, "evil", "\x1b[2J\r\n\u202e" + "a" * 1000))
    assert "evil: ?[2J???aaa" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 9000, b'{"error": "x"}', b'{"error": {"message": "' + b"a" * 20_000]
)
def test_an_error_that_says_nothing_readable_is_its_status(body: bytes) -> None:
    with pytest.raises(DownloadFailed, match=r"answers HTTP 500$") as caught:
        get(lambda reply: reply.whole(body, 500))
    assert caught.value.status == 500


def test_a_part_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(DownloadFailed, match="answers HTTP 206"):
        get(raw(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\n\r\nabcde"))


@pytest.mark.parametrize(("first_byte", "end_byte"), [(0, 1024), (1, 1024), (500, 700), (1023, 1024), (0, 10)])
def test_a_range_is_exactly_those_bytes(first_byte: int, end_byte: int) -> None:
    assert get_range(file_answer(CONTENT), first_byte, end_byte) == CONTENT[first_byte:end_byte]


def test_of_a_range_no_other_byte_is_asked_for() -> None:
    with serving(file_answer(CONTENT)) as server:
        assert b"".join(FETCHER.get_range(f"{server.url}/x", 1000, 1024)) == CONTENT[1000:]
    assert server.requests[0].headers["Range"] == "bytes=1000-1023"
    assert server.num_sent == 24


def knows_no_ranges(reply: Reply) -> None:
    reply.whole(CONTENT)


def refuses_ranges(reply: Reply) -> None:
    if "Range" in reply.request_seen.headers:
        reply.error(416, "no_ranges", "not here")
    else:
        reply.whole(CONTENT)


@pytest.mark.parametrize("answer", [knows_no_ranges, refuses_ranges])
def test_a_server_without_ranges_sends_all_and_the_beginning_is_dropped(answer: Answer) -> None:
    assert get_range(answer, 300, 1000) == CONTENT[300:1000]


@pytest.mark.parametrize("told", ["bytes 299-1023/1024", "bytes 0-1023/1024", "pages 300-", "bytes */1024", ""])
def test_another_range_than_the_one_asked_for_is_refused(told: str) -> None:
    def answer(reply: Reply) -> None:
        reply.head(206, {"Content-Range": told})
        reply.body(CONTENT)

    with pytest.raises(DownloadFailed, match="sends another part than byte 300 on"):
        get_range(answer, 300, 1024)


def test_a_server_that_sends_for_ever_is_left_at_the_end_of_the_range() -> None:
    assert get_range(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"ab" * 5000, gap_s=0), 3, 100_001) == (b"ba" * 50_000)[:99_998]


@pytest.mark.parametrize("first_byte", [0, 300])
def test_a_file_that_ends_early_is_told_after_what_came(first_byte: int) -> None:
    received: list[bytes] = []
    with (
        serving(file_answer(CONTENT[:700])) as server,
        pytest.raises(DownloadFailed, match="ended at byte 700 of 1024"),
    ):
        received.extend(FETCHER.get_range(f"{server.url}/x", first_byte, 1024))
    assert b"".join(received) == CONTENT[first_byte:700]


def test_a_file_that_ends_before_the_range_is_an_error() -> None:
    with pytest.raises(DownloadFailed, match="ended at byte 200 of 1024"):
        get_range(file_answer(CONTENT[:200]), 300, 1024)


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            *(b"HTTP/1.1 %d X\r\n" % status for status in (100, 200, 204, 206, 301, 304, 404, 416)),
            b"HTTP/1.0 200\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 7\r\n",
            b"Content-Length: 99999999999999999999\r\n",
            b"Content-Range: bytes 3-9/10\r\n",
            b"Content-Type: multipart/mixed; boundary=\r\n",
            b" folded\r\n",
            b"\r\n",
            b"5\r\nabcde\r\n",
            b"0\r\n",
            b"ffffffffffffffffffff\r\n",
            b'{"error": {"message": 1}}',
        ]
    ),
)


def test_no_reply_at_all_gets_more_out_of_the_client_than_was_allowed() -> None:
    with serving(lambda reply: None) as server:
        url = f"{server.url}/x"

        @settings(max_examples=150, deadline=None)
        @given(st.lists(PIECES, max_size=8).map(b"".join))
        def ask(reply_bytes: bytes) -> None:
            server.answer = raw(reply_bytes)
            with refused_in_one_line():
                assert len(HASTY.get(url, 10)) <= 10
            with refused_in_one_line():
                assert len(b"".join(HASTY.get_range(url, 3, 9))) == 6

        ask()


@contextmanager
def refused_in_one_line() -> Iterator[None]:
    """Or not refused."""
    try:
        yield
    except DownloadFailed as error:
        assert str(error).isprintable()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A PEM file with a key and a certificate of 127.0.0.1 that no authority signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    unencrypted = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path


def over_tls(answer: Answer, certificate: Path, use: Callable[[str], bytes]) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        return use(f"https://127.0.0.1:{server.port}/x")


def test_https_needs_a_certificate_that_the_system_trusts(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadFailed, match="certificate verify failed"):
        over_tls(knows_no_ranges, certificate, lambda url: FETCHER.get(url, 2000))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert over_tls(knows_no_ranges, certificate, lambda url: FETCHER.get(url, 2000)) == CONTENT
    ranged = over_tls(file_answer(CONTENT), certificate, lambda url: b"".join(FETCHER.get_range(url, 9, 1024)))
    assert ranged == CONTENT[9:]


def test_a_tls_handshake_has_the_deadline_too() -> None:
    with serving(lambda reply: None) as server:
        server.shutdown()  # it listens and answers nothing
        with pytest.raises(DownloadFailed, match=r"slower than 0\.4 s"):
            HASTY.get(f"https://127.0.0.1:{server.port}/x", 10)
