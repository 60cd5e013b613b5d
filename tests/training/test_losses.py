"""Losses against their formulas, written out token by token, and the MTP layer's acceptance counted by hand."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from moray.training.batches import Batch
from moray.training.losses import Sums, batch_loss
from moray.training.model import DeepSeekModel
from training_kit import random_model, tiny


def batch_of(token_ids: Tensor, weights: Tensor) -> Batch:
    return Batch(token_ids, weights, torch.ones_like(token_ids, dtype=torch.bool))


def random_batch(num_rows: int, length: int) -> Batch:
    generator = torch.Generator().manual_seed(5)
    weights = torch.rand(num_rows, length, generator=generator)
    weights[weights < 0.4] = 0.0
    return batch_of(torch.randint(512, (num_rows, length), generator=generator), weights)


@pytest.mark.parametrize("mtp_weight", [0.0, 0.3])
def test_the_loss_is_the_weighted_sum_over_what_counts(mtp_weight: float) -> None:
    model, batch = random_model(tiny().architecture(), seed=2), random_batch(3, 24)
    with torch.no_grad():
        loss, sums = batch_loss(model, batch, mtp_weight)
        hidden_states = model.hidden_states(batch.token_ids)
        logits = model.logits(hidden_states)
        guesses = model.mtp_logits(model.mtp_hidden_states(hidden_states[:, :-1], batch.token_ids[:, 1:]))
    next_loss = mtp_loss = 0.0
    num_accepted = num_guessed = 0
    for row in range(3):
        for place in range(1, 24):
            token_id, weight = int(batch.token_ids[row, place]), float(batch.weights[row, place])
            next_loss -= weight * float(logits[row, place - 1].log_softmax(-1)[token_id])
            if place >= 2 and weight:
                mtp_loss -= weight * float(guesses[row, place - 2].log_softmax(-1)[token_id])
                num_guessed += 1
                num_accepted += int(guesses[row, place - 2].argmax()) == int(logits[row, place - 1].argmax())
    assert sums.loss == pytest.approx(next_loss, rel=1e-5) and sums.mtp_loss == pytest.approx(mtp_loss, rel=1e-5)
    assert (sums.num_accepted, sums.num_guessed) == (num_accepted, num_guessed)
    assert float(loss) == pytest.approx(next_loss + mtp_weight * mtp_loss, rel=1e-5)


class Counting:
    """Says that the token after n is n + 1; its MTP layer says so only where n is even, else 0."""

    architecture = tiny().architecture()

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        return token_ids

    def logits(self, hidden_states: Tensor) -> Tensor:
        return F.one_hot(hidden_states + 1, 16).float()

    def mtp_hidden_states(self, hidden_states: Tensor, next_ids: Tensor) -> Tensor:
        return next_ids

    def mtp_logits(self, hidden_states: Tensor) -> Tensor:
        return F.one_hot(torch.where(hidden_states % 2 == 0, hidden_states + 1, 0), 16).float()


def test_a_guess_is_accepted_where_it_is_the_models_own_next_word() -> None:
    token_ids = torch.tensor([[1, 2, 3, 4, 5, 6]])
    weights = torch.tensor([[0.0, 1.0, 1.0, 1.0, 0.0, 1.0]])
    _, sums = batch_loss(cast("DeepSeekModel", Counting()), batch_of(token_ids, weights), 0.3)
    # The tokens 3, 4 and 6 are guessed, told 2, 3 and 5 before them.
    assert (sums.num_accepted, sums.num_guessed) == (1, 3)


def test_padding_changes_neither_loss_nor_gradient() -> None:
    model, batch = random_model(tiny().architecture(), seed=2), random_batch(2, 24)
    padded = Batch(F.pad(batch.token_ids, (0, 8), value=2), F.pad(batch.weights, (0, 8)), F.pad(batch.is_real, (0, 8)))
    gradients: list[Tensor] = []
    losses: list[Sums] = []
    for each in (batch, padded):
        loss, sums = batch_loss(model, each, 0.3)
        model.zero_grad()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        losses.append(sums)
    assert losses[1].loss == pytest.approx(losses[0].loss, rel=1e-5)
    assert losses[1].mtp_loss == pytest.approx(losses[0].mtp_loss, rel=1e-5)
    assert losses[1].num_accepted == losses[0].num_accepted
    assert float((gradients[1] - gradients[0]).abs().max()) < 1e-4 * float(gradients[0].abs().max())


def test_sums_add_up() -> None:
    assert Sums(1.0, 2.0, 3, 4) + Sums(0.5, 0.25, 1, 2) == Sums(1.5, 2.25, 4, 6)
