"""What a node looks at before it starts anything, and whose directory it takes for its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from http_kit import Reply, file_answer, serving
from moray.errors import BadSetting, ClusterError, DownloadFailed, ManifestRefused, UnsafeAddress
from moray.experts.manifest import Manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.store import ShardStore
from moray.join_string import JoinString
from moray.network_manifest import DAY_S, RouterEntry, encode_manifest, sign_manifest
from moray.node_key import NodeKey
from moray.nodes.agent import NodeOptions, count_slots, survey
from moray.nodes.findings import REPLICA_BYTES
from moray.nodes.node_directory import end_leftovers, own_directory
from moray.nodes.node_state import NODE_LOCK, NodeState, read_node, this_process, write_node
from moray.nodes.processes import MARKER_VARIABLE
from moray.nodes.state import ClusterRecord, hold_lock, open_state_dir, read_state, write_state

OWNER, STRANGER = NodeKey.from_bytes(b"\1" * 32), NodeKey.from_bytes(b"\2" * 32)
NUM_EXPERTS = 4
CONFIG = TINY_CONFIG | {"n_routed_experts": NUM_EXPERTS, "n_group": 1, "topk_group": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    folder: Path = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder / "checkpoint", CONFIG, seed=2)
    write_shards(folder / "checkpoint", folder / "shards")
    return ShardStore.open(folder / "shards")


@pytest.fixture
def model(store: ShardStore) -> Manifest:
    return store.manifest


@dataclass
class Gateway:
    url: str
    pages: dict[str, bytes]

    def sign(self, **changes: Any) -> None:
        now_s = int(time.time())
        entry = RouterEntry(host="127.0.0.1", port=7443, url=self.url, tls_cert_sha256="cd" * 32)
        usual: dict[str, Any] = dict(
            network_id="eels",
            chain_id=0,
            version=1,
            model_id="ab" * 32,
            numeric_class="float32",
            issued_at=now_s,
            expires_at=now_s + DAY_S,
            routers=(entry,),
        )
        self.pages["/network/manifest"] = encode_manifest(sign_manifest(OWNER, **usual | changes))


@pytest.fixture
def gateway(store: ShardStore) -> Iterator[Gateway]:
    """Of the network ``eels``, with the model's manifest and no shard."""
    pages = {"/model/manifest.json": (store.folder / "manifest.json").read_bytes()}

    def answer(reply: Reply) -> None:
        page = pages.get(reply.request_seen.path)
        if page is None:
            reply.error(404, "not_found", "nothing here")
        else:
            file_answer(page)(reply)

    with serving(answer) as server:
        gateway = Gateway(server.url, pages)
        gateway.sign(model_id=store.model_id)
        yield gateway


@pytest.fixture
def options(gateway: Gateway, tmp_path: Path) -> NodeOptions:
    return NodeOptions(JoinString(gateway.url, OWNER.address), open_state_dir(tmp_path / "state"), allow_private=True)


# --- the survey


def test_a_survey_finds_the_network_and_its_model_and_keeps_the_nodes_name(
    options: NodeOptions, store: ShardStore
) -> None:
    first, second = survey(options), survey(options)
    assert first == second
    assert (first.manifest.network_id, first.model, first.num_slots) == ("eels", store.manifest, 1)
    assert first.model_folder == options.state_dir / "models" / store.model_id


@pytest.mark.parametrize("experts", [(NUM_EXPERTS,), (0, 99999)])
def test_an_expert_that_the_model_does_not_have_is_refused(experts: tuple[int, ...], options: NodeOptions) -> None:
    with pytest.raises(BadSetting, match=f"--experts {experts[-1]}: the model has experts 0 to {NUM_EXPERTS - 1}"):
        survey(replace(options, asked=experts))


def test_a_survey_refuses_what_it_cannot_believe(options: NodeOptions, gateway: Gateway) -> None:
    stranger = replace(options, join_string=JoinString(gateway.url, STRANGER.address))
    with pytest.raises(ManifestRefused, match="wrong_owner"):
        survey(stranger)
    with pytest.raises(UnsafeAddress):
        survey(replace(options, allow_private=False))
    gateway.sign(version=2)  # of another model than the one that is served
    with pytest.raises(DownloadFailed, match="has model"):
        survey(options)
    del gateway.pages["/model/manifest.json"]
    with pytest.raises(DownloadFailed, match="HTTP 404"):
        survey(options)


def test_a_directory_without_room_for_a_socket_is_refused_before_anybody_is_asked(options: NodeOptions) -> None:
    deep = open_state_dir(options.state_dir / ("d" * 100))
    with pytest.raises(BadSetting, match="too long for a socket"):
        survey(replace(options, state_dir=deep))
    assert list(deep.iterdir()) == []


