"""What a batch teaches: the loss of the next token, that of the one after it (MTP), and what there is to be told."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from moray.training.batches import Batch
from moray.training.model import DeepSeekModel


@dataclass(frozen=True, slots=True)
class Sums:
    """Over tokens, to be divided by their weight. ``loss`` is that of the next token in nats; ``num_accepted`` of
    ``num_guessed`` times the MTP layer's best guess was the model's own."""

    loss: float = 0.0
    mtp_loss: float = 0.0
    num_accepted: int = 0
    num_guessed: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.loss + other.loss,
            self.mtp_loss + other.mtp_loss,
            self.num_accepted + other.num_accepted,
            self.num_guessed + other.num_guessed,
        )


def batch_loss(model: DeepSeekModel, batch: Batch, mtp_weight: float) -> tuple[Tensor, Sums]:
    """The summed loss, to be divided by the weight of all that one step reads."""
    token_ids, weights = batch.token_ids, batch.weights
    hidden_states = model.hidden_states(token_ids)
    counts = weights[:, 1:] > 0
    logits = model.logits(hidden_states[:, :-1][counts])
    loss = _weighted(logits, token_ids[:, 1:][counts], weights[:, 1:][counts])
    if not model.architecture.num_mtp_layers:
        return loss, Sums(loss.item())
    further = counts[:, 1:]
    guesses = model.mtp_logits(model.mtp_hidden_states(hidden_states[:, :-1], token_ids[:, 1:])[:, :-1][further])
    mtp_loss = _weighted(guesses, token_ids[:, 2:][further], weights[:, 2:][further])
    with torch.no_grad():
        best = torch.full_like(token_ids[:, 1:], -1).masked_scatter_(counts, logits.argmax(-1))
        num_accepted = int((guesses.argmax(-1) == best[:, 1:][further]).sum())
    sums = Sums(loss.item(), mtp_loss.item(), num_accepted, int(further.sum()))
    return loss + mtp_weight * mtp_loss, sums


def _weighted(logits: Tensor, token_ids: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(logits, token_ids, reduction="none") * weights).sum()
