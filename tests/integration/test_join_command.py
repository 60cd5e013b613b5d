"""`moray node join`, `status` and `leave` as an operator runs them: all that can be wrong, and a node's whole life."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil
import pytest
from pydantic import SecretStr

from cluster import marked, moray
from doctor_kit import free_port
from http_kit import Reply, file_answer, serving
from moray.cli import main
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.store import ShardStore
from moray.join_string import JoinString, parse_join_string
from moray.key_file import load_key
from moray.network_manifest import NetworkManifest, encode_manifest, parse_manifest, sign_manifest
from moray.node_key import NodeKey
from operators import PASSWORD, OpenNetwork, Operator, joined, new_key, open_network, write_secret

pytestmark = pytest.mark.integration

NUM_EXPERTS = 2
CONFIG = TINY_CONFIG | {"n_routed_experts": NUM_EXPERTS, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
PROMPT = [5, 6, 7, 41]  # of a vocabulary of 300
STRANGER = NodeKey.from_bytes(b"\7" * 32).address
WAIT_S = 120.0
KEPT = {"node.lock", "node_name", "models"}  # by a node that was refused, and what it has seen of the network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenNetwork]:
    folder: Path = tmp_path_factory.mktemp("join")
    write_random_checkpoint(folder / "checkpoint", CONFIG, seed=6)
    write_shards(folder / "checkpoint", folder / "shards")
    with open_network(folder / "shards", folder) as network:
        new_key(folder, "node")
        yield network


@pytest.fixture(scope="module")
def manifest(network: OpenNetwork) -> NetworkManifest:
    content = (network.network.state_dir / "network.json").read_bytes()
    return parse_manifest(content, parse_join_string(network.join_string).owner, time.time())


Seen = TypeVar("Seen")


# --- refusals: one line, the right exit code, nothing left


class Refusals:
    """The command in this process, as importing it anew takes seconds."""

    def __init__(self, network: OpenNetwork, state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.network, self.state_dir, self._capfd = network, state_dir, capfd

    def __call__(self, code: int, *words: str, allow_private: bool = True, **changes: str) -> None:
        """Refused with ``code`` and one line that has all ``words``. ``changes``: options with other values."""
        options = {
            "network": self.network.join_string,
            "keystore": str(self.network.folder / "node.json"),
            "password-file": self.network.password_file,
            "state-dir": str(self.state_dir),
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
        if allow_private:
            arguments.append("--allow-private")
        self._capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "argv", ["moray", "node", "join", *arguments])
            main()
        told = self._capfd.readouterr()
        assert ended.value.code == code, told.err
        assert told.out == "" and told.err.startswith("moray: ") and told.err.count("\n") == 1, told
        assert [word for word in words if word not in told.err] == [], told.err

    def left_nothing(self) -> None:
        names = {path.name for path in self.state_dir.iterdir()}
        assert {name for name in names - KEPT if not name.startswith("network-")} == set()
        assert processes_of(self.state_dir) == []


@pytest.fixture
def refused(network: OpenNetwork, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Refusals]:
    refusals = Refusals(network, tmp_path / "state", capfd)
    yield refusals
    refusals.left_nothing()


def processes_of(state_dir: Path) -> list[int]:
    """Every process of a node's cluster is told where its secrets are."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(state_dir) in value for value in process.environ().values()):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_key_that_cannot_be_used(refused: Refusals, network: OpenNetwork, tmp_path: Path) -> None:
    refused(2, "there is no key", "moray node key new", keystore=str(tmp_path / "none.json"))
    write_secret(tmp_path / "wrong", "another password")
    refused(2, "node.json", "password", password_file=str(tmp_path / "wrong"))
    shutil.copy(network.folder / "node.json", tmp_path / "open.json")
    (tmp_path / "open.json").chmod(0o644)
    refused(2, "0644", "chmod 600", keystore=str(tmp_path / "open.json"))
    (tmp_path / "no.json").write_text("{}")
    (tmp_path / "no.json").chmod(0o600)
    refused(2, "no.json", keystore=str(tmp_path / "no.json"))


