"""The made-up checkpoints are real ones: transformers loads them, and what it exports opens here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, DeepseekV3ForCausalLM

from moray.errors import BadSetting, UnsupportedArchitecture
from moray.experts.checkpoint import Checkpoint
from moray.experts.demo_tokenizer import SPECIAL_TOKENS
from moray.experts.random_checkpoint import DEMO_CONFIG, FP8_CONFIG, TINY_CONFIG, write_random_checkpoint
from moray.experts.tensors import expected_tensors


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_random_checkpoint(folder, TINY_CONFIG, seed=1, num_parts=2)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"q_lora_rank": None, "n_shared_experts": 2},
        {"attention_bias": True, "tie_word_embeddings": True, "rope_scaling": None},
    ],
)
def test_transformers_loads_every_tensor_and_its_export_opens(change: dict[str, object], tmp_path: Path) -> None:
    source, export = tmp_path / "source", tmp_path / "export"
    write_random_checkpoint(source, TINY_CONFIG | change, seed=3)
    loaded: Any = DeepseekV3ForCausalLM.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
    model, loading = loaded
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not loading["mismatched_keys"]
    assert bool(torch.isfinite(model(torch.tensor([[5, 6, 7]])).logits).all())

    model.config.num_nextn_predict_layers = 1  # exports promise the MTP layer and leave it out
    model.save_pretrained(export)
    assert json.loads((export / "config.json").read_text())["num_nextn_predict_layers"] == 1
    ours, theirs = Checkpoint.open(source), Checkpoint.open(export)
    assert theirs.architecture == ours.architecture
    assert theirs.architecture.num_mtp_layers == 0
    for name in expected_tensors(ours.architecture):
        assert torch.equal(ours.tensor(name), theirs.tensor(name)), name


def test_the_tokenizer_returns_any_text_and_renders_a_chat(tiny: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    text = "Swap 250 for é 你好\n\ttwice; node_id = 7"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert max(ids) < TINY_CONFIG["vocab_size"]
    assert len(ids) < len(text.encode())  # merges were learnt
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Price?"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Why?"},
    ]
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert rendered == ("<|bos|><|system|>Be brief.<|user|>Price?<|assistant|>No.<|eos|><|user|>Why?<|assistant|>")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tiny: Path, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "again", TINY_CONFIG, seed=1, num_parts=2)
    write_random_checkpoint(tmp_path / "other", TINY_CONFIG, seed=2, num_parts=2)
    names = sorted(path.name for path in tiny.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (tiny / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    part = "model-00001-of-00002.safetensors"
    assert (tiny / part).read_bytes() != (tmp_path / "other" / part).read_bytes()


def test_mtp_layers_leave_the_other_tensors_as_they_are(tiny: Path, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"num_nextn_predict_layers": 1}, seed=1)
    plain, with_mtp = Checkpoint.open(tiny), Checkpoint.open(tmp_path)
    assert with_mtp.architecture.num_mtp_layers == 1
    assert with_mtp.architecture.moe_layers == (1, 2, 3)
    assert with_mtp.tensor("model.layers.3.eh_proj.weight").shape == (48, 96)
    for name in plain.names():
        assert torch.equal(plain.tensor(name), with_mtp.tensor(name))


def test_fp8_twin_holds_the_same_weights_up_to_rounding(tiny: Path, tmp_path: Path) -> None:
    block = {"weight_block_size": [16, 16]}
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"quantization_config": FP8_CONFIG | block}, seed=1, num_parts=2)
    plain, twin = Checkpoint.open(tiny), Checkpoint.open(tmp_path)
    name = "model.layers.1.mlp.experts.3.down_proj.weight"
    assert twin.raw(name).dtype == torch.float8_e4m3fn
    difference = (plain.tensor(name) - twin.tensor(name)).abs().max()
    assert 0 < difference < plain.tensor(name).abs().max() * 2.0**-4
    assert torch.equal(plain.tensor("lm_head.weight"), twin.tensor("lm_head.weight"))


def test_the_gate_bias_differs_between_experts_and_norms_are_about_one(tiny: Path) -> None:
    model = Checkpoint.open(tiny)
    bias = model.raw("model.layers.1.mlp.gate.e_score_correction_bias")
    assert bias.dtype == torch.float32
    assert len(set(bias.tolist())) == TINY_CONFIG["n_routed_experts"]
    assert abs(model.tensor("model.norm.weight").mean().item() - 1.0) < 0.02


def test_the_demo_model_has_about_ten_million_parameters(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, DEMO_CONFIG, seed=0)
    model = Checkpoint.open(tmp_path)
    count = sum(math.prod(shape) for shape in expected_tensors(model.architecture).values())
    assert 9e6 < count < 11e6
    assert model.tokenizer_files().tokenizer.name == "tokenizer.json"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture):
        write_random_checkpoint(tmp_path, TINY_CONFIG | {"model_type": "llama"}, seed=0)
    with pytest.raises(BadSetting, match="dtype"):
        write_random_checkpoint(tmp_path, TINY_CONFIG | {"dtype": "int8"}, seed=0)
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_below_261_comes_without_a_tokenizer(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"vocab_size": 260}, seed=0)
    assert not (tmp_path / "tokenizer.json").exists()
    assert Checkpoint.open(tmp_path).architecture.vocab_size == 260
