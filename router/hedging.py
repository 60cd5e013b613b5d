"""When a dispatch that is not answered goes to a second replica, and how many of them may.

The delay follows what the replicas of those experts have lately needed (Dean and Barroso, "The tail at scale", 2013).
The budget keeps a slow network from doubling its load.
"""

from __future__ import annotations

from dataclasses import dataclass

DELAY_FACTOR = 2.0  # of the quantile in router.pace
MIN_DELAY_S = 0.01  # longer than a compiled round waits for results; what is late by less is not worth a frame
MAX_DELAY_S = 0.5
SHARE = 0.05  # of all dispatches that may be hedged, in the long run
MAX_TOKENS = 8.0  # that may be hedged at once, after a quiet time


def hedge_delay_s(late_s: float) -> float:
    """``late_s``: by when 95 of 100 answers have come."""
    return min(max(DELAY_FACTOR * late_s, MIN_DELAY_S), MAX_DELAY_S)


@dataclass(frozen=True, slots=True)
class HedgeBudget:
    """A token bucket that dispatches fill: a network without work earns no hedges."""

    tokens: float = MAX_TOKENS
    num_dispatches: int = 0  # counted when ``tokens`` was true

    def filled(self, num_dispatches: int) -> HedgeBudget:
        """As of now; ``num_dispatches`` counts all since the start."""
        earned = SHARE * (num_dispatches - self.num_dispatches)
        return HedgeBudget(min(self.tokens + earned, MAX_TOKENS), num_dispatches)

    @property
    def can_spend(self) -> bool:
        return self.tokens >= 1.0

    def spent(self) -> HedgeBudget:
        """After one more hedge. Only when ``can_spend``."""
        return HedgeBudget(self.tokens - 1.0, self.num_dispatches)
