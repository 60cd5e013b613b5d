"""Latent attention: equal to a plain one in float64, the same bits in any company, blind to hidden keys."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from exact import F32, random_rows, same_bits
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.simd import LANES
from moray.experts.source import ModelSource, open_model
from moray.router.attention import LatentAttention
from moray.router.kv_cache import KV_PAGE_SIZE, LayerCache, pages_needed
from moray.router.rope import RotaryTable
from moray.router.step import Chunk, build_step

PREFIX = "model.layers.0.self_attn"
MAX_CONTEXT = 400
NUM_PAGES = 256
POISON = 1e30

# Heads that fill no tile, widths that fill no lanes, more columns than one panel, every switch.
CONFIGS = {
    "tiny": TINY_CONFIG,
    "three heads": TINY_CONFIG | {"num_attention_heads": 3, "num_key_value_heads": 3},
    "ragged": TINY_CONFIG
    | {
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
        "kv_lora_rank": 21,
        "qk_nope_head_dim": 9,
        "qk_rope_head_dim": 6,
        "v_head_dim": 19,
    },
    "wide latent": TINY_CONFIG | {"kv_lora_rank": 160, "qk_rope_head_dim": 32, "q_lora_rank": 64},
    "plain queries": TINY_CONFIG | {"q_lora_rank": None},
    "biased": TINY_CONFIG | {"attention_bias": True},
    "halves": TINY_CONFIG | {"rope_interleave": False},
    "many heads": TINY_CONFIG
    | {"num_attention_heads": 16, "num_key_value_heads": 16, "kv_lora_rank": 128, "q_lora_rank": 96},
}


@pytest.fixture(scope="module", params=list(CONFIGS))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    folder: Path = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder, CONFIGS[request.param] | {"dtype": "float32"}, seed=3)
    return open_model(folder)


def load(source: ModelSource) -> LatentAttention:
    return LatentAttention(source, PREFIX, RotaryTable(source.architecture, MAX_CONTEXT))


def fill(cache: LayerCache, attention: LatentAttention, value: float) -> None:
    """Every value in every slot; what lies between values stays zero, as nothing ever writes there."""
    start = 0
    for _, width in attention.cache_spec().widths:
        cache.slots[:, start : start + width] = value
        start += -(-width // LANES) * LANES


class Sequences:
    """Sequences with random inputs and scattered pages in a cache full of what earlier ones left."""

    def __init__(
        self, attention: LatentAttention, lengths: list[int], seed: int, left_behind: float = float("nan")
    ) -> None:
        self.attention, self.lengths = attention, lengths
        self.inputs = [random_rows(seed + i, length, attention.arch.hidden_size) for i, length in enumerate(lengths)]
        self.cache = LayerCache(attention.cache_spec(), NUM_PAGES)
        fill(self.cache, attention, left_behind)
        free = list(range(NUM_PAGES))
        random.Random(seed).shuffle(free)
        self.tables = [[free.pop() for _ in range(pages_needed(length))] for length in lengths]

    def run(self, spans: list[tuple[int, int, int]]) -> list[F32]:
        """One step over (sequence, start, end); the outputs of each span."""
        chunks = [Chunk([0] * (end - start), start, self.tables[i], True) for i, start, end in spans]
        rows = np.concatenate([self.inputs[i][start:end] for i, start, end in spans])
        outputs = self.attention(rows, build_step(chunks), self.cache)
        return np.split(outputs, np.cumsum([end - start for _, start, end in spans])[:-1])

    def token_by_token(self, i: int) -> F32:
        return np.concatenate([self.run([(i, position, position + 1)])[0] for position in range(self.lengths[i])])


def oracle(source: ModelSource, inputs: F32) -> F32:
    """Expanded attention of one whole sequence in float64 from the checkpoint's tensors."""
    arch, length = source.architecture, len(inputs)

    def project(name: str, rows: Tensor) -> Tensor:
        bias = None
        if arch.attention_bias and name in ("q_a_proj", "kv_a_proj_with_mqa", "o_proj"):
            bias = source.tensor(f"{PREFIX}.{name}.bias").double()
        return torch.nn.functional.linear(rows, source.tensor(f"{PREFIX}.{name}.weight").double(), bias)

    def norm(name: str, rows: Tensor) -> Tensor:
        weight = source.tensor(f"{PREFIX}.{name}.weight").double()
        return weight * rows * torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + arch.rms_norm_eps)

    table = RotaryTable(arch, MAX_CONTEXT)
    cos, sin = (torch.from_numpy(part[:length]).double()[:, None] for part in (table.cos, table.sin))

    def rotate(rows: Tensor) -> Tensor:
        """[T, heads, R]: pairs are neighbours, or the first half with the second."""
        first, second = (rows[..., 0::2], rows[..., 1::2]) if arch.rope_interleave else rows.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    x = torch.from_numpy(inputs).double()
    latent, rope = project("kv_a_proj_with_mqa", x).split((arch.kv_lora_rank, arch.qk_rope_head_dim), dim=-1)
    rope = rotate(rope[:, None])
    raised = project("kv_b_proj", norm("kv_a_layernorm", latent)).view(length, arch.num_heads, -1)
    keys, values = raised.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=-1)
    if arch.q_lora_rank is None:
        queries = project("q_proj", x)
    else:
        queries = project("q_b_proj", norm("q_a_layernorm", project("q_a_proj", x)))
    queries = queries.view(length, arch.num_heads, -1)
    nope, q_rope = queries.split((arch.qk_nope_head_dim, arch.qk_rope_head_dim), dim=-1)
    q_rope = rotate(q_rope)
    scores = torch.einsum("thd,nhd->htn", nope, keys) + torch.einsum("thd,nd->htn", q_rope, rope[:, 0])
    scores = (scores * arch.softmax_scale).masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    mixed = torch.einsum("htn,nhd->thd", scores.softmax(-1), values)
    result: F32 = project("o_proj", mixed.flatten(1)).numpy()
    return result


