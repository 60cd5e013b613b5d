"""Which replica of an expert gets the rows: power of two choices over a snapshot.

Two candidates are drawn at random and the one that should finish sooner wins. Random pairs keep routers that share
a view of the network from all rushing to the same replica (Mitzenmacher, "The power of two choices", 2001). Whoever
loses always would never be measured again, so a small share of the choices goes to those that are due for a trial.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

SAME_PACE = 1.25  # replicas whose slowness differs by less share the work by their queues: it is measured with noise
TRIAL_SHARE = 1 / 16  # of the choices, as long as somebody is due


@dataclass(frozen=True, slots=True)
class Candidate:
    rows_in_flight: int
    capacity_rows: int
    slowness: float  # of its answers, in multiples of what is usual (router.pace)
    is_trusted: bool = True  # its circuit is closed; the others are used when nobody else is left
    is_due: bool = False  # for a trial: idle and not measured lately, or half-open


def choose(candidates: Sequence[Candidate], num_rows: int, rng: random.Random) -> int | None:
    """Index of the replica for ``num_rows`` more rows, None when none has room. Pure but for ``rng``."""
    fitting = [
        i for i, c in enumerate(candidates) if c.rows_in_flight == 0 or c.rows_in_flight + num_rows <= c.capacity_rows
    ]
    due = [i for i in fitting if candidates[i].is_due]
    if due and rng.random() < TRIAL_SHARE:
        return rng.choice(due)
    pool = [i for i in fitting if candidates[i].is_trusted] or fitting
    if len(pool) > 2:
        pool = rng.sample(pool, 2)
    elif rng.random() < 0.5:
        pool.reverse()  # the first of two equals is taken
    least = SAME_PACE * min((candidates[i].slowness for i in pool), default=0.0)
    return min(pool, key=lambda i: expected(candidates[i], num_rows, least), default=None)


def expected(candidate: Candidate, num_rows: int, least: float = 0.0) -> float:
    """Time to the answer in multiples of the usual: a queue as long as the parcel doubles the wait. Who is quicker than
    ``least`` counts as that."""
    return max(candidate.slowness, least) * (1.0 + candidate.rows_in_flight / num_rows)
