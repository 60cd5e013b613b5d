"""The ExpertTransport over live uplinks: which replica gets the rows of which expert."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Collection, Sequence
from time import monotonic

import numpy as np

from moray.experts.compiled import Ids, Rows
from moray.experts.row_format import FLOAT32_ROWS, RowFormat
from moray.router.directory import Directory
from moray.router.health import Circuit
from moray.router.heat import HeatMeter
from moray.router.hedging import HedgeBudget, hedge_delay_s
from moray.router.lanes import Lanes
from moray.router.listener import Counters
from moray.router.round import Room, Round
from moray.router.selection import Candidate, choose
from moray.router.uplink import Uplink


class NetworkExperts:
    """Owned by the engine's event loop, as its uplinks are."""

    def __init__(
        self,
        directory: Directory,
        counters: Counters,
        timeout_s: float = 3.0,
        row_format: RowFormat = FLOAT32_ROWS,
        heat: HeatMeter | None = None,
    ) -> None:
        """``heat`` counts what is asked for, where nodes of other operators are told what to hold."""
        self.directory, self.counters, self.timeout_s, self.row_format = directory, counters, timeout_s, row_format
        self._heat = heat
        self._rng, self._room, self._hedges = random.Random(), Room(), HedgeBudget()

    def missing(self) -> frozenset[int]:
        return self.directory.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        if self._heat is not None:
            self._heat.note(expert_ids, monotonic())
        return Round(self, self._room, layer, hidden_states, expert_ids)

    def choose(
        self,
        expert: int,
        num_rows: int,
        failed: Collection[Uplink] = (),
        candidates: dict[Uplink, Candidate] | None = None,
    ) -> Uplink | None:
        """A replica to try, None when there is none left. ``candidates``: those looked at already, in this moment."""
        replicas: Sequence[Uplink] = self.directory.replicas(expert)
        if failed:
            replicas = [uplink for uplink in replicas if uplink not in failed]
        if len(replicas) == 1:  # whatever is known of it: there is nobody else
            return replicas[0]
        return self._choose_of(replicas, num_rows, {} if candidates is None else candidates)

    def choose_second(self, expert: int, num_rows: int, asked: Collection[Uplink]) -> Uplink | None:
        """A replica in good health beside those that were asked already."""
        others = [
            uplink
            for uplink in self.directory.replicas(expert)
            if uplink not in asked and uplink.health.circuit is Circuit.CLOSED
        ]
        return self._choose_of(others, num_rows, {})

    def _choose_of(
        self, replicas: Sequence[Uplink], num_rows: int, candidates: dict[Uplink, Candidate]
    ) -> Uplink | None:
        now = monotonic()
        for uplink in replicas:
            if uplink not in candidates:
                candidates[uplink] = uplink.candidate(now)
        index = choose([candidates[uplink] for uplink in replicas], num_rows, self._rng)
        return None if index is None else replicas[index]

    def choose_all(self, expert_ids: Ids) -> Lanes | None:
        """A replica of each expert that is asked for; None when one of them has none."""
        if self.directory.only_lanes is not None:
            return self.directory.only_lanes
        uplink_of, uplinks = np.full(self.directory.num_experts, -1), dict[Uplink, int]()
        candidates = dict[Uplink, Candidate]()
        counts = np.bincount(expert_ids.ravel(), minlength=1)
        for expert in np.flatnonzero(counts).tolist():
            uplink = self.choose(expert, int(counts[expert]), candidates=candidates)
            if uplink is None:
                return None
            uplink_of[expert] = uplinks.setdefault(uplink, len(uplinks))
        return Lanes(list(uplinks), uplink_of)

    # -- second copies of what is not answered

    def hedge_delay_s(self, experts: Collection[int], num_rows: int) -> float | None:
        """After which rows for these experts, on one uplink, are late; None where no other replica could take any. The
        quickest replica of each is the measure, since that is who would take them."""
        replicas = [self.directory.replicas(expert) for expert in experts]
        late = [min(uplink.pace.late for uplink in several) for several in replicas if len(several) > 1]
        return hedge_delay_s(max(late) * self.directory.usual.of(num_rows)) if late else None

    def may_hedge(self) -> bool:
        """Whether the budget has room for one more, which is taken out of it."""
        self._hedges = self._hedges.filled(self.counters.dispatches)
        if not self._hedges.can_spend:
            return False
        self._hedges = self._hedges.spent()
        self.counters.hedges += 1
        return True
