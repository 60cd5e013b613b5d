"""A node's reports to the routers of its network, and the experts that they tell it to hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from moray.errors import DownloadFailed, JoinRefused, MorayError
from moray.guarded_http import Fetcher
from moray.join_signature import Signer
from moray.network_manifest import NetworkManifest
from moray.node_report import (
    MAX_ASSIGNMENT_BYTES,
    MAX_CLOCK_ERROR_S,
    Assignment,
    NodeReport,
    encode_report,
    parse_assignment,
    sign_report,
)


class Reporter:
    """Asks the first router of the manifest that answers: one decides, so that no two decide differently."""

    def __init__(
        self,
        key: Signer,
        fetcher: Fetcher,
        node_id: str,
        num_slots: int,
        num_experts: int,
        asked: Sequence[int],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._key, self._fetcher, self._node_id, self._wall_clock = key, fetcher, node_id, wall_clock
        self._num_slots, self._num_experts, self._asked = num_slots, num_experts, tuple(asked)
        self._last_at = 0

    def report(self, manifest: NetworkManifest, experts: Sequence[int], is_draining: bool = False) -> Assignment:
        """``experts``: on disk and meant to be served. Raises what the first router's answer, or its silence, was, when
        none gives an assignment: DownloadFailed, UnsafeAddress, JoinRefused for an answer that is none or that asks for
        more than this node offers."""
        problems: list[MorayError] = []
        now = int(self._wall_clock())
        # A router takes them in rising order only; a clock that was set back by more than it bears begins anew.
        self._last_at = now if self._last_at > now + MAX_CLOCK_ERROR_S else max(now, self._last_at + 1)
        for router in manifest.routers:
            report = NodeReport(
                format_version=1,
                network_id=manifest.network_id,
                router=router.name,
                node_id=self._node_id,
                num_slots=self._num_slots,
                experts=tuple(sorted(experts)),
                asked=self._asked,
                is_draining=is_draining,
                reported_at=self._last_at,
            )
            body = encode_report(sign_report(self._key, report, manifest.chain_id))
            try:
                content = self._fetcher.post_json(f"{router.url}/network/assignment", body, MAX_ASSIGNMENT_BYTES)
                return self._checked(parse_assignment(content))
            except MorayError as problem:
                problems.append(problem)
        raise problems[0] if problems else DownloadFailed("the network's manifest names no router")

    def _checked(self, assignment: Assignment) -> Assignment:
        """A router is not trusted with this machine's disk and memory."""
        experts = assignment.experts
        if list(experts) != sorted(set(experts)) or len(experts) > self._num_slots:
            raise JoinRefused(
                "malformed", f"assigned {len(experts)} experts to {self._num_slots} slots; ask its operator"
            )
        on_offer = self._asked or range(self._num_experts)
        if unknown := [expert for expert in experts if expert not in on_offer]:
            raise JoinRefused("malformed", f"assigned expert {unknown[0]}, which is not on offer; ask its operator")
        return assignment
