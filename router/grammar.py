"""JSON schemas as grammars over a model's vocabulary, by llguidance: the only module that knows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from llguidance import LLMatcher, LLTokenizer

from moray.errors import BadRequest, GrammarStuck
from moray.router.schema_trial import LIMITS, why_not
from moray.types import Grammar, Mask

PARAM = "response_format"
MAX_REASON_CHARS = 300

# Between two parts of an answer: nothing, a space, or a line break and an indentation. Without a bound, a model may say
# spaces for ever.
WHITESPACE = r"( |\n[ ]{0,24})?"


class GrammarCompiler(Protocol):
    """The seam: what turns schemas into grammars."""

    def compile(self, schema: str) -> Grammar:
        """``schema`` is JSON text. May take seconds. Raises BadRequest with the reason."""
        ...


class SchemaCompiler:
    """Of one model. ``vocab_size`` is the width of its logits; ids that the tokenizer does not know are never allowed.

    One thread may use it at a time.
    """

    def __init__(self, tokenizer_json: str, eos_ids: Iterable[int], vocab_size: int) -> None:
        self._tokenizer_json, self._eos_ids, self._vocab_size = tokenizer_json, sorted(eos_ids), vocab_size
        self._tokenizer: LLTokenizer | None = None

    def compile(self, schema: str) -> Grammar:
        """Unsupported keywords are refused, never ignored, and so is what takes too long (``schema_trial``)."""
        tokenizer = self._open_tokenizer()
        try:
            source = LLMatcher.grammar_from_json_schema(
                schema,
                # All that changes what is accepted, since a schema may bring options of its own ("x-guidance").
                overrides={
                    "lenient": False,
                    "coerce_one_of": False,
                    "whitespace_pattern": WHITESPACE,
                    "item_separator": ",",
                    "key_separator": ":",
                },
            )
        except ValueError as error:
            raise _refused(str(error)) from None
        if reason := why_not(source):
            raise _refused(reason)
        grammar = LlguidanceGrammar(LLMatcher(tokenizer, source, log_level=0, limits=LIMITS))
        grammar.mask()  # raises where not even a first token fits
        return grammar.copy()  # without what that has left in memory

    def _open_tokenizer(self) -> LLTokenizer:
        """At the first schema: a large vocabulary takes seconds."""
        if self._tokenizer is None:
            try:
                tokenizer = LLTokenizer(self._tokenizer_json, n_vocab=self._vocab_size, eos_token=self._eos_ids)
            except ValueError as error:
                raise BadRequest(f"this model's answers cannot follow a format: {_one_line(error)}", PARAM) from None
            self._tokenizer = tokenizer
        return self._tokenizer


class LlguidanceGrammar:
    """A ``Grammar``. Copies share nothing that changes."""

    def __init__(self, matcher: LLMatcher, num_tokens: int = 0) -> None:
        self._matcher, self._num_tokens = matcher, num_tokens

    def copy(self) -> LlguidanceGrammar:
        return LlguidanceGrammar(self._matcher.deep_copy(), self._num_tokens)

    def mask(self) -> Mask:
        mask = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            raise GrammarStuck(f"no token fits the schema here: {_one_line(self._matcher.get_error())}", PARAM)
        if not mask.strip(b"\0"):
            raise GrammarStuck("no token of this model's vocabulary fits the schema here: change the schema", PARAM)
        return mask

    def advance(self, token_id: int) -> None:
        if not self._matcher.try_consume_tokens([token_id]):
            raise ValueError(f"token {token_id} does not fit the grammar")
        self._num_tokens += 1

    def rollback(self, num_tokens: int) -> None:
        if not 0 <= num_tokens <= self._num_tokens:
            raise ValueError(f"{num_tokens} tokens to take back, there are {self._num_tokens}")
        self._matcher.rollback(num_tokens)
        self._num_tokens -= num_tokens

    @property
    def is_complete(self) -> bool:
        return self._matcher.is_accepting()


def _refused(reason: str) -> BadRequest:
    return BadRequest(f"{PARAM}: this server cannot follow the schema: {_one_line(reason)}; change it", PARAM)


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())[:MAX_REASON_CHARS]
