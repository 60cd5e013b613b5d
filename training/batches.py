"""Examples as batches of token ids: of one length each, so that little is padding, and every one from position 0 on as
when the model serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from moray.training.config import Data
from moray.training.data.examples import examples
from moray.training.data.grammar import Split
from moray.training.tokenizer import BEGIN, PAD, ROLES, render

LENGTH_MULTIPLE = 8  # of a batch's T: few shapes, see ``model.ROW_MULTIPLE``


class Batch(NamedTuple):
    """B sequences, padded on the right to T tokens. ``weights`` [B, T]: what each token counts for in the loss, 0 for
    padding; ``is_real`` [B, T]: no padding."""

    token_ids: Tensor
    weights: Tensor
    is_real: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device, non_blocking=True) for part in self))


def step_batches(tokenizer: Tokenizer, data: Data, split: Split, step: int) -> list[Batch]:
    """The batches of optimiser step ``step``, shortest sequences first: a function of its arguments, so a run that
    resumes needs to know no more than its step."""
    first = step * data.examples_per_step
    texts = [render(example) for example in islice(examples(data.seed, split, first), data.examples_per_step)]
    marks = Marks(tokenizer)
    encoded = (encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False))
    sequences = sorted((ids for ids in encoded if len(ids) <= data.context_length), key=len)
    return [_batch(group, marks, data.prompt_weight) for group in _groups(sequences, data.microbatch_tokens)]


class Marks:
    """Which tokens are an answer's: from behind the assistant's mark, or the beginning of plain text, to the end."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.begin, self.pad = (_id(tokenizer, token) for token in (BEGIN, PAD))
        self._is_answered = {_id(tokenizer, f"<|{role}|>"): role == "assistant" for role in ROLES}

    def weights(self, token_ids: Sequence[int], prompt_weight: float) -> list[float]:
        """What each token counts for. The beginning and the roles' marks are the template's, nobody's to guess."""
        weights, is_answer = [], True
        for token_id in token_ids:
            if token_id == self.begin:
                weights.append(0.0)
            elif token_id in self._is_answered:
                is_answer = self._is_answered[token_id]
                weights.append(0.0)
            else:
                weights.append(1.0 if is_answer else prompt_weight)
        return weights


def _id(tokenizer: Tokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    assert token_id is not None  # our own tokenizers hold their special tokens
    return token_id


def _groups(sequences: Sequence[list[int]], max_tokens: int) -> Iterator[list[list[int]]]:
    """Runs of sequences, sorted by length, of at most ``max_tokens`` each when padded; at least one sequence."""
    group: list[list[int]] = []
    for sequence in sequences:
        if group and (len(group) + 1) * _padded(len(sequence)) > max_tokens:
            yield group
            group = []
        group.append(sequence)
    if group:
        yield group


def _padded(length: int) -> int:
    return -(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE


def _batch(sequences: Sequence[list[int]], marks: Marks, prompt_weight: float) -> Batch:
    shape = (len(sequences), _padded(len(sequences[-1])))
    token_ids = torch.full(shape, marks.pad)
    weights = torch.zeros(shape)
    is_real = torch.zeros(shape, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        token_ids[row, : len(sequence)] = torch.tensor(sequence)
        weights[row, : len(sequence)] = torch.tensor(marks.weights(sequence, prompt_weight))
        is_real[row, : len(sequence)] = True
    return Batch(token_ids, weights, is_real)
