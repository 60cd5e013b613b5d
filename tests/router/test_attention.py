"""Latent attention: equal to a plain one in float64, the same bits in any company, blind to hidden keys."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moray.experts import linear as linear_module
from moray.experts.linear import CHAIN_WIDTH, linear, linear_each, pack
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.source import ModelSource, open_model
from moray.router.attention import LatentAttention
from moray.router.kv_cache import KV_PAGE_SIZE, LayerCache, pages_needed
from moray.router.rope import RotaryTable
from moray.router.step import Chunk, build_step

PREFIX = "model.layers.0.self_attn"
MAX_CONTEXT = 400
NUM_PAGES = 256
POISON = 1e30

# Few heads (no batched product), more columns than one block, no query compression, merged and separate projections.
CONFIGS = {
    "tiny": TINY_CONFIG,
    "two heads": TINY_CONFIG | {"num_attention_heads": 2, "num_key_value_heads": 2},
    "wide latent": TINY_CONFIG | {"kv_lora_rank": 160, "qk_rope_head_dim": 32, "q_lora_rank": 64},
    "plain queries": TINY_CONFIG | {"q_lora_rank": None},
    "biased": TINY_CONFIG | {"attention_bias": True},
    "separate": TINY_CONFIG
    | {"num_attention_heads": 16, "num_key_value_heads": 16, "kv_lora_rank": 128, "q_lora_rank": 96},
}


@pytest.fixture(scope="module", params=list(CONFIGS))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    folder: Path = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder, CONFIGS[request.param] | {"dtype": "float32"}, seed=3)
    return open_model(folder)


def load(source: ModelSource) -> LatentAttention:
    return LatentAttention(source, PREFIX, RotaryTable(source.architecture, MAX_CONTEXT))


class Sequences:
    """Sequences with random inputs and scattered pages in a cache full of large values."""

    def __init__(self, attention: LatentAttention, lengths: list[int], seed: int) -> None:
        self.attention, self.lengths = attention, lengths
        generator = torch.Generator().manual_seed(seed)
        width = attention.arch.hidden_size
        self.inputs = [torch.randn(length, width, generator=generator) for length in lengths]
        self.cache = LayerCache(attention.cache_spec(), NUM_PAGES)
        self.cache.pages.fill_(POISON)
        free = list(range(NUM_PAGES))
        random.Random(seed).shuffle(free)
        self.tables = [[free.pop() for _ in range(pages_needed(length))] for length in lengths]

    def run(self, spans: list[tuple[int, int, int]]) -> list[Tensor]:
        """One step over (sequence, start, end); the outputs of each span."""
        chunks = [Chunk([0] * (end - start), start, self.tables[i], True) for i, start, end in spans]
        rows = torch.cat([self.inputs[i][start:end] for i, start, end in spans])
        with torch.inference_mode():
            outputs = self.attention(rows, build_step(chunks), self.cache)
        return list(outputs.split([end - start for _, start, end in spans]))

    def token_by_token(self, i: int) -> Tensor:
        return torch.cat([self.run([(i, position, position + 1)])[0] for position in range(self.lengths[i])])


def oracle(source: ModelSource, x: Tensor) -> Tensor:
    """Expanded attention of one whole sequence in float64 from the checkpoint's tensors."""
    arch, length = source.architecture, x.shape[0]

    def project(name: str, rows: Tensor) -> Tensor:
        bias = None
        if arch.attention_bias and name in ("q_a_proj", "kv_a_proj_with_mqa", "o_proj"):
            bias = source.tensor(f"{PREFIX}.{name}.bias").double()
        return torch.nn.functional.linear(rows, source.tensor(f"{PREFIX}.{name}.weight").double(), bias)

    def norm(name: str, rows: Tensor) -> Tensor:
        weight = source.tensor(f"{PREFIX}.{name}.weight").double()
        return weight * rows * torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + arch.rms_norm_eps)

    rotary, positions = RotaryTable(arch, MAX_CONTEXT), torch.arange(length)
    rotary.cos, rotary.sin = rotary.cos.double(), rotary.sin.double()
    x = x.double()
    latent, rope = project("kv_a_proj_with_mqa", x).split((arch.kv_lora_rank, arch.qk_rope_head_dim), dim=-1)
    rope = rotary.rotate(rope[:, None], positions)
    raised = project("kv_b_proj", norm("kv_a_layernorm", latent)).view(length, arch.num_heads, -1)
    keys, values = raised.split((arch.qk_nope_head_dim, arch.v_head_dim), dim=-1)
    if arch.q_lora_rank is None:
        queries = project("q_proj", x)
    else:
        queries = project("q_b_proj", norm("q_a_layernorm", project("q_a_proj", x)))
    queries = queries.view(length, arch.num_heads, -1)
    nope, q_rope = queries.split((arch.qk_nope_head_dim, arch.qk_rope_head_dim), dim=-1)
    q_rope = rotary.rotate(q_rope, positions)
    scores = torch.einsum("thd,nhd->htn", nope, keys) + torch.einsum("thd,nd->htn", q_rope, rope[:, 0])
    scores = (scores * arch.softmax_scale).masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    mixed = torch.einsum("htn,nhd->thd", scores.softmax(-1), values)
    return project("o_proj", mixed.flatten(1))


