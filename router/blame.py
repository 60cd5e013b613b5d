"""Whose failure it is: four parties, of which only the node's standing suffers, and only by its own failures."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import Counter


class Blame(StrEnum):
    CLIENT = "client"  # asked for what cannot be done, or for more than its share
    GATEWAY = "gateway"  # this router: full, going down, or mistaken
    NETWORK = "network"  # a lost connection, silence, an expert that nobody serves: whose fault cannot be told
    NODE = "node"  # broke the protocol, or was heard of and did not do its work


class Failures:
    """``moray_failures_total``; counted from any thread."""

    def __init__(self) -> None:
        self.counter = Counter(
            "moray_failures", "Dispatches and requests that failed, by whose fault it is.", ["blame"], registry=None
        )
        for blame in Blame:
            self.counter.labels(blame)  # there from the start, as 0

    def count(self, blame: Blame) -> None:
        self.counter.labels(blame).inc()
