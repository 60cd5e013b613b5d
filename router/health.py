"""The circuit of one uplink: whether it gets work, and why not. Pure: the clock and the randomness are passed in.

::

                  a timeout, silence, or MAX_FAILURES failures in a row
    CLOSED  ─────────────────────────────────────────────────────────>  OPEN <─────┐
       ^                                                                 │         │ a failure, a timeout,
       │                                    its time is over, or an      │         │ silence
       │  an answer in time                 answer that comes too late   v         │
       └──────────────────────────────────────────────────────────── HALF_OPEN ────┘

An open one gets no work while another replica has room; a half-open one gets one dispatch at a time, as a trial.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_FAILURES = 3  # in a row; the last of them opens
FIRST_OPEN_S = 1.0  # doubled with each opening
MAX_OPEN_S = 30.0
JITTER = 0.25  # of an open time, either way: several routers do not try a replica at the same moment
STEADY_S = 60.0  # a circuit that stayed closed for this long begins anew with FIRST_OPEN_S


class Circuit(StrEnum):
    """Values are what an operator reads."""

    CLOSED = "serving"
    OPEN = "suspended"
    HALF_OPEN = "on trial"


@dataclass(frozen=True, slots=True)
class Health:
    """Times are seconds of the caller's clock. Methods return the health after something was observed."""

    since: float
    circuit: Circuit = Circuit.CLOSED
    reason: str = ""  # of the last opening
    num_failures: int = 0  # in a row; above 0 wherever it is not closed
    num_openings: int = 0  # without a steady time in between
    retry_at: float = 0.0  # when an open one is tried again

    def at(self, now: float) -> Health:
        """An open circuit becomes half-open when its time is over."""
        if self.circuit is Circuit.OPEN and now >= self.retry_at:
            return replace(self, circuit=Circuit.HALF_OPEN, since=self.retry_at)
        return self

    def answered(self, now: float) -> Health:
        """A dispatch was answered in time."""
        if self.circuit is Circuit.CLOSED:
            return replace(self, num_failures=0) if self.num_failures else self
        return replace(self, circuit=Circuit.CLOSED, since=now, reason="", num_failures=0)

    def answered_late(self, now: float) -> Health:
        """A dispatch was answered after its deadline: alive, but not yet to be trusted."""
        return replace(self, retry_at=now).at(now) if self.circuit is Circuit.OPEN else self

    def failed(self, reason: str, now: float, rng: random.Random) -> Health:
        """A dispatch was answered with a failure."""
        if self.circuit is Circuit.CLOSED and self.num_failures + 1 < MAX_FAILURES:
            return replace(self, num_failures=self.num_failures + 1)
        return self._opened(f"{self.num_failures + 1} failures in a row, the last: {reason}", now, rng)

    def timed_out(self, reason: str, now: float, rng: random.Random) -> Health:
        """A dispatch was not answered by its deadline, which is far beyond what any answer takes."""
        return self._opened(reason, now, rng)

    def silent(self, reason: str, now: float, rng: random.Random) -> Health:
        """Pings are not answered; while that lasts there is nothing to try."""
        if self.circuit is Circuit.OPEN:
            return replace(self, reason=reason, retry_at=max(self.retry_at, now + FIRST_OPEN_S))
        return self._opened(reason, now, rng)

    def _opened(self, reason: str, now: float, rng: random.Random) -> Health:
        current = self.at(now)
        if current.circuit is Circuit.OPEN:  # what else it owes is no new finding
            return self
        is_steady = current.circuit is Circuit.CLOSED and now - self.since >= STEADY_S
        num_openings = 1 if is_steady else self.num_openings + 1
        open_s = min(FIRST_OPEN_S * 2.0 ** min(num_openings - 1, 30), MAX_OPEN_S)
        retry_at = now + open_s * rng.uniform(1 - JITTER, 1 + JITTER)
        return Health(now, Circuit.OPEN, reason, self.num_failures + 1, num_openings, retry_at)
