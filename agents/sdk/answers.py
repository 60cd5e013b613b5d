"""What is asked of a model and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, str]  # {"role": ..., "content": ...}
Messages = str | Sequence[Message]  # a text is one user's message
Prompt = str | Sequence[int]  # text, or token ids


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen: by default always the likeliest, so that asking again gives the same."""

    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """Of the request's body."""
        named = {"max_tokens": self.max_tokens, "top_p": self.top_p, "seed": self.seed, "stop": list(self.stop) or None}
        return {"temperature": self.temperature, **{name: value for name, value in named.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Answer:
    """``token_ids`` and ``seed`` are told by Moray's gateways; other servers leave them empty and None."""

    text: str
    finish_reason: str
    model: str
    num_prompt_tokens: int
    token_ids: tuple[int, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a stream; ``finish_reason`` is set on its last."""

    text: str
    token_ids: tuple[int, ...] = ()
    finish_reason: str | None = None


def as_messages(said: Messages) -> list[dict[str, str]]:
    return [{"role": "user", "content": said}] if isinstance(said, str) else [dict(message) for message in said]
