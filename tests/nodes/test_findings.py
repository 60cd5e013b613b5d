"""Each judgement at its limits; whatever is measured, what is not fine says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.contracts.standing import Standing
from moray.errors import BadKeystore, ManifestRefused
from moray.network_manifest import NO_SLASHER, StakeTerms
from moray.nodes import findings
from moray.nodes.findings import Finding, StakeProbe

GB = 10**9
PIN = "ab" * 32
COUNTS = st.integers(0, 10**13)
SECONDS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("offset_s", "state"),
    [
        (0.0, "ok"),
        (2.0, "ok"),
        (-2.0, "ok"),
        (2.1, "warning"),
        (-30.0, "warning"),
        (30.1, "problem"),
        (-1e9, "problem"),
    ],
)
def test_a_clock_is_judged_by_how_long_a_join_holds(offset_s: float, state: str) -> None:
    assert findings.judge_clock(offset_s).state == state


def test_a_clock_that_nobody_could_be_asked_about_is_unknown() -> None:
    assert findings.judge_clock(None).state == "unknown"


def test_a_clock_says_on_which_side_it_is() -> None:
    assert "45.0 s ahead" in findings.judge_clock(45.0).fact
    assert "45.0 s behind" in findings.judge_clock(-45.0).fact


def test_a_router_that_is_down_alone_is_not_this_machines_problem() -> None:
    assert findings.judge_port("r:1", "", False).state == "ok"
    assert findings.judge_port("r:1", "refused", True).state == "warning"
    blocked = findings.judge_port("r:1", "refused", False)
    assert blocked.state == "problem" and "firewall" in blocked.remedy


def test_tls_is_fine_only_with_the_version_and_the_certificate() -> None:
    assert findings.judge_tls("r:1", "", "TLSv1.3", PIN, PIN).state == "ok"
    assert findings.judge_tls("r:1", "no handshake", "", "", PIN).state == "problem"
    assert findings.judge_tls("r:1", "", "TLSv1.2", PIN, PIN).state == "problem"
    other = findings.judge_tls("r:1", "", "TLSv1.3", "cd" * 32, PIN)
    assert other.state == "problem" and "do not join" in other.remedy


def test_a_round_trip_is_judged_by_the_tokens_that_it_leaves_time_for() -> None:
    assert findings.judge_round_trip("r:1", 0.01, None).state == "ok"
    near = findings.judge_round_trip("r:1", 0.010, 10)
    assert near.state == "ok" and "10.0 tokens/s" in near.fact and "10.0 ms" in near.fact
    far = findings.judge_round_trip("r:1", 0.050, 58)
    assert far.state == "warning" and "0.3 tokens/s" in far.fact


def test_a_gateway_must_serve_the_manifests_network() -> None:
    assert findings.judge_gateway("http://r", "", "net", "net", True).state == "ok"
    assert findings.judge_gateway("http://r", "", "other", "net", True).state == "problem"
    assert findings.judge_gateway("http://r", "timed out", "", "net", True).state == "warning"
    assert findings.judge_gateway("http://r", "timed out", "", "net", False).state == "problem"


REGISTRY, SLASHER = "0x" + 40 * "1", "0x" + 40 * "2"
TERMS = StakeTerms(node_registry=REGISTRY, slasher=NO_SLASHER, min_stake=1000)
PROBE = StakeProbe("", 31337, REGISTRY, Standing(7, 1000))


def test_stake_is_fine_where_none_is_asked_for_or_there_is_enough() -> None:
    assert findings.judge_stake(0, None, None) == Finding("stake and funds", "ok", "this network has no chain")
    assert findings.judge_stake(31337, None, None).state == "ok"
    assert findings.judge_stake(31337, TERMS, PROBE).state == "ok"


def test_stake_that_nobody_looked_up_is_unknown_and_says_why() -> None:
    unasked = findings.judge_stake(31337, TERMS, None)
    assert unasked.state == "unknown" and "1000" in unasked.fact and "--chain" in unasked.remedy
    silent = findings.judge_stake(31337, TERMS, StakeProbe("the endpoint does not answer"))
    assert silent.state == "unknown" and "does not answer" in silent.fact


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"standing": Standing()}, "moray node stake"),
        ({"standing": Standing(7, 1000, is_jailed=True)}, "moray node unjail"),
        ({"standing": Standing(7, 999)}, "moray node stake"),
        ({"chain_id": 1}, "its own file"),
        ({"node_registry": SLASHER}, "its own file"),
    ],
)
def test_a_node_that_could_not_join_for_its_stake_has_a_problem(changes: dict[str, Any], told: str) -> None:
    found = findings.judge_stake(31337, TERMS, replace(PROBE, **changes))
    assert found.state == "problem" and told in found.remedy


def test_the_remedy_names_the_slasher_that_the_network_asks_for() -> None:
    terms = TERMS.model_copy(update={"slasher": SLASHER})
    assert SLASHER in findings.judge_stake(31337, terms, replace(PROBE, standing=Standing(7, 1))).remedy


def test_disk_memory_and_inodes_are_judged_by_what_is_needed() -> None:
    assert findings.judge_disk(2 * GB, 2 * GB).state == "ok"
    assert findings.judge_disk(2 * GB - 1, 2 * GB).state == "problem"
    assert findings.judge_disk(2 * GB, None).state == "unknown"
    assert findings.judge_inodes(1000).state == "ok"
    assert findings.judge_inodes(999).state == "problem"
    assert findings.judge_inodes(None).state == "ok"
    needed = 2 * GB + 3 * findings.REPLICA_BYTES
    assert findings.judge_memory(needed - 1, 2 * GB, 3).state == "problem"
    assert findings.judge_memory(needed, 2 * GB, 3).state == "warning"
    assert findings.judge_memory(2 * needed, 2 * GB, 3).state == "ok"
    assert findings.judge_memory(needed, None, 3).state == "unknown"
    assert findings.judge_memory(GB // 10, None, 3).state == "problem"


def test_a_kernel_with_a_fault_is_a_problem_and_slowness_is_not() -> None:
    assert findings.judge_kernel("int8", 64, 32, "").state == "ok"
    wrong = findings.judge_kernel("int8", 64, 32, "it is wrong")
    assert wrong.state == "problem" and "it is wrong" in wrong.fact and "64 x 32" in wrong.fact
    assert findings.judge_cpu(False, False, True).state == "ok"
    assert findings.judge_cpu(True, True, False).state == "warning"
    assert findings.judge_throughput("int8", (1, 32), (58.0, 900.0), 58).state == "ok"
    slow = findings.judge_throughput("int8", (1, 32), (57.0, 900.0), 58)
    assert slow.state == "warning" and "57 by 1, 900 by 32" in slow.fact
    assert findings.judge_throughput("int8", (1, 32), (0.1, 0.2), None).state == "ok"


def test_what_ray_needs_of_the_machine() -> None:
    assert findings.judge_open_files(8192).state == "ok"
    assert findings.judge_open_files(8191).state == "warning"
    assert findings.judge_open_files(1023).state == "problem"
    assert findings.judge_shared_memory(80_000_000).state == "ok"
    assert findings.judge_shared_memory(64 << 20).state == "warning"  # what Docker gives
    assert findings.judge_ray_ports(()).state == "ok"
    exposed = findings.judge_ray_ports(("0.0.0.0:6379 (gcs_server)",))
    assert exposed.state == "warning" and "0.0.0.0:6379" in exposed.fact


def test_an_error_keeps_its_words() -> None:
    found = findings.refused("key", BadKeystore("there is no key; make one with `moray node key new`"))
    assert found == Finding("key", "problem", "there is no key", "make one with `moray node key new`")
    bare = findings.refused("manifest", ManifestRefused("bad_signature", "no key made this signature"))
    assert bare.fact == "bad_signature: no key made this signature" and bare.remedy


JUDGEMENTS: list[Callable[..., Finding]] = [
    findings.judge_clock,
    findings.judge_port,
    findings.judge_tls,
    findings.judge_round_trip,
    findings.judge_gateway,
    findings.judge_disk,
    findings.judge_inodes,
    findings.judge_memory,
    findings.judge_cpu,
    findings.judge_kernel,
    findings.judge_ray_ports,
    findings.judge_open_files,
    findings.judge_shared_memory,
]


@given(data=st.data(), judge=st.sampled_from(JUDGEMENTS))
def test_whatever_is_measured_what_is_not_fine_has_a_remedy(data: st.DataObject, judge: Callable[..., Finding]) -> None:
    kinds = {
        "str": st.text(max_size=20),
        "bool": st.booleans(),
        "int": COUNTS,
        "int | None": st.none() | COUNTS,
        "float": SECONDS,
        "float | None": st.none() | st.floats(-1e12, 1e12),
        "Sequence[str]": st.lists(st.text(max_size=9), max_size=3),
        "NumericClass": st.sampled_from(["float32", "int8", "int4"]),
    }
    parameters = {name: kind for name, kind in judge.__annotations__.items() if name != "return"}
    found = judge(**{name: data.draw(kinds[kind], name) for name, kind in parameters.items()})
    assert found.check and found.fact
    assert found.state == "ok" or found.remedy
