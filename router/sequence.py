"""One request inside the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from moray.errors import MorayError
from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed
from moray.router.prefix_cache import page_hash, root_hash
from moray.router.step import Chunk
from moray.types import FinishReason, GeneratedToken, GenerationRequest, Grammar

Emit = Callable[[GeneratedToken | MorayError], None]


@dataclass(slots=True, eq=False)
class Sequence:
    """``tokens`` is prompt plus generated; the first ``num_cached`` of them have their cache entries, in ``pages``."""

    request: GenerationRequest
    emit: Emit
    tokens: list[int] = field(init=False)
    num_prompt: int = field(init=False)
    user: str = field(init=False)
    grammar: Grammar | None = field(init=False)  # in the state behind ``tokens``; a preemption does not touch it
    arrival: int = 0  # counted by the scheduler: the lower, the earlier
    num_cached: int = 0
    pages: list[int] = field(default_factory=list)
    page_hashes: list[bytes] = field(default_factory=list)  # of its first full pages, as far as anybody asked
    num_prefix_tokens: int = 0  # tokens of the prompt that it found in the prefix cache
    num_preemptions: int = 0
    admitted_at: float | None = None  # engine clock, seconds; the first time, if it was preempted since
    is_cancelled: bool = False
    waits_for: frozenset[int] = frozenset()  # experts without which it cannot go on
    gives_up_at: float | None = None  # engine clock, seconds; set while it waits for experts

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)
        self.num_prompt = len(self.tokens)
        self.user = self.request.user
        self.grammar = self.request.grammar.copy() if self.request.grammar is not None else None

    @property
    def num_remaining(self) -> int:
        """Tokens without a cache entry: one while decoding, more while the prompt is read, or all again."""
        return len(self.tokens) - self.num_cached

    @property
    def max_pages(self) -> int:
        """Pages that the prompt and all that may be generated take."""
        return pages_needed(self.num_prompt + self.request.sampling.max_tokens)

    @property
    def num_lacking_pages(self) -> int:
        """Pages still to be taken for the tokens that are there."""
        return pages_needed(len(self.tokens)) - len(self.pages)

    def hash_of_page(self, index: int) -> bytes:
        """The address of its ``index``-th page in the prefix cache; all tokens of that page must be there."""
        while len(self.page_hashes) <= index:
            parent = self.page_hashes[-1] if self.page_hashes else root_hash(self.request.cache_salt)
            start = len(self.page_hashes) * KV_PAGE_SIZE
            self.page_hashes.append(page_hash(parent, self.tokens[start : start + KV_PAGE_SIZE]))
        return self.page_hashes[index]

    def next_chunk(self, num_tokens: int) -> Chunk:
        end = self.num_cached + num_tokens
        return Chunk(self.tokens[self.num_cached : end], self.num_cached, self.pages, end == len(self.tokens))

    def append(self, token: GeneratedToken) -> GeneratedToken:
        """Take the token that was sampled; returns it with what is known here."""
        self.tokens.append(token.token_id)
        if self.grammar is not None:
            self.grammar.advance(token.token_id)
        num_generated = len(self.tokens) - self.num_prompt
        if num_generated == 1 and self.num_prefix_tokens:
            token = replace(token, num_prefix_tokens=self.num_prefix_tokens)
        finish_reason = self._finish_reason(token.token_id, num_generated)
        return token if finish_reason is None else replace(token, finish_reason=finish_reason)

    def _finish_reason(self, token_id: int, num_generated: int) -> FinishReason | None:
        if token_id in self.request.sampling.stop_token_ids:
            return "stop"
        return "length" if num_generated >= self.request.sampling.max_tokens else None