def test_a_network_that_is_not_there_or_not_the_owners(refused: Refusals, network: OpenNetwork) -> None:
    join_string = parse_join_string(network.join_string)
    refused(1, "127.0.0.1", network=str(JoinString(f"http://127.0.0.1:{free_port()}", join_string.owner)))
    refused(1, "wrong_owner", network=str(JoinString(join_string.url, STRANGER)))
    refused(2, "no join string", network="nonsense")
    refused(2, "--allow-private", allow_private=False)


def test_what_the_network_or_this_machine_has_no_room_for(refused: Refusals) -> None:
    refused(2, f"--experts {NUM_EXPERTS}", f"0 to {NUM_EXPERTS - 1}", experts=f"{NUM_EXPERTS}")
    refused(2, "--experts", "more --slots", experts="0,1", slots="1")
    refused(2, "--experts", "3,17", experts="0,0")
    refused(2, "--slots and --memory", slots="1", memory="8GB")
    refused(2, "--memory gives 1 MB", memory="1MB")
    refused(2, "--memory 'much'", memory="much")


def test_a_directory_whose_name_leaves_no_room_for_a_socket(refused: Refusals) -> None:
    refused.state_dir /= "x" * 100
    refused(2, "too long", "--state-dir")


def test_the_directory_of_a_network(refused: Refusals, network: OpenNetwork) -> None:
    directory = network.network.state_dir
    before = sorted(path.name for path in directory.iterdir() if path.name != "node.lock")
    refused(1, "belongs to `moray up`", "--state-dir", state_dir=str(directory))
    assert sorted(path.name for path in directory.iterdir() if path.name != "node.lock") == before
    refused.state_dir.mkdir()


def test_a_manifest_that_somebody_changed_on_the_way(
    refused: Refusals, network: OpenNetwork, manifest: NetworkManifest
) -> None:
    changed = manifest.model_copy(update={"model_id": "ab" * 32})
    with in_between(network) as between:
        between.pages["/network/manifest"] = encode_manifest(changed)
        refused(1, "bad_signature", network=between.join_string)
        between.pages["/network/manifest"] = b"<html>"
        refused(1, "malformed", network=between.join_string)


def test_shards_that_are_wrong_wherever_they_are_asked_for(
    refused: Refusals, network: OpenNetwork, manifest: NetworkManifest
) -> None:
    with in_between(network) as between:
        (router,) = manifest.routers
        between.sign(manifest, routers=(router.model_copy(update={"url": between.url}),))
        between.spoil_shards()
        refused(1, "not the manifest's", network=between.join_string)
    assert list((refused.state_dir / "models" / manifest.model_id).glob("expert*")) == []


@dataclass(frozen=True)
class Between:
    """Somebody who passes everything on to the router, but for ``pages``."""

    network: OpenNetwork
    url: str
    pages: dict[str, bytes]

    @property
    def join_string(self) -> str:
        return str(JoinString(self.url, parse_join_string(self.network.join_string).owner))

    def sign(self, manifest: NetworkManifest, **changes: Any) -> None:
        """Have it serve the owner's next manifest."""
        owner = load_key(self.network.folder / "owner.json", SecretStr(PASSWORD))
        fields = {name: getattr(manifest, name) for name in NetworkManifest.model_fields} | changes
        for name in ("format_version", "owner", "signature"):
            del fields[name]
        self.pages["/network/manifest"] = encode_manifest(
            sign_manifest(owner, **fields | {"version": manifest.version + 1})
        )

    def spoil_shards(self) -> None:
        """Of the right size, with one other bit."""
        store = ShardStore.open(self.network.folder / "shards")
        for expert in range(NUM_EXPERTS):
            name = store.manifest.expert_file(expert).name
            content = bytearray((store.folder / name).read_bytes())
            content[-1] ^= 1
            self.pages[f"/model/{name}"] = bytes(content)


@contextmanager
def in_between(network: OpenNetwork) -> Iterator[Between]:
    pages = dict[str, bytes]()

    def answer(reply: Reply) -> None:
        asked = reply.request_seen
        if asked.path in pages:
            file_answer(pages[asked.path])(reply)
            return
        method = "POST" if asked.body else "GET"
        passed = httpx2.request(method, network.network.url + asked.path, content=asked.body, timeout=WAIT_S)
        reply.whole(passed.content, passed.status_code)

    with serving(answer) as server:
        yield Between(network, server.url, pages)


