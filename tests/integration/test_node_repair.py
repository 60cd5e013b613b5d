"""A Ray node that dies as a whole comes back, and its experts with it, while the network is used."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from cluster import Network, ids_of, network_of, replica_pids
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.nodes.processes import SUPERVISOR, marked_processes
from moray.nodes.rayenv import NODE_VARIABLE
from moray.nodes.state import read_state

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    model = tmp_path_factory.mktemp("model")
    write_random_checkpoint(model, DEMO_CONFIG, seed=4)
    options = ("--nodes", "2", "--replicas", "1", "--experts-per-replica", "4")
    patience = {"MORAY_EXPERT_WAIT_S": "90"}
    with network_of(model, tmp_path_factory.mktemp("state"), *options, env=patience) as network:
        yield network


def processes(network: Network, variables: dict[str, str]) -> list[psutil.Process]:
    record = read_state(network.state_dir)
    assert record is not None
    return marked_processes(record.marker, variables)


def on_node(network: Network, node_id: str) -> list[psutil.Process]:
    return processes(network, {NODE_VARIABLE: node_id})


def test_a_node_that_is_killed_as_a_whole_comes_back_and_a_waiting_stream_goes_on(network: Network) -> None:
    before = network.wait(lambda page: len(replica_pids(page)) == 2, "two replicas")
    expected = network.complete(max_tokens=40)["token_ids"]
    dead: list[psutil.Process] = []

    def strike_once(count: int) -> None:
        if count >= 5 and not dead:
            dead.extend(on_node(network, "node-1"))
            for process in dead:
                process.kill()

    events = list(network.stream(strike_once, max_tokens=40))
    assert any(process.name() == "raylet" for process in on_node(network, "node-0")) and dead
    after = network.wait(lambda page: len(replica_pids(page)) == 2, "both nodes again")
    assert after["missing_experts"] == [] and set(replica_pids(after)) != set(replica_pids(before))
    assert [process.name() for process in on_node(network, "node-1")].count("raylet") == 1
    assert ids_of(events) == expected and not any("error" in event for event in events)
    assert network.complete(max_tokens=40)["token_ids"] == expected


def test_there_is_one_supervisor_and_it_ends_with_the_network(network: Network) -> None:
    assert len(processes(network, SUPERVISOR)) == 1
