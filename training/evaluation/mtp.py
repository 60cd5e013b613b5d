"""How often the MTP head guesses the token after next as the model itself would choose it.

That is what speculative decoding accepts: the model has said token t + 1, the head guesses t + 2 from the hidden state
at t and that token, and the model checks it in the next step. Both read the held-out answer instead of their own, so
that one early difference is one difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from moray.training.evaluation.passages import Passage
from moray.training.evaluation.reading import STEP_TOKENS, in_batches


class MtpModel(Protocol):
    """B sequences of T tokens, D hidden, V vocabulary; every position sees those before it only."""

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        """[B, T] -> [B, T, D] behind the last layer, before the final norm."""
        ...

    def logits(self, hidden_states: Tensor) -> Tensor:
        """[..., D] -> [..., V]"""
        ...

    def mtp_hidden_states(self, hidden_states: Tensor, next_ids: Tensor) -> Tensor:
        """[B, T, D] as ``hidden_states`` gives them, and the token after each [B, T] -> [B, T, D]"""
        ...

    def mtp_logits(self, hidden_states: Tensor) -> Tensor:
        """[..., D] -> [..., V] of the token after next."""
        ...


def guesses(model: MtpModel, passages: Iterable[Passage]) -> Iterator[tuple[int, int]]:
    """Of each passage: how many guesses are the model's own choice, and how many there were."""
    for batch in in_batches(passages, STEP_TOKENS):
        ids = pad_sequence([torch.tensor(passage.token_ids) for passage in batch], batch_first=True)
        with torch.inference_mode():
            hidden = model.hidden_states(ids)
            own = model.logits(hidden).argmax(-1)  # [B, T]: place t chooses token t + 1
            following = torch.cat((ids[:, 1:], ids[:, :1]), dim=1)  # the last column's is of no consequence
            guessed = model.mtp_logits(model.mtp_hidden_states(hidden, following)).argmax(-1)
        agrees = guessed[:, :-1] == own[:, 1:]  # [B, T - 1]: place t guesses token t + 2
        for row, passage in zip(agrees, batch, strict=True):
            counted = row[passage.first - 1 : len(passage.token_ids) - 2]
            yield int(counted.sum()), len(counted)
