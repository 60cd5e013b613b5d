"""The directory: all live uplinks. A closed uplink is a replica that left; nothing else announces anything."""

from __future__ import annotations

import logging
from collections import OrderedDict

import numpy as np

from moray.errors import JoinRefused
from moray.router.blame import Blame
from moray.router.lanes import Lanes
from moray.router.pace import UsualLatency
from moray.router.refusals import Refusals
from moray.router.uplink import Uplink, UplinkKey

logger = logging.getLogger(__name__)

MAX_KNOWN = 100_000  # incarnations that are remembered; of those that left, the longest unseen are forgotten first
MAX_UPLINKS_PER_SIGNER = 1024
MAX_FAULTY = 10_000  # nodes whose faults are remembered


class Directory:
    """Owned by the engine's event loop."""

    def __init__(self, num_experts: int) -> None:
        self.num_experts = num_experts
        self.uplinks: dict[UplinkKey, Uplink] = {}
        self.usual = UsualLatency()
        # Of its own making, by signer and node; they outlast uplinks.
        self._faults = OrderedDict[tuple[str, str], int]()
        self.refusals = Refusals()
        self._by_expert: dict[int, list[Uplink]] = {expert: [] for expert in range(num_experts)}
        self._missing = frozenset(range(num_experts))
        self.only_lanes: Lanes | None = None  # where every expert has one usable replica: nothing is to be chosen
        self._incarnations = OrderedDict[UplinkKey, int]()  # the highest seen, also of those that left

    def claim(self, uplink: Uplink) -> None:
        """Newest wins. Raises JoinRefused with ``stale_incarnation`` when this incarnation of its key is not above all
        seen before, with ``too_many_uplinks`` when its signer has enough."""
        assert uplink.join is not None
        key, incarnation = uplink.key, uplink.join.incarnation
        self.check_incarnation(key, incarnation)
        if (
            key.signer
            and sum(other.signer == key.signer and other != key for other in self.uplinks) >= MAX_UPLINKS_PER_SIGNER
        ):
            raise JoinRefused("too_many_uplinks", f"{key.signer} has {MAX_UPLINKS_PER_SIGNER} already; close some")
        self._incarnations[key] = incarnation
        self._incarnations.move_to_end(key)
        while len(self._incarnations) > MAX_KNOWN + len(self.uplinks):
            oldest, its_incarnation = self._incarnations.popitem(last=False)
            if oldest in self.uplinks:
                self._incarnations[oldest] = its_incarnation

    def check_incarnation(self, key: UplinkKey, incarnation: int) -> None:
        """Raises JoinRefused with ``stale_incarnation``."""
        seen = self._incarnations.get(key, -1)
        if incarnation <= seen:
            raise JoinRefused("stale_incarnation", f"{incarnation} is not above {seen}; dial with a higher one")

    def register(self, uplink: Uplink) -> None:
        """From now on it gets work, and an older incarnation none. One that was overtaken since its claim is closed."""
        assert uplink.join is not None
        if self._incarnations.get(uplink.key) != uplink.join.incarnation:
            uplink.close("a newer incarnation joined")
            return
        older = self.uplinks.pop(uplink.key, None)
        self.uplinks[uplink.key] = uplink
        self.refusals.forget(uplink.key)
        self.refresh()
        if older is not None:
            older.close("a newer incarnation joined")

    def remove(self, uplink: Uplink) -> None:
        if uplink.join is not None and self.uplinks.get(uplink.key) is uplink:
            del self.uplinks[uplink.key]
            self.refresh()

    def note_fault(self, key: UplinkKey) -> None:
        """Names of nodes cost nothing, so the one longest without a fault is forgotten where there are too many."""
        node = key.signer, key.node_id
        self._faults[node] = self.faults(*node) + 1
        self._faults.move_to_end(node)
        if len(self._faults) > MAX_FAULTY:
            self._faults.popitem(last=False)

    def faults(self, signer: str, node_id: str) -> int:
        return self._faults.get((signer, node_id), 0)

    def close_all(self, reason: str) -> None:
        for uplink in list(self.uplinks.values()):
            uplink.close(reason, Blame.GATEWAY)

    def refresh(self) -> None:
        """Rebuild the index; joins, leaves and drains are rare, look-ups are not."""
        for replicas in self._by_expert.values():
            replicas.clear()
        for uplink in self.uplinks.values():
            if uplink.is_usable and uplink.join is not None:
                for expert in uplink.join.experts:
                    self._by_expert[expert].append(uplink)
        self._missing = frozenset(expert for expert, replicas in self._by_expert.items() if not replicas)
        self.only_lanes = self._find_only_lanes()

    def _find_only_lanes(self) -> Lanes | None:
        if any(len(replicas) != 1 for replicas in self._by_expert.values()):
            return None
        uplinks = [uplink for uplink in self.uplinks.values() if uplink.is_usable]
        place_of = {uplink: place for place, uplink in enumerate(uplinks)}
        return Lanes(uplinks, np.array([place_of[self._by_expert[expert][0]] for expert in range(self.num_experts)]))

    def replicas(self, expert: int) -> list[Uplink]:
        return self._by_expert[expert]

    def missing(self) -> frozenset[int]:
        """Experts without a usable replica."""
        return self._missing
