"""`moray node join`: the process that makes this machine a node of a network, and looks after it until it leaves.

It holds the key and signs for its replicas, reports to the routers and carries out what they answer: fetch a shard,
serve it, retire another. Replicas run in a Ray cluster of the node's own, dial out and dial again by themselves; while
no router answers they go on serving those they are connected to.
"""

from __future__ import annotations

import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moray.config import read_settings
from moray.errors import BadSetting, ClusterError, MorayError
from moray.experts.deployment import ExpertSpec
from moray.experts.manifest import Manifest
from moray.guarded_http import Fetcher
from moray.join_signature import Signer
from moray.join_string import JoinString
from moray.network_manifest import NetworkManifest
from moray.node_report import Assignment
from moray.nodes.cluster import REPLICA_ENV, ClusterSpec, start_cluster
from moray.nodes.downloads import fetch_model_manifest, fetch_shards, model_folder
from moray.nodes.findings import REPLICA_BYTES
from moray.nodes.hosting import Hosting, next_change
from moray.nodes.known_manifest import KnownManifest
from moray.nodes.node_directory import end_leftovers
from moray.nodes.node_state import NodeState, ensure_node_name, this_process, write_node
from moray.nodes.reporting import Reporter
from moray.nodes.serve import connected, start_serve
from moray.nodes.signing import Membership, SigningServer, signing, signing_socket
from moray.nodes.state import ClusterRecord
from moray.nodes.supervisor import start_supervisor
from moray.types import PublicAddress

if TYPE_CHECKING:  # a chain's libraries take a second to import, and most nodes need none
    from moray.contracts.addresses import Addresses
    from moray.nodes.credit import NodeCredit, PayRules

MANIFEST_PERIOD_S = 120.0
REPORT_WHILE_FETCHING_S = 20.0
RETRY_S = 5.0  # after a report that failed; up to twice as long, so that nodes do not come together

Watch = Callable[[NodeState, str], None]