# --- a node's life


@pytest.mark.timeout(600)
def test_the_life_of_two_nodes_from_joining_to_leaving(
    network: OpenNetwork, manifest: NetworkManifest, refused: Refusals
) -> None:
    with in_between(network) as between:
        between.sign(manifest, mirrors=(between.url,))
        between.spoil_shards()  # so it is the router that they come from
        with joined(replace(network, join_string=between.join_string), "a") as first:
            eventually((first.state_dir / "node.json").exists, bool)  # it has got its assignment
            assert first.state()["marker"]  # whoever kills it from now on, what it starts is found
            with joined(network, "b") as second:
                held = first.serving()["experts"]
                assert sorted([held, second.serving()["experts"]]) == [[0], [1]]
                tokens = completion(network)
                assert status_of(first) == (0, [held])
                refused(1, "already", "moray node leave", state_dir=str(first.state_dir))
                refused.state_dir.mkdir()
                assert completion(network) == tokens
                with taken_over(first) as again:
                    assert completion(network) == tokens
                    the_router_comes_back(network)
                    assert completion(network) == tokens
                    again.leave()
                    assert left(again.state_dir)
                marker = second.state()["marker"]
                second.process.send_signal(signal.SIGINT)
                assert second.process.wait(WAIT_S) == 0
                assert marked(marker) == [] and left(second.state_dir)


@contextmanager
def taken_over(operator: Operator) -> Iterator[Operator]:
    """Its own process alone is killed; its replicas serve on until the next one takes over."""
    before, tokens = operator.state(), completion(operator.network)
    operator.process.kill()
    operator.process.wait(WAIT_S)
    assert completion(operator.network) == tokens
    assert status_of(operator) == (1, [before["experts"]])
    with joined(operator.network, "a") as again:
        now = again.serving()
        assert (now["node_id"], now["experts"]) == (before["node_id"], before["experts"])
        assert now["marker"] != before["marker"] and marked(before["marker"]) == []
        yield again


def the_router_comes_back(network: OpenNetwork) -> None:
    """Killed, started again by Serve, and dialled by all replicas with nobody's help."""
    before = network.network.get("/network").json()
    os.kill(before["router"]["pid"], signal.SIGKILL)

    def look() -> dict[str, Any]:
        try:
            page: dict[str, Any] = network.network.get("/network").json()
        except httpx2.HTTPError:
            page = before  # it does not answer yet
        return page

    def is_whole(page: dict[str, Any]) -> bool:
        return page["router"]["pid"] != before["router"]["pid"] and serving_in(page) == serving_in(before)

    eventually(look, is_whole)


def serving_in(page: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Operators and the experts of their replicas."""
    return {
        (node["signer"], expert)
        for node in page["nodes"]
        for replica in node["replicas"]
        if replica["state"] == "serving"
        for expert in replica["experts"]
    }


def completion(network: OpenNetwork) -> list[int]:
    tokens: list[int] = network.network.complete(prompt=PROMPT, max_tokens=24)["token_ids"]
    assert len(tokens) == 24
    return tokens


def status_of(operator: Operator) -> tuple[int, list[list[int]]]:
    """The exit code and the experts of the replicas that the router sees serving."""
    done = moray("node", "status", "--state-dir", str(operator.state_dir), "--json")
    shown = json.loads(done.stdout)
    assert shown["is_running"] == (done.returncode == 0), done.stdout
    (view,) = shown["routers"]
    return done.returncode, [replica["experts"] for replica in view["replicas"] if replica["state"] == "serving"]


def left(state_dir: Path) -> bool:
    """Its directory is as if nothing had run, and nothing does."""
    names = {path.name for path in state_dir.iterdir()}
    assert names & {"node.json", "signing.sock", "state.json"} == set()
    assert processes_of(state_dir) == []
    gone = moray("node", "status", "--state-dir", str(state_dir), "--json")
    assert gone.returncode == 1 and "no node runs" in gone.stderr
    return True


def eventually(look: Callable[[], Seen], is_it: Callable[[Seen], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not is_it(seen := look()):
        assert time.monotonic() < until, f"still {seen} after {WAIT_S} s"
        time.sleep(0.1)
