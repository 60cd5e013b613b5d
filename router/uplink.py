"""An expert's connection, seen from the router: handshake, work out, results in.

Callbacks run in the engine's event loop. A peer that breaks the protocol is disconnected with a reason and counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from moray import wire
from moray.errors import JoinRefused, MorayError, WireError
from moray.experts.compiled import Array
from moray.quoting import quoted
from moray.router.blame import Blame
from moray.router.credentials import Verification
from moray.router.health import Circuit, Health
from moray.router.pace import STALE_AFTER_S, Pace
from moray.router.rate_limit import source_of
from moray.router.selection import Candidate

if TYPE_CHECKING:
    from moray.router.listener import Acceptor

logger = logging.getLogger(__name__)

LATENCY_WEIGHT = 0.1  # of the newest sample in the running mean
READ_GRACE_S = 0.01  # one turn of the loop, for answers that lie unread when a deadline passes
LARGE_BYTES = 64 << 10  # smaller frames cannot pile up: MAX_UNANSWERED ends it before
MAX_UNANSWERED = 256  # dispatches given up on; a peer that owes more is closed
MAX_PONGS = 1000  # more than pings by so many, and a peer is closed: all other frames answer what it was asked
MAX_UNREAD_BYTES = 2 * wire.MAX_FRAME_BYTES  # written and not taken by the peer; beyond it the peer is closed
OWN_FAULTS = frozenset({"bad_dispatch", "unpaid"})  # codes of a Failure that this router has brought on itself


class UplinkKey(NamedTuple):
    """The identity that only one live uplink may have."""

    signer: str  # "" for the router operator's own
    node_id: str
    replica_id: str


class DispatchFailed(MorayError):
    """One attempt on one uplink came to nothing; another replica may do."""

    code = "dispatch_failed"

    def __init__(self, message: str, blame: Blame) -> None:
        super().__init__(message)
        self.blame = blame


Answer = wire.Tensor | DispatchFailed  # outputs, of the width and dtype of what was sent


@dataclass(slots=True)
class _InFlight:
    on_answer: Callable[[Answer], None]
    shape: tuple[int, int]  # of the result
    dtype: np.dtype[Any]
    sent_at: float
    deadline: float


class Uplink(asyncio.Protocol):
    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._loop = asyncio.get_running_loop()
        self._reader = wire.FrameReader(wire.MAX_HANDSHAKE_BYTES)
        self._in_flight: dict[int, _InFlight] = {}
        self._expired: dict[int, tuple[int, float]] = {}  # given up on, by seq: rows and when sent; let pass when late
        self.next_seq = 0  # of the next Dispatch
        self._fd = -1
        self._timer: asyncio.TimerHandle | None = None  # ends a handshake that takes too long
        self._expiry: asyncio.TimerHandle | None = None  # looks for dispatches whose deadline has passed
        self._verification: asyncio.Task[None] | None = None  # of its Join
        self._asked: wire.Join | None = None  # as it came, whoever it is from
        self.join: wire.Join | None = None  # set once welcomed
        self.hello: wire.Hello
        self.is_draining = self.is_closed = False
        self.rows_in_flight = self.rows_sent = self.rows_waiting = 0
        self._pongs_left = MAX_PONGS
        self.heard_at = self.joined_at = self.sent_at = self._draining_at = monotonic()
        self.latency_s = 0.0  # running mean, for who watches; the choice goes by ``pace``
        self.pace = Pace(acceptor.directory.usual, self.joined_at)
        self.health = Health(self.joined_at)
        self.failures: Counter[Blame] = Counter()  # of its dispatches
        self._closed_by, self._closed_why, self._drain_reason = Blame.NETWORK, "the uplink closed", ""
        self._rng = random.Random()

    @property
    def is_usable(self) -> bool:
        return self.join is not None and not self.is_draining and not self.is_closed

    @property
    def key(self) -> UplinkKey:
        assert self.join is not None
        return key_of(self.join)

    def candidate(self, now: float) -> Candidate:
        assert self.join is not None
        slowness, health = self.pace.slowness, self.health.at(now)
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None:  # what it owes counts before it comes
            usual_s = self._acceptor.directory.usual.of(oldest.shape[0])
            slowness = max(slowness, (now - oldest.sent_at) / usual_s)
        is_trusted = health.circuit is Circuit.CLOSED
        is_due = not self._in_flight and (
            now - self.sent_at > STALE_AFTER_S if is_trusted else health.circuit is Circuit.HALF_OPEN
        )
        return Candidate(self.rows_in_flight, self.join.capacity, slowness, is_trusted, is_due)

    def condition(self, now: float) -> tuple[str, str, float]:
        """For an operator: state, the reason for it where there is one, and since when."""
        if self.is_draining:
            return "draining", self._drain_reason, self._draining_at
        health = self.health.at(now)
        return health.circuit.value, health.reason, health.since

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connection, is_tls = transport.get_extra_info("socket"), transport.get_extra_info("sslcontext") is not None
        self._fd = connection.fileno() if connection is not None and not is_tls else -1
        self.peer = str((transport.get_extra_info("peername") or "?")[0])  # gone already: no name
        self.source = source_of(self.peer)
        if not self._acceptor.admit_connection(self):
            self.close("too many connections from this address wait for their handshake")
            return
        self.hello = self._acceptor.make_hello()
        self._timer = self._loop.call_later(self._acceptor.handshake_timeout_s, self.close, "no Join in time")
        self._write(self.hello)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():  # TLS goes on reading until it has said goodbye: nothing of that is kept
            return
        self.heard_at = monotonic()
        try:
            for payload in self._reader.feed(data):
                if self.is_closed:  # refused or closed over an earlier frame of these bytes
                    return
                self._acceptor.counters.frames_in += 1
                self._handle(wire.decode(payload))
        except WireError as broken:
            self._acceptor.counters.protocol_errors += 1
            self.close(f"{broken.code}: {broken}", Blame.NODE)
        except Exception:  # a mistake of ours on one peer's bytes is no reason to lose the others
            logger.exception("an uplink's frame could not be handled")
            self.close("an internal error", Blame.GATEWAY)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        for timer in (self._timer, self._expiry, self._verification):
            if timer is not None:
                timer.cancel()
        self._acceptor.connection_closed(self)
        for seq in list(self._in_flight):
            self._fail(seq, self._closed_why, self._closed_by)

    def close(self, reason: str, blame: Blame = Blame.NETWORK) -> None:
        """``blame``: whose fault it is that its work stays undone."""
        if not self.is_closed:
            name = self.join.replica_id if self.join else self.peer
            logger.info("uplink of %r closed: %s", name, reason)
            self.is_closed, self._closed_by, self._closed_why = True, blame, f"the uplink closed: {reason}"
            self._acceptor.directory.remove(self)  # at once: connection_lost comes a turn of the loop later
            self._transport.abort()

    # -- messages

    def _handle(self, message: wire.Message) -> None:
        if self.join is None:
            self._handle_join(message)
            return
        match message:
            case wire.Result():
                self._take_result(message)
            case wire.Busy(seq):  # it has been given more than it takes, which is no failure of its own
                self._take_refusal(seq, "the replica is busy", Blame.GATEWAY)
            case wire.Failure(seq, code, reason):
                logger.warning("%r failed a dispatch: %r: %r", self.join.replica_id, code, reason)
                blame = Blame.GATEWAY if code in OWN_FAULTS else Blame.NODE
                said = quoted(f"{code}: {reason}")
                if code == "unpaid" and self._acceptor.payments is not None:
                    self._acceptor.payments.refused(self)
                if seq in self._in_flight:
                    self.health = self.health.failed(said, self.heard_at, self._rng)
                self._take_refusal(seq, said, blame)
            case wire.Pong() if self._pongs_left:
                self._pongs_left -= 1
                self.rows_waiting = message.rows_waiting
            case wire.Drain(reason) if not self.is_draining:
                logger.info("%r drains: %r", self.join.replica_id, reason)
                self.is_draining, self._drain_reason, self._draining_at = True, quoted(reason), self.heard_at
                self._acceptor.directory.refresh()
            case _:
                raise WireError(f"an uplink does not send {message.kind} now")

    def _handle_join(self, message: wire.Message) -> None:
        if self._verification is not None:
            raise WireError(f"{message.kind} before the Welcome")
        if not isinstance(message, wire.Join):
            raise WireError(f"expected join, got {message.kind}")
        self._asked = message
        try:
            self._acceptor.check(self.hello, message)
            verification = self._acceptor.credentials.verification(self.hello, message)
            if verification is None:
                self._enter(message)
            else:
                self._verification = self._loop.create_task(self._verify(message, verification))
        except JoinRefused as refused:
            self.refuse(refused)

    async def _verify(self, join: wire.Join, verification: Verification) -> None:
        try:
            await verification
            if not self.is_closed:
                self._enter(join)
        except JoinRefused as refused:
            self.refuse(refused)
        except Exception:
            logger.exception("a Join could not be verified")
            self.close("an internal error", Blame.GATEWAY)

    def _enter(self, join: wire.Join) -> None:
        """Raises JoinRefused."""
        self.join = join
        try:
            self._acceptor.claim(self)
        except JoinRefused:
            self.join = None
            raise
        self._acceptor.handshake_done(self)
        if self._timer is not None:
            self._timer.cancel()
        self.joined_at = monotonic()
        self._write(self._acceptor.welcome(self.hello, join))
        self._acceptor.admit(self)

    def refuse(self, refused: JoinRefused) -> None:
        if self.is_closed:
            return
        self._acceptor.counters.joins_refused += 1
        self._write(wire.Reject(refused.reason_code, str(refused)[:512]))
        logger.warning("refused %s: %s", self.peer, refused)
        if self._asked is not None:
            self._acceptor.directory.refusals.note(key_of(self._asked), refused, monotonic())
        self.is_closed = True
        self._acceptor.directory.remove(self)  # where it had joined: it gets nothing more
        self._transport.close()  # after the Reject is flushed

    # -- work

    def dispatch(
        self,
        layer: int,
        groups: list[tuple[int, int]],
        row_index: list[int],
        hidden_states: Array,
        timeout_s: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        """Send rows; ``on_answer`` hears their outputs or why there are none, soon after ``timeout_s`` at the latest,
        and never before this returns."""
        if self.is_closed:
            self._loop.call_soon(on_answer, DispatchFailed(self._closed_why, self._closed_by))
            return
        seq, shape = self.next_seq, (len(row_index), hidden_states.shape[1])
        self._write(wire.Dispatch(seq, layer, groups, row_index, hidden_states, int(timeout_s * 1000)))
        self._expect(shape, hidden_states.dtype, timeout_s, on_answer)  # while the replica works

    def _expect(
        self, shape: tuple[int, int], dtype: np.dtype[Any], timeout_s: float, on_answer: Callable[[Answer], None]
    ) -> None:
        # No frame may be larger than the largest answer that was ever asked for: a peer cannot fill this side's memory.
        largest_bytes = wire.MAX_HANDSHAKE_BYTES + shape[0] * shape[1] * dtype.itemsize
        self._reader.limit_bytes = max(self._reader.limit_bytes, largest_bytes)
        now = self.sent_at = monotonic()
        self._in_flight[self.next_seq] = _InFlight(on_answer, shape, dtype, now, now + timeout_s)
        self._acceptor.counters.dispatches += 1
        self.next_seq += 1
        self.rows_in_flight += shape[0]
        self.rows_sent += shape[0]
        if self._expiry is None:
            self._expiry = self._loop.call_later(timeout_s, self._expire_due, False)

    # -- work whose bytes a compiled round moves past this object (router.round)

    @property
    def bare_fd(self) -> int:
        """Its socket, for whole frames only; -1 while bytes wait in between here."""
        is_busy = self.is_closed or self._reader.has_partial or self._transport.get_write_buffer_size()
        return -1 if is_busy else self._fd

    @property
    def is_readable(self) -> bool:
        return not self.is_closed and not self._reader.has_partial

    @property
    def max_rows(self) -> int:
        """Of one Dispatch."""
        assert self.join is not None
        return min(self.join.capacity, wire.MAX_ROWS)

    def sent_bare(
        self,
        unsent: bytes,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        timeout_s: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        """A Dispatch with ``next_seq`` went out but for its last bytes, ``unsent``; otherwise as ``dispatch``."""
        self._acceptor.counters.frames_out += 1
        if unsent:
            self._transport.write(unsent)
        self._expect(shape, dtype, timeout_s, on_answer)

    def answered_bare(self, seq: int, now: float) -> None:
        """The Result has been taken from the socket, and is in place."""
        flight = self._in_flight.pop(seq)
        self._acceptor.counters.frames_in += 1
        self.rows_in_flight -= flight.shape[0]
        self.heard_at = now
        self._note_answer(flight, now)

    def promise(self, voucher: wire.Voucher) -> None:
        if not self.is_closed:
            self._write(voucher)

    def ping(self, token: int) -> None:
        self._pongs_left = min(self._pongs_left + 1, MAX_PONGS)
        self._write(wire.Ping(token))

    def _take_result(self, result: wire.Result) -> None:
        flight, outputs = self._in_flight.get(result.seq), result.outputs
        if self._acceptor.payments is not None:  # what comes too late was computed all the same
            num_rows = flight.shape[0] if flight is not None else self._expired.get(result.seq, (0, 0.0))[0]
            self._acceptor.payments.answered(self, num_rows)
        if flight is None:
            self._let_pass(result.seq)
            return
        if outputs.shape != flight.shape or outputs.dtype != flight.dtype:
            due = f"{flight.dtype} {flight.shape}"
            raise WireError(f"a result of {outputs.dtype} {outputs.shape} where {due} was due")
        self._note_answer(flight, self.heard_at)
        self._settle(result.seq, outputs)

    def _note_answer(self, flight: _InFlight, now: float) -> None:
        latency_s = now - flight.sent_at
        self.latency_s += (LATENCY_WEIGHT if self.latency_s else 1.0) * (latency_s - self.latency_s)
        self.pace.note(flight.shape[0], latency_s, now)
        if self.health.num_failures:
            self.health = self.health.answered(now)

    def _take_refusal(self, seq: int, reason: str, blame: Blame) -> None:
        if seq in self._in_flight:
            self._fail(seq, reason, blame)
        else:
            self._let_pass(seq)

    def _fail(self, seq: int, reason: str, blame: Blame) -> None:
        self.failures[blame] += 1
        self._acceptor.note_failure(self, blame)
        self._settle(seq, DispatchFailed(reason, blame))

    def _let_pass(self, seq: int) -> None:
        """An answer that comes too late; one to nothing that was asked breaks the protocol."""
        if seq not in self._expired:
            raise WireError(f"an answer to dispatch {seq}, which was never sent or is answered")
        num_rows, sent_at = self._expired.pop(seq)
        self.pace.note(num_rows, self.heard_at - sent_at, self.heard_at)
        self.health = self.health.answered_late(self.heard_at)

    def _settle(self, seq: int, answer: Answer) -> None:
        flight = self._in_flight.pop(seq)
        self.rows_in_flight -= flight.shape[0]
        flight.on_answer(answer)

    def _expire_due(self, has_read: bool) -> None:
        """Give up on what is overdue. One timer watches all dispatches, since nearly all are answered long before."""
        now, self._expiry = monotonic(), None
        due = [seq for seq, flight in self._in_flight.items() if flight.deadline <= now]
        if due and not has_read:  # the loop may itself have computed that long: what has arrived is read first
            self._expiry = self._loop.call_later(READ_GRACE_S, self._expire_due, True)
            return
        for seq in due:
            self._expire(seq, now)
        if self._in_flight and not self.is_closed:
            soonest = min(flight.deadline for flight in self._in_flight.values())
            self._expiry = self._loop.call_later(max(0.0, soonest - now), self._expire_due, False)

    def _expire(self, seq: int, now: float) -> None:
        flight = self._in_flight[seq]
        self._expired[seq] = flight.shape[0], flight.sent_at
        reason = f"no answer to a dispatch in {now - flight.sent_at:.1f} s"
        self.health = self.health.timed_out(reason, now, self._rng)
        self._acceptor.counters.timeouts += 1
        # Whoever has been heard since has the work and does not do it; else it may never have arrived.
        self._fail(seq, reason, Blame.NODE if self.heard_at > flight.sent_at else Blame.NETWORK)
        if len(self._expired) > MAX_UNANSWERED:
            self.close(f"{len(self._expired)} dispatches without an answer", Blame.NODE)

    def _write(self, message: wire.Message) -> None:
        frame = wire.encode(message)
        self._acceptor.counters.frames_out += 1
        self._transport.write(frame)
        if len(frame) > LARGE_BYTES and self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.close("it does not read what it is sent", Blame.NODE)


def key_of(join: wire.Join) -> UplinkKey:
    return UplinkKey(join.signer, join.node_id, join.replica_id)
