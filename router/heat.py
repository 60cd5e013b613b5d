"""How hot each expert is: rows per second that the gate sends it, a decayed mean."""

from __future__ import annotations

from math import exp, log
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Heat = NDArray[np.float64]  # [E], rows per second

FOLD_S = 0.5  # rows that come closer together than this decay together, which makes a round cheap to count


class HeatMeter:
    """Fed with what the gate chose, in one thread, and read in another; the clock is passed in and may be any that does
    not jump.

    A row counts half after ``half_life_s``. Long enough to smooth out single requests, short against the hours in which
    traffic changes: an expert's move costs its node a download.
    """

    def __init__(self, num_experts: int, now_s: float, half_life_s: float = 600.0) -> None:
        self._rows = np.zeros(num_experts)  # decayed to ``_folded_s``
        self._new = np.zeros(num_experts, np.int64)  # since then
        self._started_s = self._folded_s = now_s
        self._time_constant_s = half_life_s / log(2)
        self._lock = Lock()

    def note(self, expert_ids: NDArray[np.int64], now_s: float) -> None:
        """A round was dispatched: expert_ids [T, K], each below E. Takes O(T*K + E)."""
        with self._lock:
            if now_s - self._folded_s >= FOLD_S:
                self._fold(now_s)
            self._new += np.bincount(expert_ids.ravel(), minlength=len(self._new))

    def snapshot(self, now_s: float) -> Heat:
        """Rows per second of each expert [E], a copy. Zeros before any time has passed.

        Right from the start: the decayed sum is divided by what one row per second would have summed up to by now.
        """
        with self._lock:
            self._fold(now_s)
            watched_s = self._time_constant_s * (1.0 - exp((self._started_s - self._folded_s) / self._time_constant_s))
            return self._rows / watched_s if watched_s > 0 else np.zeros(len(self._rows))

    def _fold(self, now_s: float) -> None:
        self._rows += self._new
        self._rows *= exp(min(0.0, self._folded_s - now_s) / self._time_constant_s)
        self._new[:] = 0
        self._folded_s = max(self._folded_s, now_s)
