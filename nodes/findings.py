"""What `moray node doctor` says of a machine and a network: pure judgements of what was measured.

Each check has one name, and every finding that is not fine says what to do. A router that does not answer while another
one does is that router's trouble, not this machine's: a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.filesize import decimal

from moray.contracts.standing import NO_STANDING, Standing
from moray.errors import MorayError
from moray.network_manifest import NO_SLASHER, StakeTerms
from moray.types import NumericClass

State = Literal["ok", "warning", "problem", "unknown"]

CLOCK_OK_S = 2.0  # the Date of HTTP has whole seconds
CLOCK_BAD_S = 30.0  # a signed Join expires after 60 s, and the router's own clock may be off the other way
MIN_TOKENS_PER_S = 1.0  # of one request; below it nobody waits for an answer
REPLICA_BYTES = 232_000_000  # of a replica's process, without its weights
MEMORY_RESERVE = 0.1  # of the memory that is free, for what grows: rows on their way, the agent, the system
OBJECT_STORE_BYTES = 80_000_000  # that Ray wants of /dev/shm for one node
OPEN_FILES_RAY_WANTS = 8192
MIN_OPEN_FILES = 1024
SPARE_INODES = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """``fact`` is what was found; ``remedy`` what to do about it, empty where nothing is to be done."""

    check: str
    state: State
    fact: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class StakeProbe:
    """What a chain says of a node's key. ``failure``: why it says nothing; then the rest is empty."""

    failure: str = ""
    chain_id: int = 0
    node_registry: str = ""
    standing: Standing = NO_STANDING


def refused(check: str, error: MorayError) -> Finding:
    """A problem in an error's own words: its fact and, behind the last semicolon, what to do."""
    fact, semicolon, remedy = str(error).rpartition("; ")
    return Finding(check, "problem", fact, remedy) if semicolon else Finding(check, "problem", remedy, "correct that")


def without_network(checks: str) -> Finding:
    return Finding("network", "unknown", f"not checked: {checks}", "give --network JOIN_STRING")


def judge_key(address: str) -> Finding:
    return Finding("key", "ok", f"{address}, a file of its owner's alone and strongly encrypted")


def judge_clock(offset_s: float | None) -> Finding:
    """``offset_s``: how far this machine's clock is ahead of the gateways', None where none told the time."""
    if offset_s is None:
        return Finding("clock", "unknown", "no gateway told the time", "mend what the other findings say, ask again")
    side = "ahead of" if offset_s > 0 else "behind"
    fact = f"{abs(offset_s):.1f} s {side} the network's gateways"
    if abs(offset_s) <= CLOCK_OK_S:
        return Finding("clock", "ok", fact)
    state: State = "problem" if abs(offset_s) > CLOCK_BAD_S else "warning"
    return Finding("clock", state, f"{fact}; a Join expires after 60 s", "turn on NTP, e.g. `timedatectl set-ntp true`")


def judge_port(router: str, failure: str, is_another_open: bool) -> Finding:
    """``failure``: why no TCP connection came about, empty if one did."""
    if not failure:
        return Finding("port", "ok", f"{router} can be dialled")
    if is_another_open:
        return Finding("port", "warning", f"{router}: {failure}", "tell the network's owner; other routers answer")
    return Finding("port", "problem", f"{router}: {failure}", "allow outbound TCP to this address in your firewall")


def judge_tls(router: str, failure: str, version: str, cert_sha256: str, pinned_sha256: str) -> Finding:
    """``failure``: why there was no handshake of TLS 1.3, empty if there was; digests in hex."""
    if failure:
        return Finding("tls", "problem", f"{router}: {failure}", "tell the network's owner: nodes speak TLS 1.3 only")
    if version != "TLSv1.3":
        return Finding("tls", "problem", f"{router} speaks {version}", "tell the network's owner: it must be TLS 1.3")
    if cert_sha256 != pinned_sha256:
        fact = f"{router} has the certificate {cert_sha256[:16]}..., the manifest pins {pinned_sha256[:16]}..."
        return Finding("tls", "problem", fact, "do not join from here: somebody may sit in between; ask the owner")
    return Finding("tls", "ok", f"{router}: TLS 1.3 with the certificate that the manifest pins")


