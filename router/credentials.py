"""How a replica proves whose it is: by its operator's wire token, or by the signature of a key, which may be anybody's.

Checks that cost nothing come first and are the listener's to call; recovering a signer takes half a millisecond of
another thread, and what waits for it is bounded. Where joining requires stake, whether the signer has it comes last.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Protocol

from moray import wire
from moray.errors import BadSignature, JoinRefused
from moray.join_signature import recover_signer
from moray.node_key import SIGNATURE_BYTES
from moray.router.rate_limit import RateLimits
from moray.router.stake import StakeDoor

MAX_LIFETIME_S = 120  # of a signed Join, from the router's now to its ``expires_at``
JOINS_PER_S = 5.0  # of one signer
JOIN_BURST = 1024  # all its replicas dial a router that comes back
MAX_SIGNERS = 100_000  # whose rate is remembered
MAX_VERIFYING = 256  # Joins that wait for their signer; more are told to come back

Verification = Coroutine[Any, Any, None]


class Credentials(Protocol):
    def check(self, hello: wire.Hello, join: wire.Join) -> None:
        """What is cheap. Raises JoinRefused."""
        ...

    def verification(self, hello: wire.Hello, join: wire.Join) -> Verification | None:
        """What is not, after ``check``: to be awaited; it raises JoinRefused. None: nothing is left."""
        ...

    def welcome_proof(self, uplink_id: bytes) -> bytes:
        """By which the replica knows its router."""
        ...


class TokenCredentials:
    """Inside one operator's trust domain: both sides know the wire token, and nobody signs."""

    def __init__(self, token: bytes) -> None:
        self._token = token

    def check(self, hello: wire.Hello, join: wire.Join) -> None:
        if not hmac.compare_digest(wire.join_proof(self._token, hello, join), join.proof):
            raise JoinRefused("wrong_token", "the proof does not fit; give the replica this operator's wire token")
        if join.signer:
            raise JoinRefused("unsigned_here", "a Join with a signer comes over TLS; leave it empty with a wire token")

    def verification(self, hello: wire.Hello, join: wire.Join) -> None:
        return None

    def welcome_proof(self, uplink_id: bytes) -> bytes:
        return wire.welcome_proof(self._token, uplink_id)


class SignedCredentials:
    """Between operators: the TLS session proves the router, an EIP-712 signature over its certificate the replica."""

    def __init__(
        self, tls_cert_sha256: bytes, wall_clock: Callable[[], float], stakes: StakeDoor | None = None
    ) -> None:
        """``tls_cert_sha256``: of the DER certificate that every session of this listener presents. ``stakes``: None
        where joining requires none."""
        self._certificate, self._wall_clock, self._stakes = tls_cert_sha256, wall_clock, stakes
        self._rates = RateLimits(JOINS_PER_S, JOIN_BURST, MAX_SIGNERS)
        self._recovering = ThreadPoolExecutor(1, "recover signers")
        self._num_verifying = 0

    def check(self, hello: wire.Hello, join: wire.Join) -> None:
        if join.tls_cert_sha256 != self._certificate:
            raise JoinRefused("wrong_certificate", "the Join was made for another router's TLS session")
        left_s = join.expires_at - self._wall_clock()
        if not 0 < left_s <= MAX_LIFETIME_S:
            problem = f"it expired {-left_s:.0f} s ago" if left_s <= 0 else f"it lasts {left_s:.0f} s"
            raise JoinRefused("wrong_clock", f"{problem}; at most {MAX_LIFETIME_S} s from now are taken: set the clock")
        if len(join.signature) != SIGNATURE_BYTES or join.proof:
            raise JoinRefused("bad_signature", "a Join over TLS has a signature of 65 bytes and no token's proof")

    def verification(self, hello: wire.Hello, join: wire.Join) -> Verification:
        return self._verify(hello, join)

    async def _verify(self, hello: wire.Hello, join: wire.Join) -> None:
        if self._num_verifying >= MAX_VERIFYING:
            raise JoinRefused("too_many_joins", "this router verifies as many Joins as it can; dial again later")
        self._num_verifying += 1
        try:
            loop = asyncio.get_running_loop()
            signer = await loop.run_in_executor(self._recovering, recover_signer, hello, join)
        except BadSignature as bad:
            raise JoinRefused("bad_signature", str(bad)) from None
        finally:
            self._num_verifying -= 1
        if signer != join.signer:
            raise JoinRefused("bad_signature", "the signature is not of the signer over this Hello and this Join")
        if not self._rates.allow(signer, monotonic()):
            raise JoinRefused("too_many_joins", f"{signer} joins more often than {JOINS_PER_S:.0f} times a second")
        if self._stakes is not None:
            await self._stakes.check(signer)

    def welcome_proof(self, uplink_id: bytes) -> bytes:
        return b""
