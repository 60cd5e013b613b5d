"""Whether a step runs as several micro-batches, one computed while others wait for their experts; only where it pays.

It pays where waiting costs more than smaller batches do, which depends on the model, the network, the cores and the
number of rows, and changes with them. So it is measured: every way, for steps of about the same size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from moray.types import OverlapMode

WAYS = (1, 2, 4)  # parts of a step: one waits; two hide half a step's computing behind a wait, four three quarters
FIRST_SAMPLES = 4  # of each way, before the better one is taken
TRY_AGAIN = 64  # steps; then another way is measured once more
WEIGHT = 0.2  # of the newest sample
OUTLIER = 3.0  # times the mean: a pause of the machine says nothing about the way
MIN_ROWS = 8  # below it a step is all fixed cost


@dataclass(slots=True)
class _Measured:
    seconds: list[float] = field(default_factory=lambda: [0.0] * len(WAYS))  # running means per step
    samples: list[int] = field(default_factory=lambda: [0] * len(WAYS))
    steps: int = 0


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
        measured.steps += 1
        fewest = min(range(len(WAYS)), key=lambda way: measured.samples[way])
        if measured.samples[fewest] < FIRST_SAMPLES:
            return WAYS[fewest]
        best = min(range(len(WAYS)), key=lambda way: measured.seconds[way])
        if measured.steps % TRY_AGAIN:
            return WAYS[best]
        return WAYS[(best + 1 + measured.steps // TRY_AGAIN % (len(WAYS) - 1)) % len(WAYS)]  # the others in turn

    def note(self, num_rows: int, num_parts: int, seconds: float) -> None:
        """A step of so many rows took so long."""
        if self._mode != "auto" or num_rows < MIN_ROWS:
            return
        measured, way = self._by_size.setdefault(num_rows.bit_length(), _Measured()), WAYS.index(num_parts)
        mean = measured.seconds[way]
        if measured.samples[way] == 0:
            measured.seconds[way] = seconds
        else:
            measured.seconds[way] += WEIGHT * (min(seconds, OUTLIER * mean) - mean)
        measured.samples[way] += 1