def judge_round_trip(router: str, round_trip_s: float, num_moe_layers: int | None) -> Finding:
    """``num_moe_layers``: rounds of one token, None where the model is unknown."""
    fact = f"{router}: {1000 * round_trip_s:.1f} ms"
    if not num_moe_layers:
        return Finding("round trip", "ok", fact)
    tokens_per_s = 1 / (num_moe_layers * max(round_trip_s, 1e-6))
    fact += f", so at most {tokens_per_s:.1f} tokens/s of a request over {num_moe_layers} MoE layers"
    if tokens_per_s < MIN_TOKENS_PER_S:
        return Finding("round trip", "warning", fact, "join a network whose routers are nearer, or use a faster line")
    return Finding("round trip", "ok", fact)


def judge_gateway(url: str, failure: str, network_id: str, wanted: str, is_another_open: bool) -> Finding:
    """``failure``: why its ``/network`` could not be read, empty if it was; ``network_id``: what stands there."""
    if failure:
        remedy = (
            "tell the network's owner; other gateways answer" if is_another_open else f"allow outbound HTTP to {url}"
        )
        return Finding("gateway", "warning" if is_another_open else "problem", failure, remedy)
    if network_id != wanted:
        fact = f"{url} serves the network {network_id!r}, the manifest is of {wanted!r}"
        return Finding("gateway", "problem", fact, "tell the network's owner: the manifest names a wrong router")
    return Finding("gateway", "ok", f"{url} serves {wanted}")


def judge_stake(chain_id: int, terms: StakeTerms | None, probe: StakeProbe | None) -> Finding:
    """``probe``: None where no chain was asked."""
    check = "stake and funds"
    if terms is None:
        return Finding(check, "ok", "this network asks for no stake" if chain_id else "this network has no chain")
    if probe is None:
        fact = f"not read from chain {chain_id}, where this network asks for {terms.min_stake} base units"
        return Finding(check, "unknown", fact, "give --chain FILE, which names its contracts")
    if probe.failure:
        return Finding(check, "unknown", f"not read: {probe.failure}", "mend that and ask again")
    if (probe.chain_id, probe.node_registry) != (chain_id, terms.node_registry):
        fact = f"--chain names registry {probe.node_registry} on chain {probe.chain_id}"
        return Finding(
            check, "problem", f"{fact}, the network {terms.node_registry} on {chain_id}", "give its own file"
        )
    return _judge_standing(check, terms, probe.standing)


def _judge_standing(check: str, terms: StakeTerms, standing: Standing) -> Finding:
    if not standing.node_id:
        return Finding(check, "problem", "the key signs for no registered node", "`moray node stake AMOUNT`")
    if standing.is_jailed:
        return Finding(check, "problem", f"node {standing.node_id} is jailed", "`moray node unjail` after its time")
    fact = f"node {standing.node_id} has {standing.bonded} base units of {terms.min_stake}"
    if standing.bonded < terms.min_stake:
        remedy = "`moray node stake` the rest" + ("" if terms.slasher == NO_SLASHER else f" --slasher {terms.slasher}")
        return Finding(check, "problem", fact, remedy)
    return Finding(check, "ok", fact)


def judge_disk(free_bytes: int, needed_bytes: int | None) -> Finding:
    """``needed_bytes``: for shards that are still to come, None where the model is unknown."""
    if needed_bytes is None:
        fact = f"{decimal(free_bytes)} free"
        return Finding("disk", "unknown", fact, "give --network to compare it with the model's shards")
    fact = f"{decimal(free_bytes)} free, {decimal(needed_bytes)} needed for shards to come"
    if free_bytes < needed_bytes:
        return Finding("disk", "problem", fact, "free some, give fewer --slots or a larger disk's --state-dir")
    return Finding("disk", "ok", fact)


def judge_inodes(free_inodes: int | None) -> Finding:
    """None: a file system that does not count them."""
    if free_inodes is None or free_inodes >= SPARE_INODES:
        return Finding("inodes", "ok", "uncounted" if free_inodes is None else f"{free_inodes} free")
    return Finding("inodes", "problem", f"{free_inodes} free", "delete small files, or give another --state-dir")


