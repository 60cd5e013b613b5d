"""The doctor examines a real network on loopback, and finds what is wrong with it or with this machine as a node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from doctor_kit import Certificate, free_port, gateway, make_certificate, tls_router
from moray.experts.manifest import Manifest, read_manifest
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.join_string import JoinString
from moray.key_file import KEYSTORE, store_key
from moray.network_manifest import NetworkManifest, RouterEntry, encode_manifest, sign_manifest
from moray.node_key import NodeKey
from moray.nodes import doctor
from moray.nodes.doctor import Network, Place, diagnose, missing_bytes, preflight, weight_bytes
from moray.nodes.findings import Finding

OWNER = NodeKey.from_bytes(bytes(31) + b"\x07")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder / "checkpoint", TINY_CONFIG, seed=1)
    write_shards(folder / "checkpoint", folder / "shards", lambda *_: None, numeric_class="int8")
    return folder / "shards"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / KEYSTORE
    store_key(path, SecretBytes(bytes(range(1, 33))), SecretStr("correct horse"))
    return path


@pytest.fixture
def place(keystore: Path, tmp_path: Path) -> Place:
    return Place(keystore, tmp_path, num_slots=2, device="cpu", allow_private=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "USUAL_WIDTHS", (48, 24))
    monkeypatch.setattr(doctor, "THROUGHPUT_S", 0.01)


@dataclass(frozen=True)
class Running:
    join_string: JoinString
    manifest: NetworkManifest
    pages: dict[str, bytes]


@contextmanager
def network(certificate: Certificate, folder: Path, clock_ahead_s: float = 0.0) -> Iterator[Running]:
    """A router with its gateway, whose manifest is signed and whose model is in ``folder``."""
    pages = {"/network": b'{"network_id": "net"}', "/model/manifest.json": (folder / "manifest.json").read_bytes()}
    with tls_router(certificate) as port, gateway(pages, clock_ahead_s) as url:
        manifest = signed(folder, RouterEntry(host="127.0.0.1", port=port, url=url, tls_cert_sha256=certificate.sha256))
        pages["/network/manifest"] = encode_manifest(manifest)
        yield Running(JoinString(url, OWNER.address), manifest, pages)


def signed(folder: Path, *routers: RouterEntry) -> NetworkManifest:
    now = int(time.time())
    return sign_manifest(
        OWNER,
        network_id="net",
        chain_id=0,
        version=1,
        model_id=read_manifest(folder).model_id,
        numeric_class="int8",
        issued_at=now - 60,
        expires_at=now + 3600,
        routers=routers,
    )


def of(check: str, found: list[Finding]) -> Finding:
    [one] = [finding for finding in found if finding.check == check]
    return one


def problems(found: list[Finding]) -> list[str]:
    return [finding.check for finding in found if finding.state == "problem"]


def test_a_sound_network_has_no_problem_for_a_sound_machine(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    with network(certificate, model_folder) as running:
        found = diagnose(place, running.join_string)
    assert problems(found) == []
    networked = ("manifest", "model", "clock", "gateway", "port", "round trip", "tls", "key", "disk", "kernel")
    assert {check: of(check, found).state for check in networked} == dict.fromkeys(networked, "ok")
    assert of("kernel", found).fact.startswith("int8 at 48 x 24")  # TINY_CONFIG's widths
    assert "2 MoE layers" in of("round trip", found).fact
    assert of("stake and funds", found).state == "ok"  # as it asks for none
    assert of("throughput", found).fact.startswith("int8")


def test_the_preflight_finds_the_same_without_the_throughput(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    with network(certificate, model_folder) as running:
        found = preflight(place, Network(running.manifest, read_manifest(model_folder)))
    assert problems(found) == []
    assert {"key", "clock", "gateway", "port", "tls", "round trip", "disk", "memory", "kernel"} < {
        finding.check for finding in found
    }
    assert "throughput" not in {finding.check for finding in found}


def test_an_impostor_a_wrong_network_and_a_wrong_clock_are_found(
    place: Place, certificate: Certificate, model_folder: Path, tmp_path: Path
) -> None:
    with network(make_certificate(tmp_path), model_folder, clock_ahead_s=3600) as running:
        [router] = running.manifest.routers
        pinned = signed(model_folder, router.model_copy(update={"tls_cert_sha256": certificate.sha256}))
        running.pages["/network"] = b'{"network_id": "another"}'
        found = preflight(place, Network(pinned, None))
    assert sorted(problems(found)) == ["clock", "gateway", "tls"]
    assert "behind" in of("clock", found).fact and "'another'" in of("gateway", found).fact
    assert of("disk", found).state == "unknown"


def test_one_router_that_is_down_is_a_warning_and_all_of_them_a_problem(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    dead = RouterEntry(
        host="127.0.0.1", port=free_port(), url=f"http://127.0.0.1:{free_port()}", tls_cert_sha256="00" * 32
    )
    with network(certificate, model_folder) as running:
        some = preflight(place, Network(signed(model_folder, *running.manifest.routers, dead), None))
    assert problems(some) == []
    assert [finding.state for finding in some if finding.check in ("gateway", "port")] == ["ok", "warning"] * 2
    none = preflight(place, Network(signed(model_folder, dead), None))
    assert problems(none) == ["gateway", "port"] and of("clock", none).state == "unknown"


def test_private_addresses_are_left_alone_unless_that_is_meant(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    careful = replace(place, allow_private=False)
    with network(certificate, model_folder) as running:
        refused = diagnose(careful, running.join_string)
        found = preflight(careful, Network(running.manifest, None))
    assert "--allow-private" in of("manifest", refused).remedy and of("clock", refused).state == "unknown"
    assert problems(found) == ["gateway", "port"]
    assert "--allow-private" in of("gateway", found).remedy and "--allow-private" in of("port", found).remedy


def test_a_manifest_of_somebody_else_is_refused_and_the_clock_is_examined_all_the_same(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    other = NodeKey.from_bytes(bytes(31) + b"\x08").address
    with network(certificate, model_folder) as running:
        found = diagnose(place, JoinString(running.join_string.url, other))
    assert problems(found) == ["manifest"] and "wrong_owner" in of("manifest", found).fact
    assert of("clock", found).state == "ok"


def test_a_model_that_no_source_has_is_found_and_the_routers_are_examined_all_the_same(
    place: Place, certificate: Certificate, model_folder: Path
) -> None:
    with network(certificate, model_folder) as running:
        del running.pages["/model/manifest.json"]
        found = diagnose(place, running.join_string)
    assert problems(found) == ["model"] and of("tls", found).state == "ok"


def test_without_a_network_the_machine_is_examined_and_the_rest_is_named(place: Place, tmp_path: Path) -> None:
    found = diagnose(replace(place, keystore=tmp_path / "none.json"), None)
    assert problems(found) == ["key"] and "moray node key new" in of("key", found).remedy
    assert "routers" in of("network", found).fact and "--network" in of("network", found).remedy
    kernels = [finding for finding in found if finding.check == "kernel"]
    assert [finding.fact.split()[0] for finding in kernels] == ["float32", "int8"]


def test_a_key_that_others_may_read_is_found(place: Place, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    copy.write_bytes(place.keystore.read_bytes())
    copy.chmod(0o644)
    key = of("key", diagnose(replace(place, keystore=copy), None))
    assert key.state == "problem" and "chmod 600" in key.remedy


def test_a_gpu_that_is_not_there_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    kernels = [one for one in diagnose(replace(place, device="cuda"), None) if one.check == "kernel"]
    assert [one.state for one in kernels] == ["problem", "problem"] and "MORAY_EXPERT_DEVICE" in kernels[0].fact


@pytest.fixture(scope="module")
def model(model_folder: Path) -> Manifest:
    return read_manifest(model_folder)


@given(present=st.sets(st.integers(0, 7)), num_slots=st.integers(1, 12))
def test_what_is_missing_is_the_largest_shards_that_may_still_come(
    present: set[int], num_slots: int, model: Manifest
) -> None:
    sizes = {expert: model.expert_file(expert).size_bytes for expert in range(8)}
    here = {model.expert_file(expert).name: sizes[expert] for expert in present}
    num_missing = max(0, min(num_slots, 8) - len(present))
    absent = sorted(sizes[expert] for expert in range(8) if expert not in present)
    assert missing_bytes(model, here, num_slots) == sum(absent[len(absent) - num_missing :])


def test_a_shard_of_another_size_is_missing(model: Manifest) -> None:
    one = model.expert_file(0)
    assert missing_bytes(model, {one.name: one.size_bytes}, 1) == 0
    assert missing_bytes(model, {one.name: one.size_bytes - 1}, 1) > 0
    assert missing_bytes(model, {"manifest.json": one.size_bytes}, 1) > 0


def test_weights_are_counted_as_they_lie_in_memory(model: Manifest) -> None:
    one = 3 * 48 * 24 * 2  # three matrices at TINY_CONFIG's widths in two MoE layers
    assert [weight_bytes(model, num_slots) for num_slots in (1, 2, 8, 9)] == [one, 2 * one, 8 * one, 8 * one]
    assert weight_bytes(model.model_copy(update={"numeric_class": "float32"}), 1) == 4 * one