@dataclass(frozen=True, slots=True)
class PayOptions:
    """Being paid in vouchers, and the chain that tells what they are worth."""

    rules: PayRules
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class NodeOptions:
    join_string: JoinString
    state_dir: Path  # which is there
    num_slots: int | None = None  # experts that this node has room for
    memory_bytes: int | None = None  # or this much memory for them
    asked: tuple[int, ...] = ()  # experts that the operator wants; empty: what the network needs most
    allow_private: bool = False
    max_unpaid_rows: int | None = None  # that each expert computes for a router without pay; None: no cap
    pay: PayOptions | None = None  # then all experts together compute so many, and more for vouchers


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a node stands on once it has looked around, before it starts anything."""

    manifest: NetworkManifest
    model: Manifest
    model_folder: Path
    num_slots: int
    node_id: str


def survey(options: NodeOptions) -> Grounds:
    """Fetch and check both manifests, in the node's own directory. Raises what they raise, and BadSetting for what this
    machine cannot be asked."""
    signing_socket(options.state_dir)
    fetcher = Fetcher(options.allow_private)
    manifest = KnownManifest(options.state_dir, options.join_string, fetcher).refresh(time.time())
    folder = model_folder(options.state_dir, manifest.model_id)
    model = fetch_model_manifest(fetcher, sources_of(manifest), manifest.model_id, folder)
    slots = count_slots(options, model)
    unknown = [expert for expert in options.asked if expert >= model.architecture.num_experts]
    if unknown:
        raise BadSetting(f"--experts {unknown[0]}: the model has experts 0 to {model.architecture.num_experts - 1}")
    return Grounds(manifest, model, folder, slots, ensure_node_name(options.state_dir))


def count_slots(options: NodeOptions, model: Manifest) -> int:
    """Raises BadSetting when there is no room for one expert, or for all that were asked for."""
    num_experts = model.architecture.num_experts
    slots = options.num_slots or max(1, len(options.asked))
    if options.memory_bytes is not None:
        largest = REPLICA_BYTES + max(file.size_bytes for file in model.with_role("expert"))
        slots = options.memory_bytes // largest
        if slots < 1:
            given_mb, needed_mb = options.memory_bytes / 1e6, largest / 1e6
            raise BadSetting(f"--memory gives {given_mb:.0f} MB and an expert needs {needed_mb:.0f} MB: give more")
    if len(options.asked) > slots:
        raise BadSetting(f"--experts names {len(options.asked)} and there is room for {slots}: give more --slots")
    return min(slots, num_experts)


def sources_of(manifest: NetworkManifest) -> list[str]:
    """Mirrors first: a router has better things to do."""
    return [*manifest.mirrors, *(router.url for router in manifest.routers)]


def urls_of(manifest: NetworkManifest) -> dict[str, str]:
    return {router.name: router.url for router in manifest.routers}


def pins_of(manifest: NetworkManifest) -> dict[str, str]:
    return {router.name: router.tls_cert_sha256 for router in manifest.routers}


def addresses_of(manifest: NetworkManifest) -> tuple[PublicAddress, ...]:
    return tuple(PublicAddress(router.host, router.port, router.tls_cert_sha256) for router in manifest.routers)


class NodeAgent:
    """One node, from the first report to the last."""

    def __init__(self, options: NodeOptions, grounds: Grounds, key: Signer, watch: Watch) -> None:
        """``watch`` hears what goes on: the state, and a line for people."""
        self._options, self._grounds, self._key, self._watch = options, grounds, key, watch
        self._manifest = grounds.manifest
        self._fetcher = Fetcher(options.allow_private)
        self._known = KnownManifest(options.state_dir, options.join_string, self._fetcher)
        num_experts = grounds.model.architecture.num_experts
        self._reporter = Reporter(key, self._fetcher, grounds.node_id, grounds.num_slots, num_experts, options.asked)
        pid, started = this_process()
        self._state = NodeState(
            pid=pid,
            pid_started=started,
            marker=secrets.token_hex(16),
            join_string=str(options.join_string),
            allow_private=options.allow_private,
            network_id=self._manifest.network_id,
            node_id=grounds.node_id,
            signer=key.address,
            num_slots=grounds.num_slots,
            routers=urls_of(self._manifest),
            phase="starting",
        )

    def run(self) -> None:
        """In the node's own directory, until KeyboardInterrupt, which drains and returns; another one while it drains
        ends all at once. Raises what keeps the node from starting. Nothing is left behind."""
        state_dir = self._options.state_dir
        end_leftovers(state_dir)
        try:
            with suppress(KeyboardInterrupt):
                self._live()
        finally:
            end_leftovers(state_dir)

    def _live(self) -> None:
        assignment = self._reporter.report(self._manifest, ())  # a refusal is heard before anything is started
        self._fetch(assignment.experts)
        path = signing_socket(self._options.state_dir)
        with self._credit() as credit:
            server = SigningServer(path, self._key, self._membership(), credit=credit)
            with signing(server), connected(self._start_ray()):
                signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray has put one of its own there
                start_serve()
                self._serve(server, assignment)

    @contextmanager
    def _credit(self) -> Iterator[NodeCredit | None]:
        pay = self._options.pay
        if pay is None:
            yield None
            return
        from moray.nodes.channel_watch import ChannelWatch
        from moray.nodes.credit import NodeCredit
        from moray.nodes.voucher_book import VoucherBook

        credit = NodeCredit(pay.rules, VoucherBook(self._options.state_dir))
        with ChannelWatch(credit, pay.addresses).running():
            yield credit

    def _start_ray(self) -> ClusterRecord:
        """With one slot more than experts: the next one serves before another goes."""
        self._note("starting Ray", phase="starting")
        grounds = self._grounds
        record = start_cluster(
            ClusterSpec(
                num_nodes=1,
                names=(grounds.node_id,),
                slots=grounds.num_slots + 1,
                state_dir=self._options.state_dir,
                model_path=grounds.model_folder,
                env=REPLICA_ENV,
                marker=self._state.marker,
            )
        )
        self._note("starting Serve")
        start_supervisor(record)
        return record

    def _serve(self, server: SigningServer, assignment: Assignment) -> None:
        hosting, looked_at = self._hosting(), time.monotonic()
        try:
            while True:
                pause_s = assignment.next_report_s
                try:
                    self._carry_out(hosting, assignment.experts)
                    self._note(
                        f"serving {_named(hosting.serving)}", phase="serving", experts=hosting.serving, reason=""
                    )
                    time.sleep(pause_s)
                    if time.monotonic() - looked_at > MANIFEST_PERIOD_S:
                        looked_at = time.monotonic()
                        self._follow_manifest(server, hosting)
                    assignment = self._reporter.report(self._manifest, hosting.serving)
                except MorayError as problem:  # what is served is served on
                    self._note(str(problem), phase="waiting", experts=hosting.serving, reason=str(problem))
                    time.sleep(RETRY_S * (1 + random.random()))
        finally:
            self._drain(hosting)

    def _carry_out(self, hosting: Hosting, wanted: Sequence[int]) -> None:
        change = next_change(hosting.serving, wanted)
        if change.start:
            self._fetch(change.start)
            self._note(f"starting {_named(change.start)}", phase="starting")
            hosting.start(change.start)
        if change.retire:
            self._note(f"retiring {_named(change.retire)}")
            hosting.retire(change.retire)
        if change.start or change.retire:
            self._drop_shards_but(hosting.serving)

    def _drop_shards_but(self, experts: Sequence[int]) -> None:
        """Of experts that it served once, in an earlier life too."""
        for file in self._grounds.model.with_role("expert"):
            if file.expert not in experts:
                (self._grounds.model_folder / file.name).unlink(missing_ok=True)

    def _fetch(self, experts: Sequence[int]) -> None:
        self._note(f"fetching {_named(experts)}", phase="fetching")
        reported_at = time.monotonic()

        def told(expert: int, done: int, total: int) -> None:
            nonlocal reported_at
            self._watch(self._state, f"fetching expert {expert}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")
            if time.monotonic() - reported_at > REPORT_WHILE_FETCHING_S:
                reported_at = time.monotonic()
                with suppress(MorayError):  # whoever is silent for long is taken for gone, and another one sent for it
                    self._reporter.report(self._manifest, self._state.experts)

        model, folder = self._grounds.model, self._grounds.model_folder
        fetch_shards(self._fetcher, sources_of(self._manifest), model, experts, folder, told)

    def _follow_manifest(self, server: SigningServer, hosting: Hosting) -> None:
        """A newer manifest with other routers: the replicas are told by starting them again. Raises ClusterError where
        the network now serves another model, ManifestRefused or DownloadFailed when there is none to go by."""
        newer = self._known.refresh(time.time())
        if newer.model_id != self._manifest.model_id:
            raise ClusterError("the network now serves another model: stop this node and join again")
        before, self._manifest = self._manifest, newer
        server.member = self._membership()
        if newer.routers != before.routers:
            self._note("the routers have changed", routers=urls_of(newer))
        hosting.follow(addresses_of(newer))

    def _drain(self, hosting: Hosting) -> None:
        self._note("finishing what is in flight", phase="draining", experts=hosting.serving)
        with suppress(MorayError):  # it is told again by every connection that closes
            self._reporter.report(self._manifest, hosting.serving, is_draining=True)
        with suppress(MorayError):
            hosting.retire(hosting.serving)

    def _hosting(self) -> Hosting:
        state_dir, settings = self._options.state_dir, read_settings()
        spec = ExpertSpec(
            model=str(self._grounds.model_folder),
            experts=(),
            routers=addresses_of(self._manifest),
            secret=str(signing_socket(state_dir)),
            incarnation_dir=str(state_dir / "incarnations"),
            capacity_rows=settings.replica_capacity_rows,
            device="cpu",
            allow_private=self._options.allow_private,
            max_unpaid_rows=self._options.max_unpaid_rows,
            takes_vouchers=self._options.pay is not None,
        )
        return Hosting(spec, self._grounds.node_id)

    def _membership(self) -> Membership:
        manifest = self._manifest
        return Membership(
            network_id=manifest.network_id,
            chain_id=manifest.chain_id,
            model_id=manifest.model_id,
            numeric_class=manifest.numeric_class,
            node_id=self._grounds.node_id,
            pins=pins_of(manifest),
        )

    def _note(self, text: str, **changes: Any) -> None:
        self._state = self._state.model_copy(update=changes)
        with suppress(OSError):  # a full disk is no reason to stop serving
            write_node(self._options.state_dir, self._state)
        self._watch(self._state, text)


def _named(experts: Sequence[int]) -> str:
    return f"expert{'s' if len(experts) > 1 else ''} {', '.join(map(str, experts))}" if experts else "no expert"
