"""A model with integer experts: the same bits in-process and over sockets, alone and in company."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from dataplane_kit import IDENTITY, identity_of, in_event_loop, make_thread, open_router
from engines import Recorder, greedy_request, load
from moray.cli.model import app
from moray.errors import BadCheckpoint, BadSetting
from moray.experts import uplink_threads
from moray.experts.executor import Executor
from moray.experts.integer import IntegerWeights
from moray.experts.manifest import read_manifest
from moray.experts.quantising import read_integer_expert, stored_matrices
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.row_format import row_format
from moray.experts.safetensors_file import read_header
from moray.experts.scaled_rows import decode
from moray.experts.served import served_experts
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.tensors import expert_prefix
from moray.experts.weight_root import RowPlace, StoredRow, check_proof, expert_leaves, prove_row, tree_shape
from moray.experts.weights import pack_expert
from moray.router.network_experts import NetworkExperts
from moray.types import NumericClass
from row_oracle import as_bytes

PROMPTS = [[5, 9, 2], [7] * 40, [3, 1, 4, 1, 5, 9, 2, 6], [11]]


CLASSES: tuple[NumericClass, ...] = ("int8", "int4")
BITS = {"int8": 8, "int4": 4}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    write_random_checkpoint(folder, TINY_CONFIG | {"dtype": "float32"}, seed=4)
    return folder


@pytest.fixture(scope="module", params=CLASSES)
def quantised(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint's copy with integer experts."""
    folder = tmp_path_factory.mktemp("quantised")
    write_shards(checkpoint, folder, numeric_class=request.param)
    return folder


def test_a_quantised_folder_holds_every_weight_within_half_a_step(checkpoint: Path, quantised: Path) -> None:
    exact, ours = open_model(checkpoint), open_model(quantised)
    highest = {"int8": 127, "int4": 7}[ours.numeric_class]
    assert ours.model_id != exact.model_id
    for layer, weights in ours.expert(3).items():
        assert isinstance(weights, IntegerWeights)
        for name, rows in (("gate", weights.gate), ("up", weights.up), ("down", weights.down)):
            wanted = exact.tensor(f"{expert_prefix(layer, 3)}.{name}_proj.weight").numpy()
            steps = np.abs(wanted).max(axis=1, keepdims=True) / highest
            assert (np.abs(decode(as_bytes(rows)) - wanted) <= steps * 0.5001).all()
            assert np.abs(rows.values).max() == highest
    assert np.array_equal(ours.tensor("lm_head.weight"), exact.tensor("lm_head.weight"))


def test_weights_of_four_bits_take_half_the_bytes(checkpoint: Path, tmp_path: Path) -> None:
    sizes = {}
    for numeric_class in CLASSES:
        manifest = write_shards(checkpoint, tmp_path / numeric_class, numeric_class=numeric_class)
        entries = read_header(tmp_path / numeric_class / manifest.expert_file(0).name).values()
        sizes[numeric_class] = sum(e.num_bytes for e in entries if e.name.endswith("weight"))
    assert sizes["int8"] == 2 * sizes["int4"] == 2 * 3 * 24 * 48


def test_a_row_of_a_quantised_folder_is_proved_under_its_manifests_root(quantised: Path) -> None:
    manifest, expert, row = read_manifest(quantised), 3, 7
    path = quantised / manifest.expert_file(expert).name
    architecture, bits = manifest.architecture, BITS[manifest.numeric_class]
    place = RowPlace(layer=2, expert=expert, matrix=2, row=row)
    leaves = expert_leaves(expert, stored_matrices(path, architecture, expert, bits))
    roots = [bytes.fromhex(manifest.expert_file(e).weight_root or "") for e in range(architecture.num_experts)]
    proof = prove_row(leaves, roots, tree_shape(architecture), place)
    name = f"{expert_prefix(2, expert)}.down_proj"
    stored = load_file(path)  # by the format's own library
    mantissa, shift = int(stored[f"{name}.mantissa"][row]), int(stored[f"{name}.shift"][row])
    wanted = StoredRow(bits, mantissa, shift, stored[f"{name}.weight"][row].numpy().tobytes())
    root = bytes.fromhex(manifest.weight_root or "")
    assert check_proof(root, tree_shape(architecture), place, wanted, proof)
    assert not check_proof(root, tree_shape(architecture), replace(place, layer=1), wanted, proof)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "model", TINY_CONFIG | {"dtype": "float32"}, seed=4)
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    tensors[f"{expert_prefix(1, 3)}.up_proj.weight"][2, 5] = float("nan")
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    with pytest.raises(BadCheckpoint, match=r"experts.3.up_proj.weight .* not finite"):
        write_shards(tmp_path / "model", tmp_path / "int8", numeric_class="int8")