@pytest.mark.parametrize("length", [1, 2, 31, 33, 129, 300])
def test_equals_plain_attention_in_float64(source: ModelSource, length: int) -> None:
    sequences = Sequences(load(source), [length], seed=length)
    expected = oracle(source, sequences.inputs[0])
    scale = np.abs(expected).max()
    [whole] = sequences.run([(0, 0, length)])
    assert np.abs(whole - expected).max() <= 1e-5 * scale
    assert np.abs(sequences.token_by_token(0) - expected).max() <= 1e-5 * scale


@settings(max_examples=8)
@given(data=st.data())
def test_same_bits_alone_token_by_token_and_in_any_company(source: ModelSource, data: st.DataObject) -> None:
    attention = load(source)
    lengths = data.draw(st.lists(st.sampled_from([1, 2, 31, 32, 33, 70, 128, 129, 200]), min_size=1, max_size=16))
    seed = data.draw(st.integers(0, 1000))
    expected = Sequences(attention, lengths[:1], seed).token_by_token(0)
    company, done = Sequences(attention, lengths, seed), [0] * len(lengths)
    outputs: list[F32] = []
    while done[0] < lengths[0]:
        spans = []
        for i, length in enumerate(lengths):
            count = min(data.draw(st.sampled_from([0, 1, 1, 2, 30, 64, 200])), length - done[i])
            if i == 0:
                count = max(count, 1)
            if count:
                spans.append((i, done[i], done[i] + count))
                done[i] += count
        place = data.draw(st.integers(0, len(spans) - 1))  # among the rows of the others
        spans[0], spans[place] = spans[place], spans[0]
        outputs.append(company.run(spans)[place])
    assert same_bits(np.concatenate(outputs), expected)


@pytest.mark.parametrize("left_behind", [POISON, -POISON, float("inf"), float("nan")])
def test_what_unused_slots_hold_changes_nothing(source: ModelSource, left_behind: float) -> None:
    """Pages go from one sequence to the next as they are, whatever an overflow wrote into them."""
    outputs = []
    for value in (left_behind, 0.0):
        sequences = Sequences(load(source), [150, 20], seed=5, left_behind=value)
        prompts, last = [(0, 0, 149), (1, 0, 19)], [(0, 149, 150), (1, 19, 20)]
        outputs.append(np.concatenate([*sequences.run(prompts), *sequences.run(last)]))
    assert np.isfinite(outputs[0]).all()
    assert same_bits(*outputs)


@pytest.mark.parametrize("factor", [1e4, 1e30, float("inf"), float("nan")])
def test_another_sequences_keys_change_nothing(source: ModelSource, factor: float) -> None:
    outputs = []
    for times in (1.0, factor):
        sequences = Sequences(load(source), [140, 140], seed=6)
        sequences.inputs[1] *= np.float32(times)
        prompts = sequences.run([(0, 0, 139), (1, 0, 139)])
        outputs.append(np.concatenate((prompts[0], sequences.run([(1, 139, 140), (0, 139, 140)])[1])))
    assert np.isfinite(outputs[0]).all()
    assert same_bits(*outputs)


def test_later_tokens_of_the_same_step_change_nothing(source: ModelSource) -> None:
    """The whole step's entries are written before its first row is attended."""
    sequences = Sequences(load(source), [100], seed=9)
    expected = sequences.run([(0, 0, 100)])[0][:50]
    sequences.inputs[0][50:] = np.nan
    assert same_bits(sequences.run([(0, 0, 100)])[0][:50], expected)


def test_a_row_that_overflowed_says_so(source: ModelSource) -> None:
    """It is how the engine finds out: a finite answer would be wrong and look right."""
    sequences = Sequences(load(source), [50], seed=10)
    sequences.inputs[0][20] = np.nan
    [outputs] = sequences.run([(0, 0, 50)])
    assert np.isfinite(outputs[:20]).all()
    assert np.isnan(outputs[20:]).all()


def test_only_a_sequences_own_slots_are_written_and_only_values_in_them(source: ModelSource) -> None:
    attention = load(source)
    sequences = Sequences(attention, [70], seed=11)
    before, values = sequences.cache.slots.copy(), LayerCache(attention.cache_spec(), 1)
    fill(values, attention, 1.0)
    sequences.run([(0, 0, 70)])
    pages, after = sequences.tables[0], sequences.cache.slots
    own = [pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE for position in range(70)]
    is_value = values.slots[0] == 1.0
    assert np.isfinite(after[own]).all() and after[own][:, is_value].all()
    assert not after[:, ~is_value].any()
    others = np.delete(np.arange(len(after)), own)
    assert same_bits(after[others], before[others])


def test_neighbouring_and_scattered_pages_give_the_same_bits(source: ModelSource) -> None:
    outputs = []
    for table in ([10, 11, 12, 13, 14], [40, 3, 12, 7, NUM_PAGES - 1]):
        sequences = Sequences(load(source), [5 * KV_PAGE_SIZE], seed=7)
        sequences.tables[0] = table
        outputs.append(np.concatenate([*sequences.run([(0, 0, 150)]), *sequences.run([(0, 150, 160)])]))
    assert same_bits(*outputs)


def test_a_step_that_runs_twice_gives_the_same_bits_twice(source: ModelSource) -> None:
    """As it does after an expert was missing."""
    sequences = Sequences(load(source), [90], seed=8)
    sequences.run([(0, 0, 60)])
    assert same_bits(*(sequences.run([(0, 60, 90)])[0] for _ in range(2)))
