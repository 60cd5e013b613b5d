"""What is exported is a Hugging Face folder: transformers and Moray open it and compute the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, DeepseekV3ForCausalLM

from moray.errors import BadCheckpoint
from moray.experts.checkpoint import Checkpoint
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.tensors import expected_tensors
from moray.router.tokenizer import ModelTokenizer
from moray.training import export
from moray.training.export import export_model
from moray.training.model import DeepSeekModel, load_model
from training_kit import deviation, random_model, tiny, tiny_tokenizer

TOLERANCE = 1e-5
YARN = {
    "type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 0.7,
}
SIZES: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False, "rope_scaling": YARN, "attention_bias": True},
}
TOKEN_IDS = torch.randint(512, (1, 40), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=list(SIZES))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DeepSeekModel, Path]:
    config = tiny(model=SIZES[request.param])
    model = random_model(config.architecture(), seed=4)
    folder: Path = tmp_path_factory.mktemp(request.param) / "model"
    export_model(model, config, tiny_tokenizer(), folder)
    return model, folder


def oracle(folder: Path, **options: Any) -> Any:
    model = DeepseekV3ForCausalLM.from_pretrained(folder, **options).eval()
    model.set_experts_implementation("eager")  # the grouped kernel wants widths that are multiples of four
    return model


@torch.no_grad()
def oracle_mtp_logits(folder: Path, token_ids: Tensor) -> Tensor:
    """By the formula eh_proj(cat(enorm(embedding), hnorm(state))), transformers' decoder layer and head behind it."""
    main, source = oracle(folder), open_model(folder)
    num_layers, eps = main.config.num_hidden_layers, main.config.rms_norm_eps
    prefix = f"model.layers.{num_layers}"

    def norm(x: Tensor, name: str) -> Tensor:
        scale: Tensor = (x.square().mean(-1, keepdim=True) + eps).rsqrt()
        return x * scale * source.tensor(f"{prefix}.{name}.weight")

    states = main(token_ids, output_hidden_states=True).hidden_states[-1]  # normed
    embedding = source.tensor(f"{prefix}.embed_tokens.weight")[token_ids[:, 1:]]
    pair = torch.cat((norm(embedding, "enorm"), norm(states[:, :-1], "hnorm")), -1)
    joined = pair @ source.tensor(f"{prefix}.eh_proj.weight").T
    layer = oracle(folder, num_hidden_layers=num_layers + 1)
    layer.model.layers = nn.ModuleList([layer.model.layers[-1]])
    layer.config.num_hidden_layers = layer.model.config.num_hidden_layers = 1
    layer.model.norm.weight.copy_(source.tensor(f"{prefix}.shared_head.norm.weight"))
    layer.lm_head.weight = nn.Parameter(source.tensor(f"{prefix}.shared_head.head.weight"))
    logits: Tensor = layer(inputs_embeds=joined, use_cache=False).logits
    return logits


def test_transformers_computes_the_same_logits(exported: tuple[DeepSeekModel, Path]) -> None:
    model, folder = exported
    with torch.no_grad():
        logits = model.logits(model.hidden_states(TOKEN_IDS))
        assert deviation(oracle(folder)(TOKEN_IDS).logits, logits) < TOLERANCE


def test_the_mtp_layer_guesses_the_same(exported: tuple[DeepSeekModel, Path]) -> None:
    model, folder = exported
    with torch.no_grad():
        hidden_states = model.mtp_hidden_states(model.hidden_states(TOKEN_IDS)[:, :-1], TOKEN_IDS[:, 1:])
        logits = model.mtp_logits(hidden_states)
    assert deviation(oracle_mtp_logits(folder, TOKEN_IDS), logits) < TOLERANCE


def test_it_holds_the_tensors_of_the_architecture_and_they_come_back_with_their_bits(
    exported: tuple[DeepSeekModel, Path],
) -> None:
    model, folder = exported
    assert Checkpoint.open(folder).names() == sorted(expected_tensors(model.architecture))
    again = load_model(folder)
    assert again.architecture.model_dump(exclude={"bos_token_id", "eos_token_ids"}) == model.architecture.model_dump(
        exclude={"bos_token_id", "eos_token_ids"}
    )
    state = again.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_its_tokenizer_and_special_tokens_are_there(exported: tuple[DeepSeekModel, Path]) -> None:
    _, folder = exported
    config = json.loads((folder / "config.json").read_text())
    theirs = AutoTokenizer.from_pretrained(folder)
    assert (theirs.bos_token_id, theirs.eos_token_id) == (config["bos_token_id"], config["eos_token_id"])
    assert config["eos_token_id"] == tiny_tokenizer().token_to_id("<|end|>")
    ours = ModelTokenizer.load(folder)
    assert (
        ours.encode("swap 12 eth", add_special=False)
        == tiny_tokenizer().encode("swap 12 eth", add_special_tokens=False).ids
    )


def test_it_can_be_sharded_and_quantised(exported: tuple[DeepSeekModel, Path], tmp_path: Path) -> None:
    _, folder = exported
    for numeric_class in ("float32", "int8"):
        manifest = write_shards(folder, tmp_path / numeric_class, numeric_class=numeric_class)
        assert manifest.numeric_class == numeric_class and manifest.architecture.num_mtp_layers == 1
        assert any(file.name == "tokenizer.json" for file in manifest.files)


def test_a_folder_that_is_half_written_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    model = random_model(config.architecture(), seed=4)
    export_model(model, config, tiny_tokenizer(), tmp_path)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(export, "save_tokenizer", fail)
        with pytest.raises(OSError, match="no space"):
            export_model(model, config, tiny_tokenizer(), tmp_path)
    with pytest.raises(BadCheckpoint):
        open_model(tmp_path)
    export_model(model, config, tiny_tokenizer(), tmp_path)
    assert open_model(tmp_path).architecture.vocab_size == 512
