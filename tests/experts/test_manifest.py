"""manifest.json: what it fixes, and what is refused on reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from manifest_kit import id_of, sealed
from moray.architecture import parse_architecture
from moray.errors import BadCheckpoint, UnsupportedArchitecture
from moray.experts.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestFile,
    build_manifest,
    encode_manifest,
    parse_manifest,
    plain_name,
    read_manifest,
)
from moray.experts.random_checkpoint import FP8_CONFIG, TINY_CONFIG
from moray.experts.weight_root import weight_root
from moray.types import NumericClass

CONFIG = TINY_CONFIG | {"eos_token_id": [1, 7], "quantization_config": FP8_CONFIG}
DIGEST = "ab" * 32


def example(numeric_class: NumericClass = "float32") -> Manifest:
    files = [ManifestFile(name="backbone.safetensors", size_bytes=9, sha256=DIGEST, role="backbone")]
    files += [
        ManifestFile(
            name=f"expert-{e}.safetensors",
            size_bytes=9,
            sha256=DIGEST,
            role="expert",
            expert=e,
            weight_root=None if numeric_class == "float32" else f"{e:064x}",
        )
        for e in range(8)
    ]
    return build_manifest(parse_architecture(CONFIG, "test"), files, numeric_class)


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    manifest = example()
    (tmp_path / "manifest.json").write_bytes(encode_manifest(manifest))
    again = read_manifest(tmp_path)
    assert again == manifest
    assert again.architecture == parse_architecture(CONFIG, "test")
    assert again.architecture.eos_token_ids == (1, 7)
    assert again.architecture.yarn is not None
    assert encode_manifest(again) == encode_manifest(manifest)


@pytest.mark.parametrize("numeric_class", ["float32", "int8"])
def test_model_id_is_the_specifications(numeric_class: NumericClass) -> None:
    manifest = example(numeric_class)
    content = json.loads(encode_manifest(manifest))
    assert manifest.model_id == id_of(content)
    assert parse_manifest(sealed(content), "test") == manifest


def test_the_weight_root_is_the_experts_in_ascending_order() -> None:
    manifest = example("int8")
    assert manifest.weight_root == weight_root([e.to_bytes(32, "big") for e in range(8)]).hex()
    shuffled = build_manifest(manifest.architecture, list(reversed(manifest.files)), "int8")
    assert shuffled.weight_root == manifest.weight_root
    assert example().weight_root is None


@pytest.mark.parametrize(
    ("numeric_class", "change", "line"),
    [
        ("int8", lambda c: c.update(weight_root="00" * 32), "not that of the experts"),
        ("int8", lambda c: c.update(weight_root=None), "not that of the experts"),
        ("int8", lambda c: c["files"][3].update(weight_root="00" * 32), "not that of the experts"),
        ("int8", lambda c: c["files"][3].update(weight_root=None), "every integer expert has a weight root"),
        ("int8", lambda c: c.update(numeric_class="float32"), "nothing else has one"),
        ("float32", lambda c: c.update(numeric_class="int8"), "every integer expert has a weight root"),
        ("float32", lambda c: c.update(weight_root="00" * 32), "not that of the experts"),
        ("int8", lambda c: c["files"][0].update(weight_root="00" * 32), "only an expert has a weight root"),
    ],
)
def test_a_weight_root_that_does_not_fit_is_refused(
    numeric_class: NumericClass, change: Callable[[dict[str, Any]], None], line: str
) -> None:
    content = json.loads(encode_manifest(example(numeric_class)))
    change(content)
    with pytest.raises(BadCheckpoint, match=line):
        parse_manifest(sealed(content), "test")


def test_sizes_of_more_than_32_bits_are_refused() -> None:
    content = json.loads(encode_manifest(example()))
    content["architecture"]["hidden_size"] = 1 << 32
    with pytest.raises(UnsupportedArchitecture, match="hidden_size 4294967296 is too large"):
        parse_manifest(sealed(content), "test")


def test_model_id_covers_every_field() -> None:
    content = json.loads(encode_manifest(example()))
    ids = {content["model_id"]}
    for change in (
        {"architecture": content["architecture"] | {"rope_theta": 5000.0}},
        {"files": [content["files"][0] | {"sha256": "00" * 32}, *content["files"][1:]]},
        {"files": [content["files"][0] | {"size_bytes": 8}, *content["files"][1:]]},
        {"files": list(reversed(content["files"]))},
    ):
        with pytest.raises(BadCheckpoint, match="model_id is not its content's"):
            parse_manifest(json.dumps(content | change).encode(), "test")
        ids.add(parse_manifest(sealed(content | change), "test").model_id)
    assert len(ids) == 5


def set_field(path: list[str | int], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (set_field(["format_version"], 1), "format version 1, this Moray reads 2"),
        (set_field(["format_version"], None), "format version None"),
        (set_field(["numeric_class"], "int3"), "numeric_class"),
        (set_field(["surprise"], 1), "surprise"),
        (set_field(["architecture", "surprise"], 1), "unknown architecture fields"),
        (set_field(["architecture", "num_layers"], -1), "num_layers"),
        (set_field(["architecture", "num_experts"], 10**12), "every expert exactly once"),
        (set_field(["files", 0, "name"], "../../key"), "not a plain file name"),
        (set_field(["files", 0, "name"], "expert-0.safetensors"), "occurs twice"),
        (set_field(["files", 0, "name"], "EXPERT-0.safetensors"), "occurs twice"),
        (set_field(["files", 0, "size_bytes"], -1), "size_bytes"),
        (set_field(["files", 0, "size_bytes"], "9"), "size_bytes"),
        (set_field(["files", 0, "sha256"], "AB" * 32), "sha256"),
        (set_field(["files", 0, "sha256"], "ab" * 31), "sha256"),
        (set_field(["files", 0, "role"], "code"), "role"),
        (set_field(["files", 0, "role"], "config"), "no file holds the backbone"),
        (set_field(["files", 0, "expert"], 0), "expert id when its role is expert"),
        (set_field(["files", 1, "expert"], 5), "every expert exactly once"),
        (set_field(["files", 1, "expert"], None), "expert id when its role is expert"),
        (set_field(["files"], []), "every expert exactly once"),
    ],
)
def test_a_manifest_that_says_something_wrong_is_refused(change: Callable[[dict[str, Any]], None], line: str) -> None:
    content = json.loads(encode_manifest(example()))
    change(content)
    with pytest.raises(BadCheckpoint, match=line) as caught:
        parse_manifest(sealed(content), "here/manifest.json")
    assert str(caught.value).startswith("here/manifest.json")
    assert "\n" not in str(caught.value)


def test_another_family_is_unsupported() -> None:
    content = json.loads(encode_manifest(example()))
    content["architecture"]["model_type"] = "llama"
    with pytest.raises(UnsupportedArchitecture, match="'llama'"):
        parse_manifest(sealed(content), "test")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"format_version": NaN}', b'"\\ud800"'])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        parse_manifest(text, "test")


def test_a_missing_and_an_oversized_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b" " * MAX_MANIFEST_BYTES + b"{}")
    with pytest.raises(BadCheckpoint, match="is larger than"):
        read_manifest(tmp_path)


def test_manifests_are_frozen() -> None:
    manifest = example()
    with pytest.raises(ValidationError):
        manifest.model_id = DIGEST  # type: ignore[misc]
    with pytest.raises(ValidationError):
        manifest.files[0].name = "other"  # type: ignore[misc]


@given(st.one_of(st.text(max_size=30), st.text(alphabet="aZ0._-/\\: ~\0", max_size=6)))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    try:
        plain_name(name)
    except ValueError:
        return
    folder = Path("/models/m")
    assert (folder / name).parent == folder
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert name.isascii() and name.isprintable() and name != "manifest.json"


@given(st.from_regex(r"[a-z0-9]{1,8}-[0-9]{1,5}(-of-[0-9]{5})?\.(safetensors|json|jinja)", fullmatch=True))
def test_the_names_that_sharding_writes_are_accepted(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "/a",
        "a/b",
        "a\\b",
        "C:a",
        "a\0",
        "a\n",
        "nul",
        "COM1.txt",
        "~a",
        ".hidden",
        "é",
        "manifest.json",
        "a" * 300,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        plain_name(name)