def judge_memory(available_bytes: int, weight_bytes: int | None, num_replicas: int) -> Finding:
    """``weight_bytes``: of all experts as they are held, None where the model is unknown."""
    needed_bytes = num_replicas * REPLICA_BYTES + (weight_bytes or 0)
    parts = f"{decimal(num_replicas * REPLICA_BYTES)} for replicas"
    if weight_bytes is not None:
        parts += f" and {decimal(weight_bytes)} for weights"
    fact, remedy = f"{decimal(available_bytes)} free, {parts} needed", "end other programs or give fewer --slots"
    if available_bytes < needed_bytes:
        return Finding("memory", "problem", fact, remedy)
    if available_bytes * (1 - MEMORY_RESERVE) < needed_bytes:
        return Finding("memory", "warning", fact, remedy)
    if weight_bytes is None:
        return Finding("memory", "unknown", fact, "give --network to count the model's weights too")
    return Finding("memory", "ok", fact)


def judge_cpu(has_byte_products: bool, has_wide_registers: bool, has_fma: bool) -> Finding:
    integer = "the byte-product instruction" if has_byte_products else "ordinary instructions: as exact, but slower"
    tiles = "wide" if has_wide_registers else "narrow"
    fact = f"integer experts by {integer}; float32 experts by {tiles} tiles"
    if has_fma:
        return Finding("cpu", "ok", fact)
    remedy = "prefer a network of integer experts, or a machine with FMA (x86-64-v3)"
    return Finding("cpu", "warning", f"{fact}; no fused multiply-add, so float32 is very slow", remedy)


def judge_kernel(numeric_class: NumericClass, hidden_size: int, width: int, fault: str) -> Finding:
    """``fault``: what the kernel does wrong at these widths, empty for nothing."""
    where = f"{numeric_class} at {hidden_size} x {width}"
    if fault:
        remedy = "do not join with this machine: test its memory, set its clock rates back, and report it if that stays"
        return Finding("kernel", "problem", f"{where}: {fault}", remedy)
    how = "within the router's tolerance" if numeric_class == "float32" else "exact"
    return Finding("kernel", "ok", f"{where}: {how} on random and saturating rows, alone and together")


def judge_throughput(
    numeric_class: NumericClass, num_rows: Sequence[int], rows_per_s: Sequence[float], num_moe_layers: int | None
) -> Finding:
    """``rows_per_s`` of one expert of one layer when it gets ``num_rows`` at a time; the first is of one row."""
    listed = ", ".join(f"{rate:,.0f} by {count}" for count, rate in zip(num_rows, rows_per_s, strict=True))
    fact = f"{numeric_class} rows/s of one expert: {listed}"
    if num_moe_layers and rows_per_s[0] < num_moe_layers * MIN_TOKENS_PER_S:
        remedy = "end other programs, or use a faster machine"
        return Finding("throughput", "warning", f"{fact}; a token needs {num_moe_layers} in turn", remedy)
    return Finding("throughput", "ok", fact)


def judge_ray_ports(exposed: Sequence[str]) -> Finding:
    """``exposed``: addresses beyond loopback where a Ray process of this machine listens."""
    if not exposed:
        fact = "no Ray process listens beyond loopback; a node's own binds 127.0.0.1, but for one port per replica"
        return Finding("ray ports", "ok", fact, "let your firewall close every inbound port: a node needs none")
    fact = f"a Ray process listens on {', '.join(exposed)}: whoever reaches it may run code here"
    return Finding(
        "ray ports", "warning", fact, "close these ports in your firewall, or end that Ray if it is not yours"
    )


def judge_open_files(hard_limit: int) -> Finding:
    """Ray raises the soft limit to the hard one by itself."""
    fact = f"at most {hard_limit} of a process"
    if hard_limit >= OPEN_FILES_RAY_WANTS:
        return Finding("open files", "ok", fact)
    state: State = "problem" if hard_limit < MIN_OPEN_FILES else "warning"
    return Finding("open files", state, fact, f"raise the hard limit to {OPEN_FILES_RAY_WANTS}: `ulimit -Hn`, nofile")


def judge_shared_memory(free_bytes: int) -> Finding:
    fact = f"{decimal(free_bytes)} free in /dev/shm"
    if free_bytes >= OBJECT_STORE_BYTES:
        return Finding("shared memory", "ok", fact)
    remedy = f"give {decimal(OBJECT_STORE_BYTES)} or more: in Docker `--shm-size 256m`; else Ray uses the slower disk"
    return Finding("shared memory", "warning", fact, remedy)
