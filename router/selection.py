"""Which replica of an expert gets the rows: power of two choices over a snapshot.

Two candidates are drawn at random and the one that should finish sooner wins. Random pairs keep routers that share
a view of the network from all rushing to the same replica (Mitzenmacher, "The power of two choices", 2001).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    rows_in_flight: int
    capacity_rows: int
    latency_s: float  # running mean of dispatch to result
    is_suspect: bool  # silent or late; used when nobody else is left


def choose(candidates: Sequence[Candidate], num_rows: int, rng: random.Random) -> int | None:
    """Index of the replica for ``num_rows`` more rows, None when none has room. Pure but for ``rng``."""
    fitting = [
        i for i, c in enumerate(candidates) if c.rows_in_flight == 0 or c.rows_in_flight + num_rows <= c.capacity_rows
    ]
    trusted = [i for i in fitting if not candidates[i].is_suspect]
    pool = trusted or fitting
    if len(pool) > 2:
        pool = rng.sample(pool, 2)
    return min(pool, key=lambda i: expected_s(candidates[i], num_rows), default=None)


def expected_s(candidate: Candidate, num_rows: int) -> float:
    """Mean latency stretched by what is queued already: a queue as long as the parcel doubles the wait."""
    return candidate.latency_s * (1.0 + candidate.rows_in_flight / num_rows)
