"""`moray node doctor`: measure this machine and a network, and ask ``findings`` what that means.

The same checks without the throughput are the preflight of `moray node join`. Nothing is raised for what is found:
it becomes a finding.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from moray.errors import BadInput, BadSetting, MorayError, UnsafeAddress
from moray.experts.compiled import HAS_WIDE_REGISTERS
from moray.experts.device import choose_device
from moray.experts.manifest import Manifest
from moray.experts.simd_int8 import HAS_BYTE_PRODUCTS
from moray.experts.weights import pack_expert
from moray.guarded_http import Fetcher
from moray.join_string import JoinString
from moray.key_file import check_key
from moray.network_manifest import MAX_NETWORK_MANIFEST_BYTES, NetworkManifest, RouterEntry, parse_manifest
from moray.nodes import findings
from moray.nodes.doctor_kernels import find_fault, make_sample, measure_rows_per_s
from moray.nodes.doctor_machine import Machine, measure_machine
from moray.nodes.doctor_routers import GatewayProbe, RouterProbe, probe_gateway, probe_router
from moray.nodes.doctor_stake import probe_stake
from moray.nodes.downloads import SPARE_BYTES, fetch_model_manifest, model_folder
from moray.nodes.findings import Finding, StakeProbe
from moray.types import AskedDevice, NumericClass

NUM_ROWS = (1, 32)  # what an expert gets at once, while one user is served and while many are
THROUGHPUT_S = 0.25  # for each of them
USUAL_WIDTHS = (2048, 1408)  # hidden and intermediate of DeepSeek-V2-Lite, where no model is known
USUAL_CLASSES: tuple[NumericClass, ...] = ("float32", "int8")

Target = TypeVar("Target")
Probe = TypeVar("Probe")


@dataclass(frozen=True, slots=True)
class Place:
    """This machine as a node."""

    keystore: Path
    state_dir: Path  # which is there
    num_slots: int
    device: AskedDevice
    allow_private: bool
    chain_file: Path | None = None  # of the contracts' addresses; None: stake is not looked up

    def model_folder(self, model_id: str) -> Path:
        return model_folder(self.state_dir, model_id)


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of it: its manifest, and its model's where that could be fetched."""

    manifest: NetworkManifest
    model: Manifest | None


def diagnose(place: Place, join_string: JoinString | None) -> list[Finding]:
    """Everything, the throughput too. Takes some seconds, longer where nobody answers who is asked for a manifest."""
    if join_string is None:
        here = _examine_here(place, None, with_throughput=True)
        return [*here, findings.without_network("clock, routers, TLS, disk, stake and funds")]
    network, refused = _read_network(place, join_string)
    here = _examine_here(place, network, with_throughput=True)
    if network is None:
        return [*here, *refused, _judge_clock(_ask_gateways([join_string.url], place.allow_private))]
    return [*here, *refused, *_examine_network(place, network)]


def preflight(place: Place, network: Network) -> list[Finding]:
    """Before joining: everything but the throughput, in a few seconds."""
    return [*_examine_here(place, network, with_throughput=False), *_examine_network(place, network)]


def missing_bytes(model: Manifest, present: Mapping[str, int], num_slots: int) -> int:
    """Of the largest shards that ``num_slots`` slots may have to take, without those of ``present``: sizes by name."""
    shards = model.with_role("expert")
    num_here = sum(present.get(shard.name) == shard.size_bytes for shard in shards)
    sizes = [shard.size_bytes for shard in shards if present.get(shard.name) != shard.size_bytes]
    return sum(sorted(sizes, reverse=True)[: max(num_slots - num_here, 0)])


def weight_bytes(model: Manifest, num_slots: int) -> int:
    """Of so many experts in memory, where four bits are as wide as eight."""
    sizes = model.architecture
    num_weights = 3 * sizes.hidden_size * sizes.moe_intermediate_size * len(sizes.moe_layers)
    return min(num_slots, sizes.num_experts) * num_weights * (4 if model.numeric_class == "float32" else 1)


def _read_network(place: Place, join_string: JoinString) -> tuple[Network | None, list[Finding]]:
    """As it is served now, and a finding for each manifest. What a node has seen of it before is neither read nor
    written: that belongs to the process that joins, which may be running."""
    fetcher = Fetcher(place.allow_private)
    try:
        content = fetcher.get(f"{join_string.url}/network/manifest", MAX_NETWORK_MANIFEST_BYTES)
        manifest = parse_manifest(content, join_string.owner, time.time())
    except MorayError as error:
        return None, [findings.refused("manifest", error)]
    found = [Finding("manifest", "ok", f"{manifest.network_id}, version {manifest.version}, signed by its owner")]
    sources = [*(router.url for router in manifest.routers), *manifest.mirrors]
    try:
        model = fetch_model_manifest(fetcher, sources, manifest.model_id, place.model_folder(manifest.model_id))
    except MorayError as error:
        return Network(manifest, None), [*found, findings.refused("model", error)]
    return Network(manifest, model), [*found, Finding("model", "ok", f"manifest of {model.model_id[:16]} fetched")]


def _examine_here(place: Place, network: Network | None, *, with_throughput: bool) -> Iterator[Finding]:
    model = network.model if network else None
    yield _examine_key(place.keystore)
    yield from _judge_machine(measure_machine(place.state_dir), place, model)
    classes = (network.manifest.numeric_class,) if network else USUAL_CLASSES
    for numeric_class in classes:
        yield from _examine_kernel(numeric_class, place.device, model, with_throughput)


