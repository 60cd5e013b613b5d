"""A report with what a test does not care about filled in; it is not signed."""

from __future__ import annotations

from typing import Any

from moray.node_report import NodeReport

NETWORK_ID, ROUTER = "test", "203.0.113.5:9000"
REPORT: dict[str, Any] = {
    "format_version": 1,
    "network_id": NETWORK_ID,
    "router": ROUTER,
    "node_id": "node-1",
    "num_slots": 1,
    "experts": (),
    "asked": (),
    "is_draining": False,
    "reported_at": 1_800_000_000,
}


def a_report(**changes: Any) -> NodeReport:
    return NodeReport(**REPORT | changes)
