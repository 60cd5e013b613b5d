"""A model with integer experts: the same bits in-process and over sockets, alone and in company."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from dataplane_kit import IDENTITY, identity_of, in_event_loop, make_thread, open_router
from engines import Recorder, greedy_request, load
from moray.errors import BadCheckpoint
from moray.experts import uplink_threads
from moray.experts.executor import Executor
from moray.experts.integer import IntegerWeights, dequantise
from moray.experts.quantising import read_integer_expert
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.row_format import row_format
from moray.experts.served import served_experts
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.tensors import expert_prefix
from moray.experts.weights import pack_expert
from moray.router.network_experts import NetworkExperts

PROMPTS = [[5, 9, 2], [7] * 40, [3, 1, 4, 1, 5, 9, 2, 6], [11]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The checkpoint, and its quantised copy."""
    root = tmp_path_factory.mktemp("int8")
    write_random_checkpoint(root / "model", TINY_CONFIG | {"dtype": "float32"}, seed=4)
    write_shards(root / "model", root / "int8", numeric_class="int8")
    return root / "model", root / "int8"


def test_a_quantised_folder_holds_every_weight_within_half_a_step(folders: tuple[Path, Path]) -> None:
    exact, ours = open_model(folders[0]), open_model(folders[1])
    assert (exact.numeric_class, ours.numeric_class) == ("float32", "int8")
    assert ours.model_id != exact.model_id
    for layer, weights in ours.expert(3).items():
        assert isinstance(weights, IntegerWeights)
        for name, rows in (("gate", weights.gate), ("up", weights.up), ("down", weights.down)):
            wanted = exact.tensor(f"{expert_prefix(layer, 3)}.{name}_proj.weight").numpy()
            steps = np.abs(wanted).max(axis=1, keepdims=True) / 127
            assert (np.abs(dequantise(rows) - wanted) <= steps * 0.5001).all()
    assert np.array_equal(ours.tensor("lm_head.weight"), exact.tensor("lm_head.weight"))


def test_an_interrupted_quantising_ends_with_the_same_bytes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill_halfway(_name: str, done: int, total: int) -> None:
        if done > total // 2:
            raise Killed

    with pytest.raises(Killed):
        write_shards(folders[0], tmp_path, kill_halfway, numeric_class="int8")
    with pytest.raises(BadCheckpoint, match="not finished"):
        open_model(tmp_path)
    assert write_shards(folders[0], tmp_path, numeric_class="int8").model_id == open_model(folders[1]).model_id


def test_a_shard_of_float32_weights_under_an_integer_manifest_is_refused(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    write_shards(folders[0], tmp_path)
    manifest = open_model(folders[1])
    shard = next(path for path in sorted(tmp_path.iterdir()) if path.name.startswith("expert-00003"))
    with pytest.raises(BadCheckpoint, match="quantise again"):
        read_integer_expert(shard, manifest.architecture, 3)


def tokens_of(recorder: Recorder) -> list[list[int]]:
    for i, prompt in enumerate(PROMPTS):
        recorder.submit(greedy_request(str(i), prompt, 12))
    asyncio.run(recorder.finish())
    return [[token.token_id for token in recorder.tokens(str(i))] for i in range(len(PROMPTS))]


def test_requests_together_get_the_tokens_that_each_gets_alone(folders: tuple[Path, Path]) -> None:
    backbone, experts = load(folders[1])
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
@in_event_loop
async def test_outputs_over_sockets_have_the_bits_of_the_experts_in_process(
    tmp_path: Path, serving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_threads, "DRAIN_GRACE_S", 0.02)
    write_random_checkpoint(tmp_path / "model", TINY_CONFIG | {"dtype": "float32"}, seed=4)
    write_shards(tmp_path / "model", tmp_path / "int8", numeric_class="int8")
    _, local = load(tmp_path / "int8")
    rng = np.random.default_rng(0)
    async with served(tmp_path / "int8", serving == "compiled") as remote:
        for num_rows in (1, 2, 33):
            rows = rng.standard_normal((num_rows, 48), np.float32)
            ids = np.sort(rng.permuted(np.tile(np.arange(8), (num_rows, 1)), axis=1)[:, :2], axis=1)
            ours, theirs = await remote.dispatch(1, rows, ids), await local.dispatch(1, rows, ids)
            assert ours.dtype == np.float32 and np.array_equal(ours, theirs)
