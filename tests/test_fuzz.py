"""Whoever is on the other end may send anything: it is refused with its error, or the connection ends in order. Nothing
is left over, nothing is held beyond a limit, and the next one who behaves is served.

Each test runs thousands of inputs, and with ``-m long`` a hundred thousand.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import uvloop
from fastapi import FastAPI

from dataplane_kit import IDENTITY, LIMIT_S, NUM_EXPERTS, TOKEN, WEIGHTS, WIDTH, identity_of, make_join, random_rows
from fuzz_kit import (
    Errors,
    FakeConnection,
    FakeTransport,
    amounts,
    check_bounded,
    framed,
    mutate,
    mutate_json,
    odd_frame,
    pieces,
    rng_of,
    run_async_cases,
    run_cases,
    watched_errors,
)
from moray import wire
from moray.errors import BadSetting, FrameTooLarge, JoinRefused, ManifestRefused, WireError
from moray.experts.allowance import Allowance
from moray.experts.credentials import TokenCredentials as ExpertToken
from moray.experts.executor import Executor
from moray.experts.uplink import ExpertUplink
from moray.join_signature import recover_signer, sign_join
from moray.join_string import JoinString, parse_join_string
from moray.network_manifest import RouterEntry, encode_manifest, parse_manifest, sign_manifest
from moray.node_report import (
    MAX_REPORT_BYTES,
    Assignment,
    encode_assignment,
    encode_report,
    parse_assignment,
    parse_report,
    report_signer,
    sign_report,
)
from moray.nodes.signing import SIGNING_SOCKET, Membership, SigningServer, check_join, signing
from moray.router.assignment import Rules
from moray.router.blame import Failures
from moray.router.credentials import SignedCredentials, TokenCredentials
from moray.router.directory import Directory
from moray.router.http_errors import add_error_handlers
from moray.router.listener import Acceptor, NetworkIdentity
from moray.router.placement import Placement
from moray.router.reports import ReportDoor, report_routes
from moray.router.uplink import Answer, DispatchFailed, Uplink
from moray.types import PublicAddress
from moray.web_address import MAX_URL_CHARACTERS
from report_kit import NETWORK_ID, REPORT, ROUTER, a_report
from tls_kit import KEY, OTHER_KEY, membership
from wire_kit import MAKERS, decodes_or_is_refused

CERTIFICATE = b"\xab" * 32


# -- frames


def cut_plainly(stream: bytes, limit: int) -> tuple[list[bytes], bool]:
    """The payloads that a reader owes, and whether it then refuses."""
    payloads = list[bytes]()
    while len(stream) >= 4:
        size = int.from_bytes(stream[:4], "little")
        if size > limit:
            return payloads, True
        if len(stream) < 4 + size:
            break
        payloads.append(stream[4 : 4 + size])
        stream = stream[4 + size :]
    return payloads, False


def read_frames(rng: Random) -> str:
    limit = rng.choice([0, 64, wire.MAX_HANDSHAKE_BYTES, wire.MAX_FRAME_BYTES])
    stream = b"".join(odd_frame(rng) for _ in range(rng.choice([1, 1, 2, 5])))
    reader, found, is_refused = wire.FrameReader(limit), list[bytes](), False
    try:
        for piece in pieces(stream, rng):
            found += map(bytes, reader.feed(piece))
            check_bounded(reader)
    except FrameTooLarge:
        is_refused = True
    assert (found, is_refused) == cut_plainly(stream, limit)
    decoded = [decodes_or_is_refused(payload) for payload in found]
    return "refused" if is_refused or not all(decoded) else "decoded" if decoded else "incomplete"


@amounts
def test_damaged_frames_in_any_pieces_are_refused_or_well_formed(num_cases: int) -> None:
    outcomes = run_cases(read_frames, num_cases)
    assert min(outcomes[kind] for kind in ("refused", "decoded", "incomplete")) > num_cases // 50


# -- a router, and whoever dials it


class AsksOnce:
    """Of every expert that joins: any answer will do."""

    async def examine(self, uplink: Uplink) -> None:
        assert uplink.join is not None
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def take(answer: Answer) -> None:
            if not answered.done():  # an exam ends with its connection, before what it asked does
                answered.set_result(answer)

        uplink.dispatch(1, [(uplink.join.experts[0], 1)], [0], random_rows(1), LIMIT_S, take)
        if isinstance(await answered, DispatchFailed):
            raise JoinRefused("no_answer", "it does not answer")


class FuzzedRouter:
    """Its listener, without sockets: a case is one connection from its first byte to its last."""

    def __init__(self, is_signed: bool, is_examined: bool) -> None:
        self.is_signed = is_signed
        credentials = SignedCredentials(CERTIFICATE, time.time) if is_signed else TokenCredentials(TOKEN)
        self.acceptor = Acceptor(IDENTITY, Directory(NUM_EXPERTS), credentials, AsksOnce() if is_examined else None)
        self.num_answers_due = self.num_answers = 0

    def open(self) -> tuple[Uplink, FakeTransport, wire.Hello]:
        uplink = Uplink(self.acceptor)
        transport = FakeTransport(uplink)
        uplink.connection_made(transport)
        (hello,) = transport.written
        assert isinstance(hello, wire.Hello)
        return uplink, transport, hello

    def good_join(self, hello: wire.Hello, rng: Random) -> wire.Join:
        if not self.is_signed:
            return make_join(hello, experts=[0, 3])
        join = make_join(hello, experts=[0, 3], tls_cert_sha256=CERTIFICATE, expires_at=int(time.time()) + 60)
        return sign_join(rng.choice([KEY, OTHER_KEY]), hello, replace(join, proof=b""))

    def is_genuine(self, hello: wire.Hello, join: wire.Join) -> bool:
        if self.is_signed:
            return recover_signer(hello, join) == join.signer and join.tls_cert_sha256 == CERTIFICATE
        return join.proof == wire.join_proof(TOKEN, hello, join)

    def odd_join(self, hello: wire.Hello, rng: Random) -> bytes:
        """Nearly the right one, mostly with a signature that is none: to recover from one takes a millisecond."""
        good = replace(make_join(hello, experts=[0, 3]), tls_cert_sha256=CERTIFICATE, expires_at=int(time.time()) + 60)
        if self.is_signed:
            good = replace(good, proof=b"", signature=rng.randbytes(rng.choice([0, 64, 64, 64, 65])))
        if rng.random() < 0.5:
            return framed(mutate(wire.encode(good)[4:], rng))
        other, field = MAKERS["join"](rng), rng.choice(fields(wire.Join)).name
        return wire.encode(replace(good, **{field: getattr(other, field)}))

    async def case(self, rng: Random) -> str:
        uplink, transport, hello = self.open()
        for _ in range(rng.randrange(6)):
            if not transport.is_over or rng.random() < 0.2:  # bytes that were read before the end
                self.say(
                    uplink, b"".join(self.next_said(uplink, hello, rng) for _ in range(rng.choice([1, 1, 3]))), rng
                )
            if uplink._verification is not None and rng.random() < 0.5:
                await asyncio.wait([uplink._verification])
            elif rng.random() < 0.3:
                await asyncio.sleep(0)
            self.let_work(uplink, rng)
        was_welcomed = any(isinstance(message, wire.Welcome) for message in transport.written)
        if was_welcomed:
            assert uplink.join is not None and self.is_genuine(hello, uplink.join)
        await self.end(uplink, transport)
        assert [type(message) for message in transport.written].count(wire.Welcome) <= 1
        return "welcomed" if was_welcomed else "turned away" if self.was_turned_away(transport) else "cut off"

    @staticmethod
    def was_turned_away(transport: FakeTransport) -> bool:
        return any(isinstance(message, wire.Reject) for message in transport.written)

    def next_said(self, uplink: Uplink, hello: wire.Hello, rng: Random) -> bytes:
        kind = rng.random()
        if uplink.join is None:
            if kind < (0.1 if self.is_signed else 0.4):
                return wire.encode(self.good_join(hello, rng))
            return self.odd_join(hello, rng) if kind < 0.7 else odd_frame(rng)
        if kind < 0.2:
            return odd_frame(rng)
        if kind < 0.3:
            return wire.encode(wire.Drain("enough"))
        if kind < 0.4:
            return wire.encode(wire.Pong(0, 0, 0))
        answer = self.answer(rng.choice([*uplink._in_flight, *uplink._expired, uplink.next_seq, 0]), uplink, rng)
        return wire.encode(answer) if kind < 0.9 else framed(mutate(wire.encode(answer)[4:], rng))

    @staticmethod
    def answer(seq: int, uplink: Uplink, rng: Random) -> wire.Message:
        flight = uplink._in_flight.get(seq)
        shape = flight.shape if flight is not None and rng.random() < 0.9 else (rng.randrange(4), WIDTH)
        code = rng.choice(["bad_dispatch", "unpaid", "\x1b[2J", ""])
        odd: list[wire.Message] = [wire.Busy(seq), wire.Failure(seq, code, "no\nreason")]
        return wire.Result(seq, np.zeros(shape, np.float32)) if rng.random() < 0.7 else rng.choice(odd)

    def say(self, uplink: Uplink, stream: bytes, rng: Random) -> None:
        for piece in pieces(stream, rng):
            was_closed, num_held = uplink.is_closed, len(uplink._reader._buffer)
            uplink.data_received(piece)
            if was_closed:
                assert len(uplink._reader._buffer) == num_held
            elif not uplink.is_closed:
                check_bounded(uplink._reader)

    def let_work(self, uplink: Uplink, rng: Random) -> None:
        """What the router does meanwhile."""
        if uplink.join is None:
            return
        match rng.randrange(4):
            case 0 | 1:
                self.dispatch(uplink, rng.randint(1, 3), rng.choice([0.0, LIMIT_S]))
            case 2 if not uplink.is_closed:
                uplink.ping(rng.randrange(100))
            case _ if uplink._expiry is not None:  # time passes: what is overdue is given up on
                uplink._expiry.cancel()
                uplink._expire_due(True)

    def dispatch(self, uplink: Uplink, num_rows: int, timeout_s: float) -> None:
        self.num_answers_due += 1
        rows = random_rows(num_rows)
        uplink.dispatch(1, [(0, num_rows)], list(range(num_rows)), rows, timeout_s, self.take)

    def take(self, answer: Answer) -> None:
        self.num_answers += 1

    async def end(self, uplink: Uplink, transport: FakeTransport) -> None:
        """The peer hangs up, if it has not been hung up on. Nothing is left of it."""
        transport.abort()
        async with asyncio.timeout(LIMIT_S):
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - who recovers signatures is another thread
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        acceptor = self.acceptor
        assert uplink.is_closed and not acceptor.directory.uplinks and not acceptor._handshaking
        assert not acceptor._pending and not acceptor._exams
        assert not uplink._in_flight and uplink.rows_in_flight == 0 and self.num_answers == self.num_answers_due
        for timer in (uplink._timer, uplink._expiry):
            assert timer is None or timer.cancelled()
        assert getattr(acceptor.credentials, "_num_verifying", 0) == 0

    async def serves(self) -> bool:
        """Somebody who behaves."""
        uplink, transport, hello = self.open()
        self.say(uplink, wire.encode(self.good_join(hello, rng_of(0))), rng_of(0))
        if uplink._verification is not None:
            await asyncio.wait([uplink._verification])
        await asyncio.sleep(0)
        self.dispatch(uplink, 1, LIMIT_S)
        asked = [message for message in transport.written if isinstance(message, wire.Dispatch)]
        for work in asked:
            self.say(uplink, wire.encode(wire.Result(work.seq, work.hidden_states)), rng_of(0))
        await asyncio.sleep(0)
        is_served = any(isinstance(message, wire.Welcome) for message in transport.written)
        is_served &= bool(asked) and uplink.key in self.acceptor.directory.uplinks
        await self.end(uplink, transport)
        return is_served


async def fuzz_router(num_cases: int, is_signed: bool, errors: Errors) -> Counter[str]:
    """Some hundreds of cases each for routers that live on."""
    routers = list[FuzzedRouter]()

    async def case(rng: Random) -> str:
        if not routers or rng.random() < 0.002:  # a key joins only so often in a minute
            routers.append(FuzzedRouter(is_signed, is_examined=rng.random() < 0.5))
        outcome = await routers[-1].case(rng)
        assert errors.none()
        if rng.random() < 0.02:
            assert await routers[-1].serves()
        return outcome

    unhandled = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    outcomes = await run_async_cases(case, num_cases)
    assert not unhandled
    return outcomes


@amounts
@pytest.mark.parametrize("is_signed", [False, True], ids=["token", "signed"])
def test_a_router_survives_whoever_dials_it(num_cases: int, is_signed: bool) -> None:
    with watched_errors() as errors, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = runner.run(fuzz_router(num_cases, is_signed, errors))
    assert min(outcomes[kind] for kind in ("welcomed", "turned away", "cut off")) > num_cases // 50


# -- an expert, and whoever answers where its router should


class Agreeable:
    """In place of a signing process and a TLS session: whoever answers is the router."""

    def present(self, hello: wire.Hello, join: wire.Join) -> wire.Join:
        return join

    def check(self, uplink_id: bytes, welcome: wire.Welcome) -> None:
        pass


def odd_dispatch(seq: int, rng: Random) -> wire.Dispatch:
    """Mostly one that an expert can answer."""
    num_rows = rng.randint(1, 4)
    index = [rng.randrange(num_rows) for _ in range(rng.randint(1, 6))]
    first = rng.randrange(len(index) + 1)
    groups = [(rng.choice([0, 3, 5]), first), (rng.choice([0, 3]), len(index) - first)]
    width = WIDTH if rng.random() < 0.9 else rng.randrange(3)
    rows = np.frombuffer(rng.randbytes(4 * num_rows * width), np.float32).reshape(num_rows, width)
    dispatch = wire.Dispatch(seq, rng.choice([1, 1, 1, 7]), groups, index, rows, 1000)
    if rng.random() < 0.9:
        return dispatch
    other, field = MAKERS["dispatch"](rng), rng.choice(fields(wire.Dispatch)).name
    return replace(dispatch, **{field: getattr(other, field)})


class Played:
    """A router that shakes hands as it should, mostly, and then says what comes to its mind."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.dispatched = Counter[int]()  # by seq, as the expert got them

    def play(self, connection: list[FakeConnection]) -> Iterator[bytes | None]:
        rng = self._rng
        hello = wire.Hello(2, 2, "test", 0, IDENTITY.model_id, "router-a", rng.randbytes(32), [])
        yield from pieces(wire.encode(hello) if rng.random() < 0.95 else odd_frame(rng), rng)
        for message in connection[0].heard:
            if isinstance(message, wire.Join) and rng.random() < 0.95:
                known = wire.uplink_id(hello, message)
                yield wire.encode(wire.Welcome(known, wire.welcome_proof(TOKEN, known), 1000, 500, 0, []))
        for seq in range(rng.randrange(8)):
            kind = rng.random()
            if kind < 0.1:
                yield None
            elif kind < 0.7:
                frames = b"".join(wire.encode(odd_dispatch(seq, rng)) for _ in range(rng.choice([1, 1, 4])))
                yield from pieces(frames, rng)
            elif kind < 0.8:
                yield wire.encode(wire.Ping(seq))
            elif kind < 0.9:
                yield from pieces(framed(mutate(wire.encode(odd_dispatch(seq, rng))[4:], rng)), rng)
            else:
                yield from pieces(odd_frame(rng), rng)


