"""Which reports of a node were taken already: what was overheard cannot be said again."""

from __future__ import annotations

from collections import OrderedDict

from moray.errors import JoinRefused
from moray.node_report import NodeReport


class SeenReports:
    """Of more than ``max_nodes`` the one that was silent for longest is forgotten. Nothing older than
    ``node_report.MAX_CLOCK_ERROR_S`` comes as far as here, so that memory need not reach back further."""

    def __init__(self, max_nodes: int) -> None:
        self._max_nodes = max_nodes
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()  # Unix seconds, by signer and node

    def check(self, report: NodeReport) -> None:
        """Raises JoinRefused with ``stale_report`` for one that is not newer than the last that was taken."""
        last = self._last.get((report.signer, report.node_id), -1)
        if report.reported_at <= last:
            raise JoinRefused("stale_report", f"{report.reported_at} is not after the last, {last}; make a new one")

    def take(self, report: NodeReport) -> None:
        """One whose signature holds. Raises as ``check``."""
        self.check(report)
        key = report.signer, report.node_id
        self._last[key] = report.reported_at
        self._last.move_to_end(key)
        if len(self._last) > self._max_nodes:
            self._last.popitem(last=False)
