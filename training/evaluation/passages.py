"""Held-out text as tokens for the model to read: whole conversations of which the answer counts, and plain text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from moray.router.chat_prompt import encode_chat
from moray.router.tokenizer import ModelTokenizer
from moray.training.data.examples import Example
from moray.training.evaluation.held_out import HeldOut
from moray.training.tokenizer import BEGIN, END, messages_of


@dataclass(frozen=True, slots=True)
class Passage:
    text: Literal["answers", "plain"]
    language: str
    token_ids: tuple[int, ...]
    first: int  # of the tokens that count, END among them; what stands before is given
    num_bytes: int  # that these write, END not counted


def passages(held_out: HeldOut, tokenizer: ModelTokenizer) -> Iterator[Passage]:
    for example in held_out.requests:
        yield _answer(example, tokenizer)
    for example in held_out.plain:
        yield _plain(example, tokenizer)


def _answer(example: Example, tokenizer: ModelTokenizer) -> Passage:
    """Prompts are encoded as the gateway encodes them."""
    *messages, answer = messages_of(example)
    prompt = encode_chat(tokenizer, messages)
    ids = (*prompt, *tokenizer.encode_literal(answer["content"]), *tokenizer.encode(END, add_special=False))
    return Passage("answers", example.language, ids, len(prompt), len(answer["content"].encode()))


def _plain(example: Example, tokenizer: ModelTokenizer) -> Passage:
    begin, end = (tokenizer.encode(special, add_special=False) for special in (BEGIN, END))
    ids = (*begin, *tokenizer.encode_literal(example.text), *end)
    return Passage("plain", example.language, ids, len(begin), len(example.text.encode()))
