"""Whether a step runs as several micro-batches, one computed while others wait for their experts; only where it pays.

It pays where waiting costs more than smaller batches do, which depends on the model, the network, the cores and the
number of rows, and changes with them. So it is measured: every way, for steps of about the same size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from moray.types import OverlapMode

WAYS = (1, 2, 4)  # parts of a step: one waits; two hide half a step's computing behind a wait, four three quarters
FIRST_SAMPLES = 4  # of each way, before the best one is taken
TRY_AGAIN = 16  # steps; then a way as good as the best is measured once more
SMALL_GAP = 0.05  # a way that much slower waits twice as long for it, and so on: trying costs more, promises less
WEIGHT = 0.2  # of the newest sample
OUTLIER = 1.5  # times the mean: a pause of the machine says nothing about the way, a spell is learned all the same
MIN_ROWS = 8  # below it a step is all fixed cost


@dataclass(slots=True)
class _Way:
    num_parts: int
    seconds: float = 0.0  # running mean per step
    samples: int = 0
    tried_at: int = 0  # the step

    def is_due(self, step: int, best_s: float) -> bool:
        return step - self.tried_at >= TRY_AGAIN * (1 + (self.seconds / best_s - 1) / SMALL_GAP)


@dataclass(slots=True)
class _Measured:
    ways: list[_Way] = field(default_factory=lambda: [_Way(num_parts) for num_parts in WAYS])
    step: int = 0


class Overlap:
    """Steps of 8 to 15 rows are compared with each other, 16 to 31, and so on."""

    def __init__(self, mode: OverlapMode = "auto") -> None:
        """``on``: always; ``off``: never."""
        self._mode = mode
        self._by_size: dict[int, _Measured] = {}

    def choose(self, num_rows: int) -> int:
        """In how many parts the next step runs."""
        if self._mode != "auto" or num_rows < MIN_ROWS:
            return 2 if self._mode == "on" else 1
        measured = self._by_size.setdefault(num_rows.bit_length(), _Measured())
        measured.step += 1
        way = _next_way(measured)
        way.tried_at = measured.step
        return way.num_parts

    def note(self, num_rows: int, num_parts: int, seconds: float) -> None:
        """A step of so many rows took so long."""
        if self._mode != "auto" or num_rows < MIN_ROWS:
            return
        measured = self._by_size.setdefault(num_rows.bit_length(), _Measured())
        way = measured.ways[WAYS.index(num_parts)]
        if way.samples == 0:
            way.seconds = seconds
        else:
            way.seconds += WEIGHT * (min(seconds, OUTLIER * way.seconds) - way.seconds)
        way.samples += 1


def _next_way(measured: _Measured) -> _Way:
    fewest = min(measured.ways, key=lambda way: way.samples)
    if fewest.samples < FIRST_SAMPLES:
        return fewest
    best = min(measured.ways, key=lambda way: way.seconds)
    due = [way for way in measured.ways if way is not best and way.is_due(measured.step, best.seconds)]
    return min(due, key=lambda way: way.tried_at, default=best)
