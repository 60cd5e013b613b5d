"""The data-plane listener: who may become an uplink, and who is still alive."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import Counter
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from moray import wire
from moray.errors import JoinRefused, PortTaken
from moray.pay_terms import ROWS_PER_PRICE
from moray.router.blame import Blame, Failures
from moray.router.credentials import Credentials
from moray.router.directory import Directory
from moray.router.pace import Pace
from moray.router.payments import PaymentBook
from moray.router.uplink import Uplink, key_of
from moray.types import PLAIN_NAME, DataAddress

MAX_PENDING_PER_ADDRESS = 256  # a whole local network may dial at once
MAX_EXAMS = 32  # known-answer tests at a time, of one address and of one signer: each reads a shard
PING_PERIOD_S = 0.5
SILENT_AFTER_S = 1.5  # without a word; found out within a period more
CLOSE_AFTER_S = 15.0
BACKLOG = 1024
SILENT = "it does not answer pings"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetworkIdentity:
    """What both sides of a handshake must agree on."""

    network_id: str
    model_id: str
    numeric_class: str
    num_experts: int
    router: str
    chain_id: int = 0
    shard_digests: tuple[bytes, ...] = ()  # by expert; empty: the router does not know them


@dataclass(slots=True)
class Counters:
    frames_in: int = 0
    frames_out: int = 0
    protocol_errors: int = 0
    joins_refused: int = 0
    dispatches: int = 0
    timeouts: int = 0
    retries: int = 0
    hedges: int = 0


class Examiner(Protocol):
    async def examine(self, uplink: Uplink) -> None:
        """Raises JoinRefused."""
        ...


class Acceptor:
    """Decides on connections and joins. Cheap checks first, the proof before anything that costs."""

    handshake_timeout_s = 5.0

    def __init__(
        self,
        identity: NetworkIdentity,
        directory: Directory,
        credentials: Credentials,
        examiner: Examiner | None = None,
        failures: Failures | None = None,
        counters: Counters | None = None,
        payments: PaymentBook | None = None,
    ) -> None:
        """``examiner``: what a replica has to pass before it gets work. ``failures`` counts dispatches that fail.
        ``payments``: None where nobody is paid."""
        self.payments = payments
        self.identity, self.directory, self.credentials, self._examiner = identity, directory, credentials, examiner
        self.counters, self.failures = counters or Counters(), failures or Failures()
        self._pending: Counter[str] = Counter()
        self._handshaking: set[Uplink] = set()
        self._exams: dict[Uplink, asyncio.Task[None]] = {}

    def admit_connection(self, uplink: Uplink) -> bool:
        if self._pending[uplink.source] >= MAX_PENDING_PER_ADDRESS:
            return False
        self._pending[uplink.source] += 1
        self._handshaking.add(uplink)
        return True

    def handshake_done(self, uplink: Uplink) -> None:
        if uplink in self._handshaking:
            self._handshaking.discard(uplink)
            self._pending[uplink.source] -= 1
            if not self._pending[uplink.source]:
                del self._pending[uplink.source]

    def connection_closed(self, uplink: Uplink) -> None:
        self.handshake_done(uplink)
        if self.payments is not None:
            self.payments.left(uplink)
        self.directory.remove(uplink)
        if uplink in self._exams:
            self._exams[uplink].cancel()  # nobody hears the answer, and others wait for theirs

    def note_failure(self, uplink: Uplink, blame: Blame) -> None:
        """A dispatch came to nothing, or to a wrong answer. Only what is a node's own fault touches its standing."""
        self.failures.count(blame)
        if blame is Blame.NODE and uplink.join is not None:
            self.directory.note_fault(uplink.key)

    def make_hello(self) -> wire.Hello:
        identity = self.identity
        return wire.Hello(
            protocol_min=wire.PROTOCOL_VERSION,
            protocol_max=wire.PROTOCOL_VERSION,
            network_id=identity.network_id,
            chain_id=identity.chain_id,
            model_id=identity.model_id,
            router=identity.router,
            challenge=secrets.token_bytes(32),
            features=[],
        )

    def check(self, hello: wire.Hello, join: wire.Join) -> None:
        """All that is cheap. Raises JoinRefused with the first check that fails."""
        identity = self.identity
        if join.protocol != wire.PROTOCOL_VERSION:
            raise JoinRefused("wrong_protocol", f"this router speaks {wire.PROTOCOL_VERSION}; update the older side")
        if join.model_id != identity.model_id:
            raise JoinRefused(
                "wrong_model", f"this router serves model {identity.model_id[:16]}; give the replica the same"
            )
        if join.numeric_class != identity.numeric_class:
            raise JoinRefused("wrong_numeric_class", f"this router serves {identity.numeric_class}")
        if join.router != identity.router:
            raise JoinRefused("wrong_router", "the Join names another router")
        if sorted(set(join.experts)) != join.experts or join.experts[-1] >= identity.num_experts:
            raise JoinRefused("wrong_experts", f"experts must ascend and stay below {identity.num_experts}")
        if not (PLAIN_NAME.fullmatch(join.node_id) and PLAIN_NAME.fullmatch(join.replica_id)):
            raise JoinRefused("wrong_name", "names of nodes and replicas are letters, digits and . _ : -, 128 at most")
        if not join.capacity:
            raise JoinRefused("wrong_capacity", "a replica without room for a row answers nothing; give it some")
        self.credentials.check(hello, join)
        if identity.shard_digests:
            expected = wire.digest_of([identity.shard_digests[expert] for expert in join.experts])
            if expected != join.shards_digest:
                raise JoinRefused("wrong_shard", "the shards are not those of the manifest; fetch them again")
        self.directory.check_incarnation(key_of(join), join.incarnation)

    def claim(self, uplink: Uplink) -> None:
        """Its Join is verified. Raises JoinRefused where its address or its signer has enough, or it comes too late."""
        if uplink.key.signer:
            examined = sum(
                other.source == uplink.source or other.key.signer == uplink.key.signer for other in self._exams
            )
            if examined >= MAX_EXAMS:
                raise JoinRefused("too_many_joins", f"{MAX_EXAMS} replicas from here are examined; dial again later")
        self.directory.claim(uplink)

    def welcome(self, hello: wire.Hello, join: wire.Join) -> wire.Welcome:
        uplink_id = wire.uplink_id(hello, join)
        return wire.Welcome(
            uplink_id=uplink_id,
            proof=self.credentials.welcome_proof(uplink_id),
            max_rows=wire.MAX_ROWS,
            ping_period_ms=int(PING_PERIOD_S * 1000),
            epoch_rows=ROWS_PER_PRICE if self.payments is not None else 0,
            prices=[self.payments.row_price] if self.payments is not None else [],
        )

    def admit(self, uplink: Uplink) -> None:
        """Whoever is welcome gets work, after the known-answer test where there is one. The Welcome comes first: a node
        answers nobody before the router has proved that it is the operator's. So does what it was promised last: one
        that is not paid enough fails the test."""
        if self.payments is not None:
            self.payments.welcomed(uplink)
        if self._examiner is None:
            self.directory.register(uplink)
            return
        exam = self._exams[uplink] = asyncio.create_task(self._examine(uplink, self._examiner))
        exam.add_done_callback(lambda _: self._exams.pop(uplink))

    async def _examine(self, uplink: Uplink, examiner: Examiner) -> None:
        try:
            await examiner.examine(uplink)
        except JoinRefused as refused:
            if refused.reason_code == "wrong_answer":  # no answer is counted where it did not come
                self.note_failure(uplink, Blame.NODE)
            uplink.refuse(refused)
        except Exception:  # a mistake of ours: no reason to trust the replica, nor to blame it
            logger.exception("a replica could not be examined")
            uplink.close("an internal error", Blame.GATEWAY)
        else:
            uplink.pace = Pace(self.directory.usual, monotonic())  # it was cold, and asked for what nobody else is
            self.directory.register(uplink)

    async def watch(self) -> None:
        """Ping all uplinks for ever; note who is silent and close who stays so. The loop may itself have been busy
        computing, so silence counts up to the last ping that the peer had time to answer."""
        token, rng = 0, random.Random()
        while True:
            token += 1
            asked_at = monotonic()
            for uplink in list(self.directory.uplinks.values()):
                uplink.ping(token)
            await asyncio.sleep(PING_PERIOD_S)
            for uplink in list(self.directory.uplinks.values()):
                silent_s = asked_at - uplink.heard_at
                if silent_s > CLOSE_AFTER_S:
                    uplink.close(f"silent for {silent_s:.1f} s")
                elif is_silent(uplink.heard_at, asked_at):
                    uplink.health = uplink.health.silent(SILENT, monotonic(), rng)


def is_silent(heard_at: float, asked_at: float) -> bool:
    """Whether a peer that was asked a period ago, and last heard at ``heard_at``, has been silent for too long."""
    return asked_at - heard_at > SILENT_AFTER_S - PING_PERIOD_S


async def listen(acceptor: Acceptor, address: DataAddress) -> list[asyncio.Server]:
    """The first is TCP. Raises PortTaken when that cannot be bound; without the Unix socket all is only slower."""
    loop, (host, port, path) = asyncio.get_running_loop(), address
    try:
        servers = [await loop.create_server(lambda: Uplink(acceptor), host, port, backlog=BACKLOG)]
    except OSError as exc:
        raise PortTaken(f"cannot listen on {address} ({exc.strerror}); give another --data-port") from None
    if path:
        try:
            servers.append(await loop.create_unix_server(lambda: Uplink(acceptor), path, backlog=BACKLOG))
        except OSError as exc:
            logger.warning("replicas on this machine use TCP, not %s: %s", path, exc.strerror or exc)
    return servers
