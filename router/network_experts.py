"""The ExpertTransport over live uplinks: which replica gets the rows of which expert."""

from __future__ import annotations

import random
from collections.abc import Awaitable

import numpy as np

from moray.experts.compiled import Ids, Rows
from moray.experts.row_format import FLOAT32_ROWS, RowFormat
from moray.router.directory import Directory
from moray.router.lanes import Lanes
from moray.router.listener import Counters
from moray.router.round import Room, Round
from moray.router.selection import choose
from moray.router.uplink import Uplink


class NetworkExperts:
    """Owned by the engine's event loop, as its uplinks are."""

    def __init__(
        self,
        directory: Directory,
        counters: Counters,
        timeout_s: float = 3.0,
        row_format: RowFormat = FLOAT32_ROWS,
    ) -> None:
        self.directory, self.counters, self.timeout_s, self.row_format = directory, counters, timeout_s, row_format
        self._rng, self._room = random.Random(), Room()

    def missing(self) -> frozenset[int]:
        return self.directory.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        return Round(self, self._room, layer, hidden_states, expert_ids)

    def choose(self, expert: int, num_rows: int, failed: set[Uplink] | None = None) -> Uplink | None:
        """A replica to try, None when there is none left."""
        replicas = self.directory.replicas(expert)
        if failed:
            replicas = [uplink for uplink in replicas if uplink not in failed]
        if len(replicas) == 1:  # the usual case, kept cheap
            return replicas[0]
        index = choose([uplink.candidate() for uplink in replicas], num_rows, self._rng)
        return None if index is None else replicas[index]

    def choose_all(self, expert_ids: Ids) -> Lanes | None:
        """A replica of each expert that is asked for; None when one of them has none."""
        if self.directory.only_lanes is not None:
            return self.directory.only_lanes
        uplink_of, uplinks = np.full(self.directory.num_experts, -1), dict[Uplink, int]()
        experts, counts = np.unique(expert_ids, return_counts=True)
        for expert, count in zip(experts.tolist(), counts.tolist(), strict=True):
            uplink = self.choose(expert, count)
            if uplink is None:
                return None
            uplink_of[expert] = uplinks.setdefault(uplink, len(uplinks))
        return Lanes(list(uplinks), uplink_of)
