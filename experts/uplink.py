"""An expert's connection to one router, seen from the expert: dial, join, serve, redial for ever.

Experts dial out, so a node behind NAT needs no open port. Everything runs in one event loop with the computation
itself: between a frame and its answer no thread is switched.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from moray import wire
from moray.errors import JoinRefused, WireError
from moray.experts.executor import Executor

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 3.0
HANDSHAKE_TIMEOUT_S = 10.0
MAX_UNREAD_BYTES = 2 * wire.MAX_FRAME_BYTES  # written and not taken by the router; beyond it the uplink ends


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """Who this replica is, in every Join."""

    node_id: str
    replica_id: str
    experts: tuple[int, ...]
    shards_digest: bytes
    model_id: str
    numeric_class: str
    token: bytes = field(repr=False)


class ExpertUplink(asyncio.Protocol):
    """One connection. ``closed`` is done when it is over; its exception says why, if the router refused."""

    def __init__(self, identity: ReplicaIdentity, incarnation: int, executor: Executor) -> None:
        self._identity, self._incarnation, self._executor = identity, incarnation, executor
        self._reader = wire.FrameReader(wire.MAX_HANDSHAKE_BYTES)
        self._hello: wire.Hello | None = None
        self._join: wire.Join | None = None
        self.is_serving = self.was_welcomed = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None  # ends a handshake that takes too long

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        late = WireError("the router did not welcome in time")
        self._timer = self._loop.call_later(HANDSHAKE_TIMEOUT_S, self._end, late)

    def data_received(self, data: bytes) -> None:
        if self.closed.done():
            return
        try:
            dispatches = []
            for payload in self._reader.feed(data):
                message = wire.decode(payload)
                if isinstance(message, wire.Dispatch) and self.is_serving:
                    dispatches.append(message)
                else:
                    self._handle(message)
            if dispatches:
                self._serve(dispatches)
        except (WireError, JoinRefused) as broken:
            self._end(broken)
        except Exception as mistake:  # of ours, on this router's bytes; other routers are served on
            logger.exception("a router's frame could not be handled")
            self._end(WireError(f"an internal error: {type(mistake).__name__}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None)

    def drain(self, reason: str) -> None:
        if self.is_serving:
            self._write(wire.Drain(reason))

    def close(self) -> None:
        self._end(None)

    def _serve(self, dispatches: list[wire.Dispatch]) -> None:
        for answer in self._executor.execute(dispatches):
            self._write(answer)

    def _handle(self, message: wire.Message) -> None:
        match message:
            case wire.Hello() if self._hello is None:
                self._hello, self._join = message, self._answer(message)
                self._write(self._join)
            case wire.Welcome() if self._join is not None and not self.is_serving:
                self._check_welcome(message)
                self._stop_timer()
                self._reader.limit_bytes = wire.MAX_FRAME_BYTES
                self.is_serving = self.was_welcomed = True
                logger.info("%s serves %r", self._identity.replica_id, self._hello.router if self._hello else "")
            case wire.Reject(code, reason):
                raise JoinRefused(code, reason)
            case wire.Ping(token):
                self._write(wire.Pong(token, 0, self._executor.rows_done))
            case _:
                raise WireError(f"a router does not send {message.kind} now")

    def _answer(self, hello: wire.Hello) -> wire.Join:
        identity = self._identity
        if not hello.protocol_min <= wire.PROTOCOL_VERSION <= hello.protocol_max:
            raise WireError(f"the router speaks {hello.protocol_min} to {hello.protocol_max}; update the older side")

        def join(proof: bytes) -> wire.Join:
            return wire.Join(
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
                proof=proof,
            )

        return join(wire.join_proof(identity.token, hello, join(b"")))

    def _check_welcome(self, welcome: wire.Welcome) -> None:
        assert self._hello is not None and self._join is not None
        expected = wire.uplink_id(self._hello, self._join)
        proof = wire.welcome_proof(self._identity.token, expected)
        if welcome.uplink_id != expected or not hmac.compare_digest(welcome.proof, proof):
            raise WireError("this router does not know the operator's wire token")

    def _write(self, message: wire.Message) -> None:
        if self.closed.done():
            return
        self._transport.write(wire.encode(message))
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._end(WireError("the router does not read what it is sent"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, error: Exception | None) -> None:
        self.is_serving = False
        self._stop_timer()
        if hasattr(self, "_transport"):
            self._transport.abort()
        if not self.closed.done():
            if error is None:
                self.closed.set_result(None)
            else:
                self.closed.set_exception(error)


async def keep_uplink(
    host: str,
    port: int,
    identity: ReplicaIdentity,
    executor: Executor,
    next_incarnation: Callable[[], int],
    on_change: Callable[[ExpertUplink | None], None],
) -> None:
    """Dial the router at host:port, serve it, and dial again whenever the connection ends; until cancelled.
    Raises what ``next_incarnation`` raises.

    ``on_change`` hears each new uplink, and None when it is gone.
    """
    loop = asyncio.get_running_loop()
    backoff_s = FIRST_BACKOFF_S
    while True:
        incarnation, was_welcomed = next_incarnation(), False
        try:
            new_uplink = partial(ExpertUplink, identity, incarnation, executor)
            _, uplink = await loop.create_connection(new_uplink, host, port)
            on_change(uplink)
            try:
                await uplink.closed
            finally:
                on_change(None)
                uplink.close()
                was_welcomed = uplink.was_welcomed
        except (OSError, WireError, JoinRefused) as exc:
            logger.warning("%s: router %s:%d: %s", identity.replica_id, host, port, exc)
        backoff_s = FIRST_BACKOFF_S if was_welcomed else min(backoff_s * 2, MAX_BACKOFF_S)
        await asyncio.sleep(backoff_s * (0.5 + random.random()))
