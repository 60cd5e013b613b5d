"""Who was turned away lately, and why: for the operator of the node, who cannot look into this router.

By whom a Join said it was from, which nobody has proved: a stranger may have it say that a known node was refused, and
no more than that.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moray.errors import JoinRefused
from moray.quoting import quoted

if TYPE_CHECKING:
    from moray.router.uplink import UplinkKey

MAX_REFUSALS = 200  # that are remembered, the newest


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str  # with its code
    at: float


class Refusals:
    def __init__(self) -> None:
        self._last: OrderedDict[UplinkKey, Refusal] = OrderedDict()

    def note(self, key: UplinkKey, refused: JoinRefused, now: float) -> None:
        self._last[key] = Refusal(str(refused), now)
        self._last.move_to_end(key)
        if len(self._last) > MAX_REFUSALS:
            self._last.popitem(last=False)

    def forget(self, key: UplinkKey) -> None:
        """It has joined after all."""
        self._last.pop(key, None)

    def snapshot(self, now: float) -> list[dict[str, Any]]:
        """What ``/network`` shows, the oldest first. Called from another thread, so of a copy."""
        return [
            {
                "signer": quoted(key.signer),
                "node_id": quoted(key.node_id),
                "replica_id": quoted(key.replica_id),
                "reason": quoted(refusal.reason),
                "ago_s": round(now - refusal.at, 1),
            }
            for key, refusal in list(self._last.items())
        ]
