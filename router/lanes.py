"""Uplinks as a compiled round sees them: numbers in an array instead of attributes of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from moray.experts.compiled import Ids
from moray.router.uplink import Uplink

SOCKET, NEXT_SEQ, MAX_ROWS = range(3)  # columns: socket or -1, and of the next Dispatch its number and its most rows
NUM_COLUMNS = 3


class Lanes:
    """Of ``uplinks``, and for each expert its place among them."""

    def __init__(self, uplinks: Sequence[Uplink], uplink_of: Ids) -> None:
        """``uplink_of`` [E], -1 for an expert without one."""
        self.uplinks, self.uplink_of = uplinks, uplink_of
        self.numbers = np.array([(-1, 0, uplink.max_rows) for uplink in uplinks], np.int64)  # as of ``look``
        self._numbers = self.numbers.ravel().data  # single items are set at a quarter of the cost
        self._place_of: list[int] = uplink_of.tolist()

    def look(self, expert_ids: Ids) -> None:
        """Read the numbers of the uplinks that these experts [T, K] need, at least."""
        places: Iterable[int] = range(len(self.uplinks))
        if expert_ids.size < len(self.uplinks):
            places = {self._place_of[expert] for expert in expert_ids.ravel().tolist()}
        for place in places:
            uplink, start = self.uplinks[place], place * NUM_COLUMNS
            self._numbers[start + SOCKET], self._numbers[start + NEXT_SEQ] = uplink.bare_fd, uplink.next_seq