@pytest.mark.parametrize("length", [1, 2, 31, 33, 129, 300])
def test_equals_plain_attention_in_float64(source: ModelSource, length: int) -> None:
    sequences = Sequences(load(source), [length], seed=length)
    expected = oracle(source, sequences.inputs[0])
    scale = float(expected.abs().max())
    whole = sequences.run([(0, 0, length)])[0]
    assert float((whole - expected).abs().max()) <= 1e-5 * scale
    assert float((sequences.token_by_token(0) - expected).abs().max()) <= 1e-5 * scale


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_same_bits_alone_token_by_token_and_in_any_company(source: ModelSource, data: st.DataObject) -> None:
    attention = load(source)
    lengths = data.draw(st.lists(st.sampled_from([1, 2, 31, 32, 33, 70, 128, 129, 200]), min_size=1, max_size=16))
    seed = data.draw(st.integers(0, 1000))
    expected = Sequences(attention, lengths[:1], seed).token_by_token(0)
    company, done = Sequences(attention, lengths, seed), [0] * len(lengths)
    outputs: list[Tensor] = []
    while done[0] < lengths[0]:
        spans = []
        for i, length in enumerate(lengths):
            count = min(data.draw(st.sampled_from([0, 1, 1, 2, 30, 64, 200])), length - done[i])
            if i == 0:
                count = max(count, 1)
            if count:
                spans.append((i, done[i], done[i] + count))
                done[i] += count
        outputs.append(company.run(spans)[0])
    assert torch.equal(torch.cat(outputs), expected)


def test_what_unused_slots_hold_changes_nothing(source: ModelSource) -> None:
    attention = load(source)
    outputs = []
    for poison in (POISON, -POISON, 0.0):
        sequences = Sequences(attention, [150, 20], seed=5)
        sequences.cache.pages.fill_(poison)
        prompts, last = [(0, 0, 149), (1, 0, 19)], [(0, 149, 150), (1, 19, 20)]
        outputs.append(torch.cat([*sequences.run(prompts), *sequences.run(last)]))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_another_sequences_keys_change_nothing(source: ModelSource) -> None:
    attention = load(source)
    outputs = []
    for factor in (1.0, 1e4):
        sequences = Sequences(attention, [140, 140], seed=6)
        sequences.inputs[1] *= factor
        sequences.run([(0, 0, 139), (1, 0, 139)])
        outputs.append(sequences.run([(0, 139, 140), (1, 139, 140)])[0])
    assert torch.equal(*outputs)


def test_neighbouring_and_scattered_pages_give_the_same_bits(source: ModelSource) -> None:
    attention = load(source)
    outputs = []
    for table in ([10, 11, 12, 13, 14], [40, 3, 12, 7, 25]):
        sequences = Sequences(attention, [5 * KV_PAGE_SIZE], seed=7)
        sequences.tables[0] = table
        outputs.append(torch.cat([*sequences.run([(0, 0, 150)]), *sequences.run([(0, 150, 151)])]))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize(("rows", "width"), [(1, 21), (3, 81), (4, 81), (4, 128), (5, 128)])
@pytest.mark.parametrize("out", [32, 81, 128])
def test_many_products_at_once_have_the_bits_of_one(rows: int, width: int, out: int, is_transposed: bool) -> None:
    for batch in (1, 2, 3, 7, 32):
        x = torch.randn(batch, rows, width)
        weights = torch.randn(batch, width, out).transpose(1, 2) if is_transposed else torch.randn(batch, out, width)
        expected = torch.stack([linear(a, b) for a, b in zip(x, weights, strict=True)])
        assert torch.equal(linear_each(x, weights), expected)


def test_without_a_batched_product_of_that_kind_the_bits_are_the_same(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    attention = load(source)
    usual = Sequences(attention, [90, 150, 20], seed=8)
    outputs = [usual.run([(0, 0, 89), (1, 0, 149), (2, 0, 19)]), usual.run([(0, 89, 90), (1, 149, 150), (2, 19, 20)])]
    monkeypatch.setattr(linear_module, "_is_chain", lambda *_: False)
    other = Sequences(attention, [90, 150, 20], seed=8)
    again = [other.run([(0, 0, 89), (1, 0, 149), (2, 0, 19)]), other.run([(0, 89, 90), (1, 149, 150), (2, 19, 20)])]
    for a, b in zip(outputs, again, strict=True):
        assert torch.equal(torch.cat(a), torch.cat(b))


@pytest.mark.parametrize(("width", "out"), [(7, 5), (96, 192), (256, 256), (1000, 300)])
def test_packed_weights_give_the_bits_of_plain_ones(width: int, out: int) -> None:
    weight = torch.randn(out, width)
    packed = pack(weight)
    for rows in (1, 2, 3, 8, 33, 128):
        x = torch.randn(rows, width)
        assert torch.equal(linear(x, packed), linear(x, weight))


def test_zeros_appended_to_a_chain_change_nothing() -> None:
    x, weight = torch.randn(4, CHAIN_WIDTH // 2), torch.randn(9, CHAIN_WIDTH // 2)
    padding = torch.zeros(4, CHAIN_WIDTH // 2)
    longer = torch.cat((weight, torch.full((9, CHAIN_WIDTH // 2), POISON)), dim=1)
    assert torch.equal(linear(torch.cat((x, padding), dim=1), longer), linear(x, weight))