def test_an_interrupted_quantising_ends_with_the_same_bytes(checkpoint: Path, quantised: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    numeric_class = read_manifest(quantised).numeric_class

    def kill_halfway(_name: str, done: int, total: int) -> None:
        if done > total // 2:
            raise Killed

    with pytest.raises(Killed):
        write_shards(checkpoint, tmp_path, kill_halfway, numeric_class=numeric_class)
    with pytest.raises(BadCheckpoint, match="not finished"):
        open_model(tmp_path)
    assert write_shards(checkpoint, tmp_path, numeric_class=numeric_class) == read_manifest(quantised)


def test_a_shard_of_other_weights_is_refused(checkpoint: Path, quantised: Path, tmp_path: Path) -> None:
    manifest = read_manifest(quantised)
    bits = BITS[manifest.numeric_class]
    write_shards(checkpoint, tmp_path)
    with pytest.raises(BadCheckpoint, match="quantise again"):
        read_integer_expert(tmp_path / manifest.expert_file(3).name, manifest.architecture, 3, bits)
    with pytest.raises(BadCheckpoint, match="quantise again"):
        read_integer_expert(quantised / manifest.expert_file(3).name, manifest.architecture, 3, 12 - bits)


def test_a_folder_of_one_class_is_not_continued_with_another(checkpoint: Path, tmp_path: Path) -> None:
    write_shards(checkpoint, tmp_path, numeric_class="int8")
    with pytest.raises(BadSetting, match="was begun from another checkpoint"):
        write_shards(checkpoint, tmp_path, numeric_class="int4")


@pytest.mark.parametrize(("arguments", "numeric_class"), [([], "int8"), (["--bits", "4"], "int4")])
def test_the_command_quantises_to_the_bits_that_are_asked(
    checkpoint: Path, tmp_path: Path, arguments: list[str], numeric_class: str
) -> None:
    made = CliRunner().invoke(app, ["quantize", str(checkpoint), str(tmp_path / "out"), "--json", *arguments])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["numeric_class"] == open_model(tmp_path / "out").numeric_class == numeric_class


def test_other_bits_are_refused_before_anything_is_written(checkpoint: Path, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["quantize", str(checkpoint), str(tmp_path / "out"), "--bits", "3"])
    assert isinstance(refused.exception, BadSetting) and "--bits 8" in str(refused.exception)
    assert not (tmp_path / "out").exists()


def tokens_of(recorder: Recorder) -> list[list[int]]:
    for i, prompt in enumerate(PROMPTS):
        recorder.submit(greedy_request(str(i), prompt, 12))
    asyncio.run(recorder.finish())
    return [[token.token_id for token in recorder.tokens(str(i))] for i in range(len(PROMPTS))]


def test_requests_together_get_the_tokens_that_each_gets_alone(quantised: Path) -> None:
    backbone, experts = load(quantised)
    alone = []
    for prompt in PROMPTS:
        recorder = Recorder(backbone, experts)
        recorder.submit(greedy_request("one", prompt, 12))
        asyncio.run(recorder.finish())
        alone.append([token.token_id for token in recorder.tokens("one")])
    assert tokens_of(Recorder(backbone, experts)) == alone


@asynccontextmanager
async def served(folder: Path, is_compiled: bool) -> AsyncIterator[NetworkExperts]:
    """Every expert of the folder in a replica of its own behind a socket."""
    source = open_model(folder)
    rows, hidden_size = row_format(source.numeric_class), source.architecture.hidden_size
    async with open_router() as router, AsyncExitStack() as stack:
        for expert in range(IDENTITY.num_experts):
            weights = {expert: pack_expert(source.expert(expert))}
            executor = Executor(weights, hidden_size, 1000, rows)
            room = served_experts(weights, 1000) if is_compiled else None
            thread = make_thread(router.port, identity_of([expert], f"replica-{expert}"), executor, served=room)
            thread.start()
            stack.push_async_callback(asyncio.to_thread, thread.drain, "the test is over")
        await router.joined(IDENTITY.num_experts)
        yield NetworkExperts(router.directory, router.acceptor.counters, 20.0, rows)


@pytest.mark.parametrize("serving", ["compiled", "by the executor"])
@pytest.mark.parametrize("numeric_class", CLASSES)
@in_event_loop
async def test_outputs_over_sockets_have_the_bits_of_the_experts_in_process(
    checkpoint: Path, tmp_path: Path, numeric_class: NumericClass, serving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)
    write_shards(checkpoint, tmp_path, numeric_class=numeric_class)
    _, local = load(tmp_path)
    rng = np.random.default_rng(0)
    async with served(tmp_path, serving == "compiled") as remote:
        for num_rows in (1, 2, 33):
            rows = rng.standard_normal((num_rows, 48), np.float32)
            ids = np.sort(rng.permuted(np.tile(np.arange(8), (num_rows, 1)), axis=1)[:, :2], axis=1)
            ours, theirs = await remote.dispatch(1, rows, ids), await local.dispatch(1, rows, ids)
            assert ours.dtype == np.float32 and np.array_equal(ours, theirs)