def serve_somebody(rng: Random) -> str:
    allowance = Allowance(rng.randrange(20)) if rng.random() < 0.5 else None
    executor = Executor({expert: WEIGHTS[expert] for expert in (0, 3)}, WIDTH, 16)
    ends: list[OSError | None] = [None, None, None, TimeoutError(), ConnectionResetError()]
    connections = list[FakeConnection]()
    said = Played(rng).play(connections)
    connections.append(connection := FakeConnection(said, rng.choice(ends), rng.randrange(10)))
    credentials = ExpertToken(TOKEN) if rng.random() < 0.5 else Agreeable()

    def beat() -> None:
        check_bounded(uplink._reader)

    uplink = ExpertUplink(connection, identity_of([0, 3]), credentials, 1, executor, None, beat, allowance)
    if rng.random() < 0.1:
        uplink.drain("the node leaves")
    outcome = "ended"
    try:
        uplink.run()
    except (WireError, JoinRefused) as refused:
        assert "internal error" not in str(refused), refused
        outcome = "refused"
    assert connection.num_closed == 1 and not uplink.is_serving
    assert sum(isinstance(message, wire.Drain) for message in connection.heard) <= 1
    if allowance is not None:
        assert executor.rows_done <= allowance.max_unpaid_rows
    return "worked" if executor.rows_done and outcome == "ended" else outcome


