"""Forms of an answer as grammars over a model's vocabulary, by llguidance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from moray.errors import BadRequest, GrammarStuck
from moray.router.answer_form import AnswerForm
from moray.router.grammar_source import grammar_source
from moray.router.schema_trial import LIMITS, why_not
from moray.router.tokenizer import ModelTokenizer
from moray.types import Grammar, Mask

MAX_REASON_CHARS = 300
WORN = "too many states"  # llguidance's words; its stop reason is the same for other errors


class GrammarCompiler(Protocol):
    """The seam: what turns forms into grammars."""

    def compile(self, form: AnswerForm) -> Grammar:
        """May take seconds. Raises BadRequest with the reason, GrammarStuck among them."""
        ...


class SchemaCompiler:
    """Of one model. ``vocab_size`` is the width of its logits; ids that the tokenizer does not know are never allowed.

    One thread may use it at a time.
    """

    def __init__(
        self,
        tokenizer: ModelTokenizer,
        vocab_size: int,
        limits: LLParserLimits = LIMITS,
        trial: Callable[[str], str] = why_not,
    ) -> None:
        self._tokenizer, self._vocab_size = tokenizer, vocab_size
        self._limits, self._trial = limits, trial
        self._vocabulary: LLTokenizer | None = None

    def compile(self, form: AnswerForm) -> Grammar:
        """Unsupported keywords are refused, never ignored, and so is what takes too long (``schema_trial``)."""
        vocabulary = self._open_vocabulary(form.param)
        try:
            source = grammar_source(form)
        except ValueError as error:
            raise _refused(str(error), form.param) from None
        if reason := self._trial(source):
            raise _refused(reason, form.param)
        grammar = LlguidanceGrammar(_Compiled(vocabulary, source, self._limits, form.param))
        grammar.mask()  # raises where not even a first token fits
        return grammar

    def _open_vocabulary(self, param: str) -> LLTokenizer:
        """At the first schema: a large one takes seconds."""
        if self._vocabulary is None:
            eos_ids = sorted(self._tokenizer.known_eos_ids)
            try:
                self._vocabulary = LLTokenizer(self._tokenizer.to_json(), n_vocab=self._vocab_size, eos_token=eos_ids)
            except ValueError as error:
                raise BadRequest(f"this model's answers cannot follow a format: {_one_line(error)}", param) from None
        return self._vocabulary


class _Compiled:
    """A grammar at its beginning. All copies of a matcher share what its lexer has found out, which makes them fast,
    and the limit on that: when it is reached, by all answers of days perhaps, a new one takes the place of the old."""

    def __init__(self, vocabulary: LLTokenizer, source: str, limits: LLParserLimits, param: str) -> None:
        self._vocabulary, self._source, self._limits = vocabulary, source, limits
        self.param = param  # that it comes from
        self.edition, self.matcher = 0, self._open()
        self.eos_ids = frozenset(vocabulary.eos_tokens)

    def renew(self, worn_edition: int) -> None:
        if worn_edition == self.edition:
            self.edition, self.matcher = self.edition + 1, self._open()

    def _open(self) -> LLMatcher:
        return LLMatcher(self._vocabulary, self._source, log_level=0, limits=self._limits)


class LlguidanceGrammar:
    """A ``Grammar``."""

    def __init__(self, compiled: _Compiled) -> None:
        self._compiled, self._tokens = compiled, list[int]()
        self._edition, self._matcher = compiled.edition, compiled.matcher.deep_copy()

    def copy(self) -> LlguidanceGrammar:
        copied = LlguidanceGrammar(self._compiled)
        if not self._tokens:  # of the latest edition, which this one may not be
            return copied
        copied._edition, copied._matcher, copied._tokens = self._edition, self._matcher.deep_copy(), [*self._tokens]
        return copied

    def mask(self) -> Mask:
        mask = self._matcher.compute_bitmask()
        if self._renew_if_worn():
            mask = self._matcher.compute_bitmask()
        self._raise_if_stuck()
        return mask

    def advance(self, token_id: int) -> None:
        is_taken = self._takes(token_id)
        if self._renew_if_worn():
            is_taken = self._takes(token_id)
        self._raise_if_stuck()
        if not is_taken:
            raise ValueError(f"token {token_id} does not fit the grammar")
        self._tokens.append(token_id)

    def rollback(self, num_tokens: int) -> None:
        if not 0 <= num_tokens <= len(self._tokens):
            raise ValueError(f"{num_tokens} tokens to take back, there are {len(self._tokens)}")
        self._matcher.rollback(num_tokens - (num_tokens > 0 and self._has_ended))
        del self._tokens[len(self._tokens) - num_tokens :]

    @property
    def is_complete(self) -> bool:
        return self._matcher.is_accepting()

    @property
    def _has_ended(self) -> bool:
        return bool(self._tokens) and self._tokens[-1] in self._compiled.eos_ids

    def _takes(self, token_id: int) -> bool:
        if self._has_ended:
            return False
        if token_id in self._compiled.eos_ids:  # the matcher would not count it as a token to take back
            return self.is_complete
        return self._matcher.try_consume_tokens([token_id]) == 1

    def _raise_if_stuck(self) -> None:
        if self._matcher.is_error():
            reason = _one_line(self._matcher.get_error())
            param = self._compiled.param
            raise GrammarStuck(f"no token of this model goes on as the schema asks: {reason}; change it", param)

    def _renew_if_worn(self) -> bool:
        """The same state of a new matcher, where the old one has reached its limit."""
        if WORN not in self._matcher.get_error():
            return False
        self._compiled.renew(self._edition)
        self._edition, self._matcher = self._compiled.edition, self._compiled.matcher.deep_copy()
        self._matcher.consume_tokens(self._tokens)
        return True


def _refused(reason: str, param: str) -> BadRequest:
    return BadRequest(f"{param}: this server cannot follow the schema: {_one_line(reason)}; change it", param)


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())[:MAX_REASON_CHARS]
