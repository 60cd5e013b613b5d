"""One request inside the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from moray.errors import MorayError
from moray.router.kv_cache import pages_needed
from moray.router.step import Chunk
from moray.types import FinishReason, GeneratedToken, GenerationRequest

Emit = Callable[[GeneratedToken | MorayError], None]


@dataclass(slots=True, eq=False)
class Sequence:
    """``tokens`` is prompt plus generated; the first ``num_cached`` of them have their cache entries, in ``pages``."""

    request: GenerationRequest
    emit: Emit
    tokens: list[int] = field(init=False)
    arrival: int = 0  # counted by the scheduler: the lower, the earlier
    num_cached: int = 0
    pages: list[int] = field(default_factory=list)
    is_cancelled: bool = False
    waits_for: frozenset[int] = frozenset()  # experts without which it cannot go on
    gives_up_at: float | None = None  # engine clock, seconds; set while it waits for experts

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)

    @property
    def num_remaining(self) -> int:
        """Tokens without a cache entry: one while decoding, more while the prompt is read, or all again."""
        return len(self.tokens) - self.num_cached

    @property
    def max_pages(self) -> int:
        """Pages that the prompt and all that may be generated take."""
        return pages_needed(len(self.request.prompt) + self.request.sampling.max_tokens)

    @property
    def num_lacking_pages(self) -> int:
        """Pages still to be taken for the tokens that are there."""
        return pages_needed(len(self.tokens)) - len(self.pages)

    def next_chunk(self, num_tokens: int) -> Chunk:
        end = self.num_cached + num_tokens
        return Chunk(self.tokens[self.num_cached : end], self.num_cached, self.pages, end == len(self.tokens))

    def finish_reason_of(self, token_id: int) -> FinishReason | None:
        if token_id in self.request.sampling.stop_token_ids:
            return "stop"
        num_generated = len(self.tokens) + 1 - len(self.request.prompt)
        return "length" if num_generated >= self.request.sampling.max_tokens else None
