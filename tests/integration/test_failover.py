"""Two replicas of each expert on two nodes: a stream does not notice that one of them dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import psutil
import pytest

from cluster import Network, ids_of, network_of, replica_pids
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards

pytestmark = pytest.mark.integration

NUM_TOKENS = 160


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Served from shards, so that every replica checks the digests of what it loads; ended by Ctrl-C."""
    folder = tmp_path_factory.mktemp("models")
    write_random_checkpoint(folder / "checkpoint", DEMO_CONFIG, seed=4)
    write_shards(folder / "checkpoint", folder / "shards")
    options = ("--nodes", "2", "--replicas", "2", "--experts-per-replica", "4")
    with network_of(
        folder / "shards", tmp_path_factory.mktemp("state"), *options, in_foreground=True, by_ctrl_c=True
    ) as network:
        yield network


def test_replicas_of_one_expert_never_share_a_node(network: Network) -> None:
    nodes = network.get("/network").json()["nodes"]
    assert [sorted(tuple(replica["experts"]) for replica in node["replicas"]) for node in nodes] == [
        [(0, 1, 2, 3), (4, 5, 6, 7)]
    ] * 2


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_stream_is_unbroken_and_the_same_when_a_replica_is_killed_or_frozen(
    network: Network, sent: signal.Signals
) -> None:
    before = network.wait(lambda page: len(replica_pids(page)) == 4, "four replicas")
    expected = network.complete(max_tokens=NUM_TOKENS)["token_ids"]
    busiest = max((r for node in before["nodes"] for r in node["replicas"]), key=lambda r: r["rows_sent"])
    hit: list[int] = []

    def strike_once(count: int) -> None:
        if count >= 20 and not hit:
            hit.append(busiest["pid"])
            os.kill(busiest["pid"], sent)

    events = list(network.stream(strike_once, max_tokens=NUM_TOKENS))
    assert hit
    assert [event for event in events if "error" in event] == []
    assert ids_of(events) == expected
    after = network.wait(
        lambda page: len(replica_pids(page)) == 4 and busiest["pid"] not in replica_pids(page), "the repair"
    )
    assert after["missing_experts"] == []


@pytest.mark.parametrize("temperature", [0, 0.8])
def test_what_a_router_that_dies_leaves_unfinished_is_resumed_at_the_next_one(
    network: Network, temperature: float
) -> None:
    network.wait(lambda page: len(replica_pids(page)) == 4, "four replicas")
    asked = {"max_tokens": NUM_TOKENS, "temperature": temperature, "seed": 9}
    expected = network.complete(**asked)
    router = network.get("/network").json()["router"]["pid"]
    received, text = list[int](), ""

    def strike_once(count: int) -> None:
        if count >= 20 and psutil.pid_exists(router):
            os.kill(router, signal.SIGKILL)

    with pytest.raises(httpx2.TransportError):  # the connection breaks off
        for event in network.stream(strike_once, **asked):
            received += ids_of([event])
            text += "".join(choice["text"] for choice in event["choices"])
    assert 20 <= len(received) < NUM_TOKENS

    def is_back() -> bool:
        with suppress(httpx2.TransportError):
            return network.get("/readyz").status_code == 200
        return False

    until = time.monotonic() + 90
    while not is_back():
        assert time.monotonic() < until, "the router did not come back"
        time.sleep(0.2)
    rest = network.complete(**asked, resume_token_ids=received)
    assert received + rest["token_ids"] == expected["token_ids"]
    assert text + rest["text"] == expected["text"]