@amounts
def test_an_expert_survives_whoever_answers_it(num_cases: int) -> None:
    with watched_errors() as errors:
        outcomes = run_cases(serve_somebody, num_cases)
        assert errors.none()
    assert min(outcomes[kind] for kind in ("worked", "ended", "refused")) > num_cases // 50


# -- the process that signs, and whoever has taken over a replica


class WatchedSigning(SigningServer):
    """Knows what went wrong in its threads."""

    problem: BaseException | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        self.problem = sys.exc_info()[1]


ROUTERS = PublicAddress("10.1.2.3", 7443, CERTIFICATE.hex()), PublicAddress("10.1.2.4", 7443, "cd" * 32)
MEMBER: Membership = membership(*ROUTERS)
HELLO = wire.Hello(2, 2, MEMBER.network_id, 0, IDENTITY.model_id, str(ROUTERS[0]), b"c" * 32, [])
JOIN = replace(make_join(HELLO), tls_cert_sha256=CERTIFICATE, proof=b"")


def ask_to_sign(path: str, said: Iterator[bytes]) -> bytes:
    """What is answered by the end of the connection."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(LIMIT_S)
        asking.connect(path)
        with suppress(ConnectionError):  # it has heard enough
            for piece in said:
                asking.sendall(piece)
            asking.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while data := asking.recv(1 << 16):
                answer += data
    return answer


def ask_oddly(path: str, rng: Random) -> str:
    frames = [wire.encode(HELLO), wire.encode(JOIN)]
    match rng.randrange(20):
        case 0:
            pass
        case 1:
            frames.reverse()
        case 2 | 3 | 4:
            frames.insert(rng.randrange(3), odd_frame(rng))
        case 5 | 6 | 7:
            frames[rng.randrange(2)] = odd_frame(rng)
        case 8 | 9 | 10 | 11:
            place = rng.randrange(2)
            mine = (HELLO, JOIN)[place]
            field = rng.choice(fields(mine)).name
            frames[place] = wire.encode(replace(mine, **{field: getattr(MAKERS[mine.kind](rng), field)}))
        case 12:
            frames[1] = wire.encode(replace(JOIN, router=str(ROUTERS[1])))
        case _:
            place = rng.randrange(2)
            frames[place] = framed(mutate(frames[place][4:], rng))
    stream = b"".join(frames)
    largest = rng.choice([50, 1 << 16])
    answer = ask_to_sign(path, (stream[start : start + largest] for start in range(0, len(stream), largest)))
    if not answer:
        return "silence"
    (payload,) = wire.FrameReader(wire.MAX_FRAME_BYTES).feed(answer)
    match wire.decode(payload):
        case wire.Join() as signed:
            assert signed.signer == KEY.address
            greeted = wire.decode(cut_plainly(stream, wire.MAX_HANDSHAKE_BYTES)[0][0])
            assert isinstance(greeted, wire.Hello)
            check_join(MEMBER, greeted, signed)
            assert recover_signer(greeted, signed) == KEY.address
            return "signed"
        case wire.Leased(rows):  # whoever asks for rows, of a node that takes no vouchers
            assert rows == 0
            return "leased"
        case message:
            assert isinstance(message, wire.Reject)
            return "rejected"


@amounts
def test_a_signing_process_signs_for_its_own_node_only_whoever_asks(num_cases: int, tmp_path: Path) -> None:
    path, num_threads = tmp_path / SIGNING_SOCKET, threading.active_count()
    server = WatchedSigning(path, KEY, MEMBER)
    with watched_errors() as errors, signing(server):
        outcomes = run_cases(lambda rng: ask_oddly(str(path), rng), num_cases)
        assert ask_to_sign(str(path), iter([wire.encode(HELLO) + wire.encode(JOIN)]))
        assert errors.none() and server.problem is None
    wait_until_gone(num_threads)
    assert min(outcomes[kind] for kind in ("silence", "rejected", "signed")) > num_cases // 50


def wait_until_gone(num_threads: int) -> None:
    """A handler's thread ends a moment after its answer."""
    until = time.monotonic() + LIMIT_S
    while threading.active_count() > num_threads and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= num_threads


