"""Which nodes of a Ray cluster that was there are taken, and what is said when they are not enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moray.errors import BadSetting, ClusterError
from moray.nodes import existing, state
from moray.nodes.cluster import ClusterSpec, start_cluster
from moray.nodes.existing import ExistingSpec, RouterNode, choose_nodes, describe_lack, join_cluster, read_nodes
from moray.nodes.placement import deal_replicas
from moray.nodes.state import ClusterRecord, NodeRecord


def ray_node(label: str = "", is_alive: bool = True, **resources: float) -> dict[str, Any]:
    labels = {"moray-node": label} if label else {}
    return {
        "NodeID": f"id-{label}",
        "Alive": is_alive,
        "Labels": labels,
        "Resources": resources,
        "NodeManagerAddress": "h",
    }


def nodes(**slots: int) -> list[NodeRecord]:
    return [NodeRecord(node_id=node_id, slots=count) for node_id, count in slots.items()]


def test_only_live_labelled_nodes_with_slots_count_and_each_name_once() -> None:
    router, experts = read_nodes(
        [
            ray_node("head", moray_router=1.0),
            ray_node("b", moray_expert_slot=2.0),
            ray_node("a", moray_expert_slot=4.0),
            ray_node("a", moray_expert_slot=3.0),  # an older life that Ray has not given up yet
            ray_node("dead", is_alive=False, moray_expert_slot=4.0),
            ray_node("", moray_expert_slot=4.0),
            ray_node("plain", CPU=8.0),
        ]
    )
    assert router == RouterNode("id-head", "h")
    assert experts == nodes(a=4, b=2)


def test_a_dead_head_is_no_router() -> None:
    assert read_nodes([ray_node("head", is_alive=False, moray_router=1.0)]) == (None, [])


@pytest.mark.parametrize(
    ("router", "experts", "told"),
    [
        (None, nodes(a=1, b=1), "moray_router"),
        (RouterNode("i", "h"), nodes(a=1), "1 of 2 expert nodes"),
        (RouterNode("i", "h"), nodes(a=1, b=1), ""),
        (RouterNode("i", "h"), nodes(a=1, b=1, c=1), ""),
    ],
)
def test_what_is_lacking_is_said(router: RouterNode | None, experts: list[NodeRecord], told: str) -> None:
    lack = describe_lack(router, experts, 2)
    assert told in lack and bool(lack) == bool(told)


def test_the_nodes_with_most_slots_are_taken_and_the_first_gets_the_odd_replica() -> None:
    dealt = deal_replicas(num_sets=3, replicas=1, num_nodes=2)
    assert choose_nodes(nodes(a=1, b=2, c=1), 2, dealt) == tuple(nodes(b=2, a=1))


def test_too_few_slots_are_one_line_with_the_node_and_the_number() -> None:
    dealt = deal_replicas(num_sets=4, replicas=1, num_nodes=2)
    with pytest.raises(BadSetting, match="2 expert slots on b, which has 1"):
        choose_nodes(nodes(a=3, b=1), 2, dealt)


@pytest.mark.parametrize("address", ["", "auto", "ray://h:10001", "127.0.0.1", ":6379", "h:", "h:0", "h:99999", "h:x"])
def test_an_address_that_is_not_host_and_port_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="--ray-address"):
        join_cluster(ExistingSpec(address, 1, [[0]], (), tmp_path), lambda text: None)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_one_clear_line_and_leaves_no_record(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        join_cluster(ExistingSpec("127.0.0.1:1", 1, [[0]], (), tmp_path, wait_s=0), lambda text: None)
    assert state.read_state(tmp_path) is None
    assert (tmp_path / "wire_token").exists() and not (tmp_path / "ray_token").exists()


def record(directory: Path, ray_address: str) -> ClusterRecord:
    return ClusterRecord(
        marker="", state_dir=directory, temp_dir=directory / "temp", ray_address=ray_address, is_existing=True
    )


def test_a_state_directory_serves_one_network_of_either_kind(tmp_path: Path) -> None:
    state.write_state(record(tmp_path, "h:1"))
    with pytest.raises(ClusterError, match="another network"):
        join_cluster(ExistingSpec("127.0.0.1:2", 1, [[0]], (), tmp_path, wait_s=0), lambda text: None)
    with pytest.raises(ClusterError, match="moray down"):
        start_cluster(ClusterSpec(num_nodes=1, slots=1, state_dir=tmp_path))
    assert state.read_state(tmp_path) == record(tmp_path, "h:1")


def test_down_of_a_cluster_that_does_not_answer_keeps_the_record_and_says_what_to_delete(tmp_path: Path) -> None:
    state.write_state(record(tmp_path, "127.0.0.1:1"))
    with pytest.raises(ClusterError, match=r"delete .*state\.json"):
        existing.leave_cluster(record(tmp_path, "127.0.0.1:1"))
    assert state.read_state(tmp_path) is not None
