"""The model that is trained is the one that is served: the same logits as the engine's and as transformers'."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines import load, logits_step_by_step
from moray.training.model import DeepSeekModel, load_model
from oracle import VOCAB, save_checkpoint
from training_kit import deviation, random_model, tiny

LENGTH = 40  # more rows than an expert's are filled up to
TOLERANCE = 1e-5


def some_tokens(vocab_size: int, seed: int = 0) -> Tensor:
    return torch.randint(vocab_size, (2, LENGTH), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def logits_of(model: DeepSeekModel, token_ids: Tensor) -> Tensor:
    return model.logits(model.hidden_states(token_ids))


@torch.no_grad()
def mtp_logits_of(model: DeepSeekModel, token_ids: Tensor) -> Tensor:
    return model.mtp_logits(model.mtp_hidden_states(model.hidden_states(token_ids)[:, :-1], token_ids[:, 1:]))


# Between them: groups, YaRN, a query latent or none, biases, halves or interleaved pairs, tied heads, no shared expert.
@pytest.mark.parametrize("seed", [2, 3, 5, 6, 15, 22])
def test_its_logits_are_those_of_transformers_and_of_the_engine(seed: int, tmp_path: Path) -> None:
    oracle = save_checkpoint(tmp_path, seed)
    token_ids = some_tokens(VOCAB)
    logits = logits_of(load_model(tmp_path), token_ids)
    with torch.no_grad():
        assert deviation(logits, oracle(token_ids).logits) < TOLERANCE
    served = logits_step_by_step(*load(tmp_path), token_ids[0].tolist(), prompt=1)
    assert deviation(logits[0], served) < TOLERANCE


def test_a_later_token_changes_no_earlier_row() -> None:
    model = random_model(tiny().architecture(), seed=1)
    token_ids = some_tokens(512)
    changed = token_ids.clone()
    changed[:, 20] = (changed[:, 20] + 1) % 512
    before, after = logits_of(model, token_ids), logits_of(model, changed)
    assert deviation(after[:, :20], before[:, :20]) < TOLERANCE < deviation(after[:, 20:], before[:, 20:])
    before, after = mtp_logits_of(model, token_ids), mtp_logits_of(model, changed)  # row i reads token i + 1
    assert deviation(after[:, :19], before[:, :19]) < TOLERANCE < deviation(after[:, 19], before[:, 19])


def test_another_sequence_of_the_batch_changes_nothing() -> None:
    model = random_model(tiny().architecture(), seed=1)
    token_ids = some_tokens(512)
    alone = logits_of(model, token_ids[:1])
    assert deviation(logits_of(model, token_ids)[:1], alone) < TOLERANCE


def test_the_first_weights_are_their_seeds() -> None:
    def weights(seed: int) -> Tensor:
        model = DeepSeekModel(tiny().architecture())
        model.initialise(torch.Generator().manual_seed(seed))
        return torch.cat([weight.flatten() for weight in model.parameters()])

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