# -- texts that others wrote

NOW = REPORT["reported_at"]
MANIFEST = sign_manifest(
    KEY,
    network_id="test",
    chain_id=31337,
    version=3,
    model_id="cd" * 32,
    numeric_class="int8",
    issued_at=NOW - 1000,
    expires_at=NOW + 1000,
    routers=tuple(
        RouterEntry(host=f"10.0.0.{n}", port=7, url=f"http://10.0.0.{n}", tls_cert_sha256="ab" * 32) for n in (1, 2)
    ),
    mirrors=("https://mirror.example/model",),
)


SIGNED_REPORT = sign_report(KEY, a_report(experts=(1, 2), asked=(3,)), 0)


def check_line(refused: Exception) -> None:
    """What people get to see is one line; of a URL that is none, all of it, escaped."""
    assert str(refused).isprintable() and len(str(refused)) < 10 * MAX_URL_CHARACTERS + 1000


def parse_some_manifest(rng: Random) -> str:
    content = mutate_json(encode_manifest(MANIFEST), rng)
    try:
        found = parse_manifest(content, KEY.address, NOW)
    except ManifestRefused as refused:
        check_line(refused)
        return refused.reason_code
    assert found == MANIFEST  # nothing else was signed
    return "same"


def parse_some_report(rng: Random) -> str:
    try:
        found = parse_report(mutate_json(encode_report(SIGNED_REPORT), rng), NETWORK_ID, ROUTER, float(NOW))
        report_signer(found, 0)
    except JoinRefused as refused:
        check_line(refused)
        return refused.reason_code
    assert replace(found, signature=found.signature.lower()) == SIGNED_REPORT  # of hex digits either case is taken
    return "same"


