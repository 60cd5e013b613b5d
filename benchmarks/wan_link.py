"""What a wide-area connection does to bytes: its settings, and when bytes come out at its other end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Carries = Literal["both", "up", "down", "none"]  # up: from replica to router
NewConnections = Literal["accepted", "refused", "hanging"]

READ_BYTES = 256 << 10
SMALLEST_READ_BYTES = 1448  # what a packet holds
READ_S = 0.005  # of a narrow link at a time: the first of many frames does not wait for the last


@dataclass(frozen=True, slots=True)
class Link:
    round_trip_ms: float = 0.0  # half of it each way
    jitter_ms: float = 0.0  # up to so much more, each way; nothing overtakes
    bytes_per_s: float = math.inf  # each way
    slow_down: float = 1.0  # answers take so many times as long as the replica took for them
    carries: Carries = "both"  # what it does not carry waits, as what a partition makes TCP repeat
    new_connections: NewConnections = "accepted"

    @property
    def read_bytes(self) -> int:
        return int(max(SMALLEST_READ_BYTES, min(READ_BYTES, self.bytes_per_s * READ_S)))


@dataclass(slots=True)
class Schedule:
    """Of one direction of one connection. Bytes queue for the link's width, not for its length: however long it is,
    they follow each other as fast as it is wide."""

    made_at: float = 0.0  # of the newest bytes: when their sender, slowed down, has them
    free_at: float = 0.0  # when they are in the link
    due_at: float = 0.0  # when they come out

    def due(self, link: Link, now: float, num_bytes: int, luck: float = 0.0, work_s: float = 0.0) -> float:
        """When bytes that go in now come out. ``luck`` in [0, 1] is their part of the jitter, ``work_s`` how long
        their sender took to make them. Times in seconds of any one clock."""
        self.made_at = max(now - work_s, self.made_at) + work_s * link.slow_down
        self.free_at = max(self.made_at, self.free_at) + num_bytes / link.bytes_per_s
        self.due_at = max(self.due_at, self.free_at + (link.round_trip_ms / 2 + link.jitter_ms * luck) / 1000)
        return self.due_at