# --- room


@pytest.mark.parametrize(
    ("asked", "slots", "counted"),
    [((), None, 1), ((), 3, 3), ((), 1000, NUM_EXPERTS), ((2,), None, 1), ((0, 2, 3), None, 3), ((1,), 3, 3)],
)
def test_there_are_as_many_slots_as_were_given_or_named(
    asked: tuple[int, ...], slots: int | None, counted: int, options: NodeOptions, model: Manifest
) -> None:
    assert count_slots(replace(options, asked=asked, num_slots=slots), model) == counted


@pytest.mark.parametrize(("experts", "spare", "counted"), [(1, 0, 1), (2, -1, 1), (2, 0, 2), (3, 7, 3), (99, 0, 4)])
def test_memory_is_counted_in_whole_experts(
    experts: int, spare: int, counted: int, options: NodeOptions, model: Manifest
) -> None:
    largest = REPLICA_BYTES + max(model.expert_file(expert).size_bytes for expert in range(NUM_EXPERTS))
    given = replace(options, memory_bytes=experts * largest + spare)
    assert count_slots(given, model) == counted


@pytest.mark.parametrize("memory_bytes", [0, REPLICA_BYTES])
def test_memory_for_no_expert_is_refused(memory_bytes: int, options: NodeOptions, model: Manifest) -> None:
    with pytest.raises(BadSetting, match=r"an expert needs .* MB: give more"):
        count_slots(replace(options, memory_bytes=memory_bytes), model)


@pytest.mark.parametrize("room", [{"num_slots": 1}, {"memory_bytes": 2 * REPLICA_BYTES}])
def test_more_experts_than_there_is_room_for_are_refused(
    room: dict[str, Any], options: NodeOptions, model: Manifest
) -> None:
    with pytest.raises(BadSetting, match="--experts names 2 and there is room for 1"):
        count_slots(replace(options, asked=(0, 1), **room), model)


# --- the directory


def a_state(marker: str, **changes: Any) -> NodeState:
    pid, started = this_process()
    fields: dict[str, Any] = {"pid": pid, "pid_started": started - 1, "marker": marker} | changes  # it has ended
    return NodeState(
        join_string="x", allow_private=False, network_id="eels", node_id="n", signer="0x", num_slots=1,
        routers={}, phase="serving", **fields,
    )  # fmt: skip


def a_record(state_dir: Path, marker: str) -> ClusterRecord:
    return ClusterRecord(marker=marker, state_dir=state_dir, temp_dir=state_dir / "none")


@pytest.mark.parametrize("left", [None, "", "b" * 32])
def test_the_directory_of_a_network_is_refused_and_nothing_of_it_is_ended(left: str | None, tmp_path: Path) -> None:
    marker = "a" * 32
    write_state(record := a_record(tmp_path, marker))
    if left is not None:
        write_node(tmp_path, a_state(left))
    with marked_process(marker) as theirs:
        with (
            pytest.raises(ClusterError, match=r"belongs to `moray up`: give the node another --state-dir"),
            own_directory(tmp_path),
        ):
            pytest.fail("it was taken")
        assert end_leftovers(tmp_path) == 0
        assert theirs.poll() is None and read_state(tmp_path) == record
        theirs.kill()


def test_what_a_killed_node_left_running_is_ended(tmp_path: Path) -> None:
    marker = f"{time.time_ns():032x}"
    write_state(a_record(tmp_path, marker))
    write_node(tmp_path, a_state(marker))
    with marked_process(marker) as left, own_directory(tmp_path):
        assert left.poll() is None and read_node(tmp_path) is not None  # until it is to start
        assert end_leftovers(tmp_path) == 1
        assert left.wait(20) != 0
    assert read_node(tmp_path) is None and read_state(tmp_path) is None


def test_a_directory_is_one_nodes_at_a_time(tmp_path: Path) -> None:
    write_node(tmp_path, a_state("a" * 32, pid_started=this_process()[1]))
    with (
        pytest.raises(ClusterError, match=r"a node runs from .* already: end it with `moray node leave`"),
        own_directory(tmp_path),
    ):
        pytest.fail("it was taken")
    write_node(tmp_path, a_state("a" * 32))
    with (
        hold_lock(tmp_path, NODE_LOCK),
        pytest.raises(ClusterError, match="another moray command is at work"),
        own_directory(tmp_path),
    ):
        pytest.fail("it was taken")


def marked_process(marker: str) -> subprocess.Popen[bytes]:
    """One of a cluster's."""
    code = "import time; time.sleep(60)"
    return subprocess.Popen([sys.executable, "-c", code], env={MARKER_VARIABLE: marker})