def parse_some_assignment(rng: Random) -> str:
    try:
        found = parse_assignment(mutate_json(encode_assignment(Assignment((1, 2, 7), 20.0)), rng))
    except JoinRefused as refused:
        assert refused.reason_code == "malformed"
        check_line(refused)
        return "malformed"
    assert len(found.experts) <= 1024 and all(expert >= 0 for expert in found.experts) and found.next_report_s >= 1
    return "taken"


JOIN_STRINGS = [
    f"{url}#{KEY.address}"
    for url in ("http://203.0.113.5:8000", "https://router.example/a/b", "http://[2001:db8::1]:80", "http://x#y")
]
SIGNS = " #/:@?%[].0xX\0\n\u202e\ud800é\\"


def parse_some_join_string(rng: Random) -> str:
    text = rng.choice(JOIN_STRINGS)
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        place, sign = rng.randrange(len(text) + 1), rng.choice(SIGNS)
        text = text[:place] + rng.choice([sign, "", sign * 600]) + text[place + rng.randrange(2) :]
    try:
        found = parse_join_string(text)
    except BadSetting as refused:
        check_line(refused)
        return "refused"
    assert found.owner == KEY.address and parse_join_string(str(found)) == found == JoinString(found.url, KEY.address)
    assert found.url in text
    return "taken"


