"""The experts that run on a node's own Ray cluster: one Serve deployment each, started and retired one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from moray.experts.deployment import ExpertSpec, NodeNames, expert_app, replica_id
from moray.nodes.cluster import NODE_LABEL, SLOT_RESOURCE
from moray.nodes.rayenv import NODE_VARIABLE
from moray.nodes.serve import deploy_together, remove_apps, wait_ready
from moray.types import PublicAddress

READY_TIMEOUT_S = 300.0  # a shard of gigabytes is read and packed
NODE_NAMES = NodeNames(NODE_LABEL, NODE_VARIABLE, SLOT_RESOURCE)


@dataclass(frozen=True, slots=True)
class Change:
    """What brings a node from the experts it serves to those it is to serve."""

    start: tuple[int, ...]
    retire: tuple[int, ...]


def next_change(serving: Iterable[int], wanted: Iterable[int]) -> Change:
    """Ascending. What is to start is started before anything is retired: an expert never has fewer replicas for it."""
    now, then = set(serving), set(wanted)
    return Change(tuple(sorted(then - now)), tuple(sorted(now - then)))


class Hosting:
    """Blocking calls; this process must be a driver of the cluster, with Serve started."""

    def __init__(self, spec: ExpertSpec, node_id: str) -> None:
        """``spec.experts`` is left open: each expert gets its own."""
        self._spec, self._node_id = spec, node_id
        self._started: dict[int, ExpertSpec] = {}

    @property
    def serving(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted(self._started))

    def start(self, experts: Sequence[int]) -> None:
        """Returns when they serve. Raises ClusterError, or the BadInput that kept one from starting; then none of these
        is left behind."""
        specs = {expert: replace(self._spec, experts=(expert,)) for expert in experts}
        apps = {spec.replica_id: expert_app(spec, [self._node_id], NODE_NAMES) for spec in specs.values()}
        try:
            deploy_together(apps)
            wait_ready(list(apps), READY_TIMEOUT_S)
        except BaseException:
            remove_apps(list(apps))
            raise
        self._started |= specs

    def retire(self, experts: Sequence[int]) -> None:
        """They answer what is on its way and disconnect; returns when they are gone."""
        remove_apps([replica_id([expert]) for expert in experts])
        for expert in experts:
            self._started.pop(expert, None)

    def follow(self, routers: tuple[PublicAddress, ...]) -> None:
        """From now on these are dialled. Experts that dial others are started again, one after the other; what stops
        in the middle is gone on with by the next call. Raises as ``start`` and ``retire``."""
        self._spec = replace(self._spec, routers=routers)
        for expert in [expert for expert, spec in self._started.items() if spec.routers != routers]:
            self.retire([expert])
            self.start([expert])
