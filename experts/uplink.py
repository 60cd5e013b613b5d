"""An expert's connection to one router, seen from the expert: join, then serve until it ends.

Experts dial out, so a node behind NAT needs no open port. One thread reads, computes and writes: between a frame
and its answer no thread is switched, and for ordinary work no Python runs (``experts.serving_kernel``).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from moray import wire
from moray.errors import JoinRefused, WireError
from moray.experts.allowance import Allowance
from moray.experts.connections import Connection
from moray.experts.credentials import Credentials
from moray.experts.credit import Credit
from moray.experts.executor import Answer, Executor
from moray.experts.served import ServedExperts, ServingRoom
from moray.experts.serving_kernel import BEATS, CANNOT_SEND, CLOSED, IS_STOPPED, NUM_PULSES, ROWS_DONE
from moray.quoting import quoted

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 10.0
VOUCHER_BURST = 10  # on one connection; one more for every second that it lasts
SEND_BYTES = 16 << 10  # between two signs of life: a record of TLS, for each of which a router has its time


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """Who this replica is, in every Join."""

    node_id: str
    replica_id: str
    experts: tuple[int, ...]
    shards_digest: bytes
    model_id: str
    numeric_class: str


class ExpertUplink:
    """One connection; the thread that calls ``run`` serves it, the other methods are for any thread."""

    def __init__(
        self,
        connection: Connection,
        identity: ReplicaIdentity,
        credentials: Credentials,
        incarnation: int,
        executor: Executor,
        served: ServedExperts | None = None,
        on_beat: Callable[[], None] = lambda: None,
        allowance: Allowance | None = None,
        credit: Credit | None = None,
    ) -> None:
        """``served``: the executor's experts for the serving kernel; None: the executor answers everything.
        ``allowance``: of this router, where it does not get all it asks for; the kernel counts no rows for it.
        ``credit``: where its vouchers go; None: it is to send none."""
        self._connection, self._identity, self._credentials = connection, identity, credentials
        self._incarnation, self._executor, self._on_beat = incarnation, executor, on_beat
        self._allowance, self._credit = allowance, credit
        self._num_vouchers, self._welcomed_at = 0, 0.0
        self._served = served if connection.bare_fd >= 0 and allowance is None else None
        self._room = ServingRoom() if self._served is not None else None
        self._reader = wire.FrameReader(wire.MAX_HANDSHAKE_BYTES)
        self._hello: wire.Hello | None = None
        self._join: wire.Join | None = None
        self.is_serving = self.was_welcomed = False
        self._pulse = np.zeros(NUM_PULSES, np.int64)
        self._drain_reason: str | None = None  # yet to be said
        self._is_draining = self._is_ended = False

    def run(self) -> None:
        """Returns when the connection is over. Raises WireError when the router breaks the protocol, JoinRefused when
        it does not want this replica."""
        late_at = monotonic() + HANDSHAKE_TIMEOUT_S
        try:
            while not self._is_ended:
                self._on_beat()
                data = self._read()
                if data == b"":
                    return
                if data is not None:
                    self._take(data)
                if not self.was_welcomed and monotonic() > late_at:  # also one that sends byte by byte
                    raise WireError("the router did not welcome in time")
                if self._drain_reason is not None and self.is_serving:
                    if not self._is_draining:  # a second Drain would break the protocol
                        self._write(wire.Drain(self._drain_reason))
                    self._is_draining, self._drain_reason = True, None
                if self._allowance is not None and self._allowance.is_renewed(monotonic()):
                    logger.info("%s is paid and joins again", self._identity.replica_id)
                    return  # nothing undoes a Drain
        finally:
            self.is_serving = False
            self._executor.rows_done += int(self._pulse[ROWS_DONE])
            self._connection.close()

    @property
    def progress(self) -> int:
        """Rises while the thread is not stuck."""
        return int(self._pulse[BEATS])

    def drain(self, reason: str) -> None:
        """Ask the router to send nothing new; work is still answered."""
        self._drain_reason = reason
        self._pulse[IS_STOPPED] = 1

    def end(self) -> None:
        self._is_ended = True
        self._pulse[IS_STOPPED] = 1

    def _read(self) -> bytes | memoryview | None:
        """What Python has to handle; nothing at the connection's end; None when nothing came in time."""
        self._pulse[IS_STOPPED] = 0  # whoever set it has said why before
        if self._room is not None and self._served is not None and self.is_serving and not self._reader.has_partial:
            if self._drain_reason is not None or self._is_ended:
                return None
            count = self._room.serve(self._connection.bare_fd, self._served, self._pulse)
            if count == CANNOT_SEND:
                raise WireError("the router does not read what it is sent")
            if count > 0:
                return self._room.received[:count].data
            return b"" if count == CLOSED else None
        return self._connection.receive()

    def _take(self, data: bytes | memoryview) -> None:
        try:
            dispatches = []
            for payload in self._reader.feed(data):
                message = wire.decode(payload)
                if isinstance(message, wire.Dispatch) and self.is_serving:
                    dispatches.append(message)
                else:
                    self._handle(message)
            # With a kernel, these are what piled up behind something else: each has the whole capacity, as there.
            groups = [[one] for one in dispatches] if self._served is not None else [dispatches] if dispatches else []
            for group in groups:
                for answer in self._execute(group):
                    self._write(answer)
        except (WireError, JoinRefused):
            raise
        except Exception as mistake:  # of ours, on this router's bytes; other routers are served on
            logger.exception("a router's frame could not be handled")
            raise WireError(f"an internal error: {type(mistake).__name__}") from None

    def _execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        """One answer per dispatch. Where the allowance is spent nothing is computed, and the router is told to ask
        others; what was on its way is refused one by one."""
        allowance = self._allowance
        if allowance is None:
            return self._executor.execute(dispatches)
        given = [dispatch for dispatch in dispatches if allowance.take(len(dispatch.row_index))]
        answers = self._executor.execute(given)
        for dispatch, answer in zip(given, answers, strict=True):
            if not isinstance(answer, wire.Result):
                allowance.give_back(len(dispatch.row_index))
        refused = dispatches[len(given) :]  # the first that was refused was the last to be asked about
        if refused:
            self.drain(_unpaid(allowance))
        return [*answers, *(wire.Failure(dispatch.seq, "unpaid", _unpaid(allowance)) for dispatch in refused)]

    def _handle(self, message: wire.Message) -> None:
        match message:
            case wire.Hello() if self._hello is None:
                self._hello, self._join = message, self._answer(message)
                self._write(self._join)
            case wire.Welcome() if self._join is not None and not self.is_serving:
                self._check_welcome(message)
                self._reader.limit_bytes = wire.MAX_FRAME_BYTES
                self.is_serving = self.was_welcomed = True
                self._welcomed_at = monotonic()
                logger.info("%s serves %r", self._identity.replica_id, self._hello.router if self._hello else "")
                if self._allowance is not None and self._allowance.is_spent:  # on a connection before this one
                    self.drain(_unpaid(self._allowance))
            case wire.Reject(code, reason):
                self.was_welcomed = False  # after all
                raise JoinRefused(quoted(code), quoted(reason))
            case wire.Voucher() if self._credit is not None and self.is_serving:
                self._num_vouchers += 1
                if self._num_vouchers > VOUCHER_BURST + monotonic() - self._welcomed_at:
                    raise WireError("a router sends a voucher for what it owes, not one after another")
                self._credit.hand(message)
            case wire.Ping(token):
                self._write(wire.Pong(token, 0, self._executor.rows_done + int(self._pulse[ROWS_DONE])))
            case _:
                raise WireError(f"a router does not send {message.kind} now")

    def _answer(self, hello: wire.Hello) -> wire.Join:
        identity = self._identity
        if not hello.protocol_min <= wire.PROTOCOL_VERSION <= hello.protocol_max:
            raise WireError(f"the router speaks {hello.protocol_min} to {hello.protocol_max}; update the older side")

        unproven = wire.Join(
            protocol=wire.PROTOCOL_VERSION,
            node_id=identity.node_id,
            signer="",
            replica_id=identity.replica_id,
            incarnation=self._incarnation,
            experts=list(identity.experts),
            shards_digest=identity.shards_digest,
            model_id=identity.model_id,
            numeric_class=identity.numeric_class,
            capacity=self._executor.capacity_rows,
            pid=os.getpid(),
            router=hello.router,
            tls_cert_sha256=b"",
            expires_at=0,
            features=[],
            signature=b"",
            proof=b"",
        )
        return self._credentials.present(hello, unproven)

    def _check_welcome(self, welcome: wire.Welcome) -> None:
        assert self._hello is not None and self._join is not None
        expected = wire.uplink_id(self._hello, self._join)
        if welcome.uplink_id != expected:
            raise WireError("the Welcome is not for this Join")
        self._credentials.check(expected, welcome)

    def _write(self, message: wire.Message) -> None:
        frame = memoryview(wire.encode(message))
        try:
            for start in range(0, len(frame), SEND_BYTES):
                self._on_beat()  # a router that reads slowly holds up its own uplink, and is no stuck thread
                self._connection.send(frame[start : start + SEND_BYTES])
        except TimeoutError:
            raise WireError("the router does not read what it is sent") from None
        except OSError:
            self._is_ended = True  # the connection is gone


def _unpaid(allowance: Allowance) -> str:
    return f"unpaid: this node computes at most {allowance.max_unpaid_rows} rows for a router that has not paid"