@amounts
@pytest.mark.parametrize(
    ("case", "some_outcomes"),
    [
        (parse_some_manifest, {"malformed", "wrong_owner", "bad_signature", "same"}),
        (parse_some_report, {"malformed", "wrong_network", "wrong_router", "wrong_clock", "bad_signature", "same"}),
        (parse_some_assignment, {"malformed", "taken"}),
        (parse_some_join_string, {"refused", "taken"}),
    ],
    ids=["manifest", "report", "assignment", "join string"],
)
def test_texts_of_others_are_refused_with_their_error_or_as_they_were_signed(
    num_cases: int, case: Any, some_outcomes: set[str]
) -> None:
    outcomes = run_cases(case, num_cases)
    assert some_outcomes <= outcomes.keys() and max(outcomes.values()) < num_cases


# -- the gateway, and whoever reports


class Gateway:
    def __init__(self) -> None:
        identity = NetworkIdentity(NETWORK_ID, "model-a", "float32", NUM_EXPERTS, ROUTER)
        placement = Placement(NUM_EXPERTS, Rules(), 0.0)
        self.door = ReportDoor(placement, identity, 1e9, 10**9, clock=lambda: float(NOW))
        self.app = FastAPI()
        add_error_handlers(self.app, 1, Failures())
        self.app.include_router(report_routes(self.door))
        self._reported_at = NOW - 200

    def good_report(self, rng: Random) -> bytes:
        experts = tuple(rng.sample(range(NUM_EXPERTS + 2), 2))
        asked = tuple(rng.sample(range(NUM_EXPERTS + 1), rng.randrange(3)))
        slots, name = rng.choice([1, 2, 1024]), f"node-{rng.randrange(20)}"
        at = NOW + rng.randrange(-300, 300)
        report = a_report(node_id=name, num_slots=slots, experts=experts, asked=asked, reported_at=at)
        return encode_report(sign_report(KEY, report, 0))

    async def post(self, parts: list[bytes], host: str | None, leaves: bool) -> tuple[int, bytes]:
        """Status and body, 0 where nothing was answered."""
        heard = list[Any]()
        coming = iter(parts)

        async def receive() -> dict[str, Any]:
            part = next(coming, None)
            if part is None:
                return {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""}
            return {"type": "http.request", "body": part, "more_body": True}

        async def send(message: Any) -> None:
            heard.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/network/assignment",
            "raw_path": b"/network/assignment",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": (host, 1) if host is not None else None,
            "server": ("127.0.0.1", 1),
        }
        await self.app(scope, receive, send)
        status = next((message["status"] for message in heard if message["type"] == "http.response.start"), 0)
        return status, b"".join(message.get("body", b"") for message in heard)

    async def case(self, rng: Random) -> str:
        is_good = rng.random() < 0.05
        body = self.good_report(rng) if is_good else mutate_json(encode_report(SIGNED_REPORT), rng)
        if rng.random() < 0.02:
            body += rng.choice([b" ", b"[", b"\0"]) * MAX_REPORT_BYTES
        leaves = rng.random() < 0.05
        hosts = [None, "", "127.0.0.1", "::1", "fe80::1%eth0", "no address", "\0"]
        status, answer = await self.post(list(pieces(body, rng)), rng.choice(hosts), leaves)
        assert self.door._num_pending == 0
        if status == 200:
            assert parse_assignment(answer).next_report_s > 0
            parsed = parse_report(body, NETWORK_ID, ROUTER, float(NOW))
            assert report_signer(parsed, 0) == KEY.address
            return "taken"
        if status == 499 and leaves:
            return "left"
        error = json.loads(answer)["error"]
        assert status in (403, 413, 429) and error["code"] and str(error["message"]).isprintable()
        return f"refused {status}"

    async def fuzz(self, num_cases: int) -> Counter[str]:
        outcomes = await run_async_cases(self.case, num_cases)
        assert len(asyncio.all_tasks()) == 1
        report = sign_report(KEY, a_report(node_id="the-next", reported_at=NOW + 300), 0)
        status, _ = await self.post([encode_report(report)], "127.0.0.1", False)
        assert status == 200
        return outcomes


@amounts
def test_a_gateway_answers_whoever_reports(num_cases: int) -> None:
    with watched_errors() as errors, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = runner.run(Gateway().fuzz(num_cases))
        assert errors.none()
    assert {"taken", "left", "refused 403", "refused 413"} <= outcomes.keys()
