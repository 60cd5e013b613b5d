"""The engine against the oracle: the same greedy tokens, logits within 1e-4."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch

from engines import Recorder, greedy_request, load, logits_step_by_step
from oracle import VOCAB, greedy, random_config, save_checkpoint

NUM_CONFIGS = 24
NUM_TOKENS = 128
LOGIT_TOLERANCE = 1e-4
CLEAR_MARGIN = 1e-4  # between the oracle's two best logits; below it either token is right


@pytest.mark.parametrize("seed", range(NUM_CONFIGS))
def test_greedy_output_and_logits_equal_those_of_transformers(seed: int, tmp_path: Path) -> None:
    model = save_checkpoint(tmp_path, seed)
    prompt = torch.randint(0, VOCAB, (5 + seed,), generator=torch.Generator().manual_seed(seed)).tolist()
    expected_tokens, expected_logits = greedy(model, prompt, NUM_TOKENS)
    backbone, experts = load(tmp_path)

    logits = logits_step_by_step(backbone, experts, prompt + expected_tokens[:-1], len(prompt))
    assert logits.shape == expected_logits.shape
    assert (logits - expected_logits).abs().max() < LOGIT_TOLERANCE
    best_two = expected_logits.topk(2).values
    is_clear = best_two[:, 0] - best_two[:, 1] >= CLEAR_MARGIN
    assert is_clear.sum() > NUM_TOKENS // 2
    assert logits.argmax(-1)[is_clear].tolist() == torch.tensor(expected_tokens)[is_clear].tolist()

    recorder = Recorder(backbone, experts)
    recorder.submit(greedy_request("a", prompt, NUM_TOKENS))
    asyncio.run(recorder.finish())
    num_comparable = NUM_TOKENS if is_clear.all() else int((~is_clear).nonzero()[0])
    produced = [token.token_id for token in recorder.tokens("a")]
    assert len(produced) == NUM_TOKENS
    assert produced[:num_comparable] == expected_tokens[:num_comparable]


def test_the_configurations_cover_every_switch() -> None:
    configs = [random_config(seed) for seed in range(NUM_CONFIGS)]
    assert {config["q_lora_rank"] is None for config in configs} == {True, False}
    assert {config["rope_parameters"]["rope_type"] for config in configs} == {"yarn", "default"}
    assert {config["first_k_dense_replace"] for config in configs} == {0, 1, 2}
    assert {config["n_shared_experts"] for config in configs} == {0, 1, 2}
    assert {config["num_experts_per_tok"] for config in configs} == {1, 2, 3, 4}
    assert len({(config["n_group"], config["topk_group"]) for config in configs}) >= 5
    assert {config["norm_topk_prob"] for config in configs} == {True, False}
    assert {config["rope_interleave"] for config in configs} == {True, False}
