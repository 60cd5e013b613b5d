"""Damaged weight files and indexes are found before anything is computed with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoint_kit import GATE_PROJ, PART_1, PART_2, write_header
from moray.errors import BadCheckpoint, ShardCorrupt
from moray.experts.checkpoint import Checkpoint
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    write_random_checkpoint(folder, TINY_CONFIG, seed=1, num_parts=2)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoint"))


def delete_part(folder: Path) -> None:
    (folder / PART_2).unlink()


def cut_part(folder: Path) -> None:
    data = (folder / PART_2).read_bytes()
    (folder / PART_2).write_bytes(data[:-1])


def lengthen_part(folder: Path) -> None:
    with (folder / PART_2).open("ab") as file:
        file.write(b"\0")


def empty_part(folder: Path) -> None:
    (folder / PART_2).write_bytes(b"")


def claim_a_huge_header(folder: Path) -> None:
    data = (folder / PART_2).read_bytes()
    (folder / PART_2).write_bytes((1 << 62).to_bytes(8, "little") + data[8:])


def claim_a_header_past_the_end(folder: Path) -> None:
    data = (folder / PART_2).read_bytes()
    (folder / PART_2).write_bytes(len(data).to_bytes(8, "little") + data[8:])


def garble_header(folder: Path) -> None:
    data = (folder / PART_2).read_bytes()
    (folder / PART_2).write_bytes(data[:8] + b"?" + data[9:])


def nest_header(folder: Path) -> None:
    write_header(folder / PART_2, b"[" * 100_000)


def double_a_name(folder: Path) -> None:
    entry = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    write_header(folder / PART_2, b'{"a":' + entry + b',"a":' + entry + b"}", b"\0" * 4)


def leave_a_hole(folder: Path) -> None:
    write_header(folder / PART_2, {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"\0" * 8)


def overlap(folder: Path) -> None:
    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    write_header(folder / PART_2, {"a": one, "b": one}, b"\0" * 4)


def lie_about_the_shape(folder: Path) -> None:
    write_header(folder / PART_2, {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}, b"\0" * 4)


def use_a_negative_offset(folder: Path) -> None:
    write_header(folder / PART_2, {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"\0" * 4)


def use_many_dimensions(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 62] * 300_000, "data_offsets": [0, 4]}
    write_header(folder / PART_2, {"a": entry}, b"\0" * 4)


def use_an_unknown_dtype(folder: Path) -> None:
    write_header(folder / PART_2, {"a": {"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (delete_part, "is missing, though"),
        (cut_part, "where its header promises"),
        (lengthen_part, "where its header promises"),
        (empty_part, "cut short inside its header"),
        (claim_a_huge_header, "its header claims"),
        (claim_a_header_past_the_end, "cut short inside its header"),
        (garble_header, "not valid"),
        (nest_header, "not valid"),
        (double_a_name, "occurs twice"),
        (leave_a_hole, "does not start where"),
        (overlap, "does not start where"),
        (lie_about_the_shape, "cannot take 4 bytes"),
        (use_a_negative_offset, "bad offsets"),
        (use_many_dimensions, "a bad shape"),
        (use_an_unknown_dtype, "unknown dtype 'F4'"),
    ],
)
def test_a_damaged_part_is_found_from_headers(damage: Callable[[Path], None], line: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(ShardCorrupt, match=line) as caught:
        Checkpoint.open(folder)
    assert PART_2 in str(caught.value)
    assert "; download it again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["../outside.safetensors", "/etc/passwd", "sub/part.safetensors", "model.bin"])
def test_an_index_cannot_lead_out_of_the_folder(part: str, folder: Path) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"][GATE_PROJ] = part
    path.write_text(json.dumps(index))
    with pytest.raises(BadCheckpoint, match="not a plain"):
        Checkpoint.open(folder)


def test_an_index_that_puts_a_tensor_into_the_wrong_part_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    here = index["weight_map"][GATE_PROJ]
    index["weight_map"][GATE_PROJ] = PART_1 if here == PART_2 else PART_2
    path.write_text(json.dumps(index))
    with pytest.raises(BadCheckpoint, match=r"does not hold tensor .*gate_proj"):
        Checkpoint.open(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', "{" * 50_000, "\udcff"])
def test_a_broken_index_is_refused(text: str, folder: Path) -> None:
    path = folder / "model.safetensors.index.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadCheckpoint, match="weight_map"):
        Checkpoint.open(folder)


def test_a_file_cut_after_opening_is_an_error_not_garbage(folder: Path) -> None:
    model = Checkpoint.open(folder)
    cut_part(folder)
    last = max((e for e in model.entries.values() if e.path.name == PART_2), key=lambda e: e.offset)
    with pytest.raises(ShardCorrupt, match="ends inside tensor"):
        model.raw(last.name)
