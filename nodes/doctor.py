"""`moray node doctor`: measure this machine and a network, and ask ``findings`` what that means.

The same checks without the throughput are the preflight of `moray node join`. Nothing is raised for what is found:
it becomes a finding.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from moray.errors import BadInput, BadSetting, MorayError, UnsafeAddress
from moray.experts.compiled import HAS_WIDE_REGISTERS
from moray.experts.device import choose_device
from moray.experts.manifest import Manifest
from moray.experts.simd_int8 import HAS_BYTE_PRODUCTS
from moray.experts.weights import pack_expert
from moray.join_string import JoinString
from moray.network_manifest import NetworkManifest, RouterEntry
from moray.nodes import findings
from moray.nodes.doctor_kernels import find_fault, make_sample, measure_rows_per_s
from moray.nodes.doctor_machine import Machine, measure_machine
from moray.nodes.doctor_routers import GatewayProbe, RouterProbe, probe_gateway, probe_router
from moray.nodes.downloads import fetch_model_manifest
from moray.nodes.findings import Finding
from moray.nodes.guarded_http import Fetcher
from moray.nodes.identity import check_key
from moray.nodes.known_manifest import KnownManifest
from moray.types import AskedDevice, NumericClass

NUM_ROWS = (1, 32)  # what an expert gets at once, while one user is served and while many are
THROUGHPUT_S = 0.25  # for each of them
USUAL_WIDTHS = (2048, 1408)  # hidden and intermediate of DeepSeek-V2-Lite, where no model is known
USUAL_CLASSES: tuple[NumericClass, ...] = ("float32", "int8")
NUM_THREADS = 16  # that wait for routers


@dataclass(frozen=True, slots=True)
class Place:
    """This machine as a node."""

    keystore: Path
    state_dir: Path  # which is there
    num_slots: int
    device: AskedDevice
    allow_private: bool

    def model_folder(self, model_id: str) -> Path:
        return self.state_dir / "models" / model_id


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of it: its manifest, and its model's where that could be fetched."""

    manifest: NetworkManifest
    model: Manifest | None


def diagnose(place: Place, join_string: JoinString | None) -> list[Finding]:
    """Everything, the throughput too. Takes some seconds, at most a minute where nobody answers."""
    if join_string is None:
        here = _examine_here(place, None, with_throughput=True)
        return [*here, findings.without_network("clock, routers, TLS, disk, stake and funds")]
    network, refused = _read_network(place, join_string)
    here = _examine_here(place, network, with_throughput=True)
    if network is None:
        return [*here, *refused, *_examine_gateways([join_string.url], None, place.allow_private)]
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
    """And a finding for each manifest."""
    fetcher = Fetcher(place.allow_private)
    try:
        manifest = KnownManifest(place.state_dir, join_string, fetcher).fetch(time.time())
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
    weights = weight_bytes(model, place.num_slots) if model else None
    yield findings.judge_disk(machine.free_disk_bytes, missing)
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
    yield from _examine_gateways([router.url for router in manifest.routers], manifest.network_id, place.allow_private)
    yield from _examine_routers(place, network)
    yield findings.judge_stake(manifest.chain_id)


def _examine_gateways(urls: Sequence[str], network_id: str | None, allow_private: bool) -> Iterator[Finding]:
    """``network_id`` None: only their clocks are of interest."""
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        probes = list(pool.map(partial(probe_gateway, allow_private=allow_private), urls))
    offsets_s = [probe.clock_offset_s for probe in probes if probe.clock_offset_s is not None]
    yield findings.judge_clock(statistics.median(offsets_s) if offsets_s else None)
    is_any_open = any(not probe.failure for probe in probes)
    for url, probe in zip(urls, probes, strict=True):
        if network_id is not None:
            yield findings.judge_gateway(url, probe.failure, probe.network_id, network_id, is_any_open)


def _examine_routers(place: Place, network: Network) -> Iterator[Finding]:
    ...
