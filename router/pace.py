"""How fast a replica answers, told apart from how much it was asked: latencies are compared with what is usual for
dispatches of about as many rows, so that a replica that happens to get long prompts does not look slow."""

from __future__ import annotations

import math

UNKNOWN_S = 0.1  # what is assumed usual of a size that nobody has answered yet
NUM_SIZES = 32  # size classes: rows of as many binary digits
QUANTILE = 0.95
STEP = 0.05  # of a streaming quantile, as a logarithm: one sample moves it by at most five percent
MEAN_WEIGHT = 0.1  # of the newest sample in the running mean
STALE_AFTER_S = 0.5  # a mean that is older says little
STALE_WEIGHT = 0.5  # of the sample that comes then
MAX_SLOWNESS = 100.0  # of one sample; what took longer was a stall and not a pace


def quantile_step(share: float) -> tuple[float, float]:
    """Factors of a streaming quantile for a sample above and one below it. Where it stands still on average, ``share``
    of the samples are below (stochastic approximation on the logarithm, so that the unit does not matter)."""
    return math.exp(STEP * share), math.exp(-STEP * (1 - share))


_MEDIAN_UP, _MEDIAN_DOWN = quantile_step(0.5)
_LATE_UP, _LATE_DOWN = quantile_step(QUANTILE)


class UsualLatency:
    """The streaming median of all replicas' latencies, for each size class."""

    def __init__(self) -> None:
        self._median_s = [0.0] * NUM_SIZES  # 0: nobody has answered one yet

    def of(self, num_rows: int) -> float:
        return self._median_s[num_rows.bit_length()] or UNKNOWN_S

    def note(self, num_rows: int, latency_s: float) -> float:
        """What was usual before this one."""
        size = num_rows.bit_length()
        usual_s = self._median_s[size]
        if not usual_s:
            self._median_s[size] = latency_s
            return latency_s
        self._median_s[size] = usual_s * (_MEDIAN_UP if latency_s > usual_s else _MEDIAN_DOWN)
        return usual_s


class Pace:
    """Of one replica, in multiples of what is usual: a new one is as all others are."""

    __slots__ = ("_measured_at", "_usual", "late", "slowness")

    def __init__(self, usual: UsualLatency, now: float) -> None:
        self._usual, self._measured_at = usual, now
        self.slowness = 1.0  # running geometric mean: a single stall says little
        self.late = 1.0  # streaming QUANTILE

    def note(self, num_rows: int, latency_s: float, now: float) -> None:
        """A dispatch of ``num_rows`` was answered. ``latency_s`` is above 0."""
        sample = min(latency_s / self._usual.note(num_rows, latency_s), MAX_SLOWNESS)
        weight = STALE_WEIGHT if now - self._measured_at > STALE_AFTER_S else MEAN_WEIGHT
        self._measured_at = now
        self.slowness *= (sample / self.slowness) ** weight
        self.late *= _LATE_UP if sample > self.late else _LATE_DOWN