def _examine_key(keystore: Path) -> Finding:
    try:
        return findings.judge_key(check_key(keystore))
    except BadInput as error:
        return findings.refused("key", error)


def _judge_machine(machine: Machine, place: Place, model: Manifest | None) -> Iterator[Finding]:
    present = _sizes_in(place.model_folder(model.model_id)) if model else {}
    missing = missing_bytes(model, present, place.num_slots) if model else None
    needed = missing + SPARE_BYTES if missing else missing
    weights = weight_bytes(model, place.num_slots) if model else None
    yield findings.judge_disk(machine.free_disk_bytes, needed)
    yield findings.judge_inodes(machine.free_inodes)
    yield findings.judge_memory(machine.available_memory_bytes, weights, place.num_slots)
    yield findings.judge_shared_memory(machine.free_shared_memory_bytes)
    yield findings.judge_open_files(machine.max_open_files)
    yield findings.judge_ray_ports(machine.exposed_ray_ports)
    yield findings.judge_cpu(HAS_BYTE_PRODUCTS, HAS_WIDE_REGISTERS, machine.has_fma)


def _sizes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()} if folder.is_dir() else {}


def _examine_kernel(
    numeric_class: NumericClass, asked: AskedDevice, model: Manifest | None, with_throughput: bool
) -> Iterator[Finding]:
    try:
        device = choose_device(asked, numeric_class, torch.cuda.device_count() > 0)
    except BadSetting as error:
        yield findings.refused("kernel", error)
        return
    sizes = model.architecture if model else None
    widths = (sizes.hidden_size, sizes.moe_intermediate_size) if sizes else USUAL_WIDTHS
    sample = make_sample(numeric_class, *widths)
    compute = pack_expert({0: sample.weights}, device)[0]
    yield findings.judge_kernel(numeric_class, *widths, find_fault(compute, sample))
    if with_throughput:
        batches = [np.resize(sample.rows, (count, sample.rows.shape[1])) for count in NUM_ROWS]
        rates = [measure_rows_per_s(compute, rows, THROUGHPUT_S) for rows in batches]
        yield findings.judge_throughput(numeric_class, NUM_ROWS, rates, sizes.num_moe_layers if sizes else None)


def _examine_network(place: Place, network: Network) -> Iterator[Finding]:
    manifest = network.manifest
    gateways = _ask_gateways([router.url for router in manifest.routers], place.allow_private)
    yield _judge_clock(gateways)
    yield from _judge_gateways(manifest, gateways)
    probes = _ask_all(partial(probe_router, allow_private=place.allow_private), manifest.routers)
    is_any_open = any(isinstance(probe, RouterProbe) and not probe.port_failure for probe in probes)
    num_moe_layers = network.model.architecture.num_moe_layers if network.model else None
    for router, probe in zip(manifest.routers, probes, strict=True):
        if isinstance(probe, UnsafeAddress):
            yield findings.refused("port", probe)
        else:
            yield from _judge_router(router, probe, is_any_open, num_moe_layers)
    yield _examine_stake(place, manifest)


def _examine_stake(place: Place, manifest: NetworkManifest) -> Finding:
    terms = manifest.stake
    if terms is None or place.chain_file is None:
        return findings.judge_stake(manifest.chain_id, terms, None)
    try:
        signer = check_key(place.keystore)
    except BadInput as error:
        probe = StakeProbe(str(error))
    else:
        probe = probe_stake(place.chain_file, signer, terms)
    return findings.judge_stake(manifest.chain_id, terms, probe)


def _judge_router(
    router: RouterEntry, probe: RouterProbe, is_any_open: bool, num_moe_layers: int | None
) -> Iterator[Finding]:
    yield findings.judge_port(router.name, probe.port_failure, is_any_open)
    if not probe.port_failure:
        yield findings.judge_round_trip(router.name, probe.round_trip_s, num_moe_layers)
        pinned = router.tls_cert_sha256
        yield findings.judge_tls(router.name, probe.tls_failure, probe.tls_version, probe.cert_sha256, pinned)


def _ask_gateways(urls: Sequence[str], allow_private: bool) -> list[GatewayProbe | UnsafeAddress]:
    return _ask_all(partial(probe_gateway, allow_private=allow_private), urls)


def _judge_clock(gateways: Sequence[GatewayProbe | UnsafeAddress]) -> Finding:
    answers = [probe.clock_offset_s for probe in gateways if isinstance(probe, GatewayProbe)]
    offsets_s = [offset_s for offset_s in answers if offset_s is not None]
    return findings.judge_clock(statistics.median(offsets_s) if offsets_s else None)


def _judge_gateways(manifest: NetworkManifest, gateways: Sequence[GatewayProbe | UnsafeAddress]) -> Iterator[Finding]:
    is_any_open = any(isinstance(probe, GatewayProbe) and not probe.failure for probe in gateways)
    for router, probe in zip(manifest.routers, gateways, strict=True):
        if isinstance(probe, UnsafeAddress):
            yield findings.refused("gateway", probe)
        else:
            yield findings.judge_gateway(router.url, probe.failure, probe.network_id, manifest.network_id, is_any_open)


def _ask_all(ask: Callable[[Target], Probe], targets: Sequence[Target]) -> list[Probe | UnsafeAddress]:
    """All at once, since each may keep us waiting."""

    def ask_one(target: Target) -> Probe | UnsafeAddress:
        try:
            return ask(target)
        except UnsafeAddress as error:
            return error

    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(ask_one, targets))
