"""One choice's tokens turned into text: detokenised, cut at stop strings, parted from a tool's call, with
log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from moray.router.call_text import CallPart, CallReader, join_calls
from moray.router.detokenize import Detokenizer
from moray.router.stop_strings import StopStrings
from moray.router.tokenizer import ModelTokenizer
from moray.types import FinishReason, GeneratedToken


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token as log-probabilities show it."""

    content: bytes
    logprob: float
    text_offset: int  # characters of the choice's text before it
    top: tuple[tuple[bytes, float], ...] = ()  # best first


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive tokens of a choice. ``token_ids`` has every generated id, the stop token included; ``text`` has
    nothing of a call."""

    text: str
    token_ids: list[int]
    shown: list[ShownToken]  # empty unless log-probabilities were asked for
    finish_reason: FinishReason | None = None
    num_prefix_tokens: int = 0  # of the prompt, from the prefix cache; on the first piece
    call: CallPart | None = None
    has_called: bool = False  # the answer is or ends with a whole call; on the last piece


def join_pieces(pieces: Sequence[Piece]) -> Piece:
    """At least one piece, in order, as one."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        "".join(piece.text for piece in pieces),
        [token_id for piece in pieces for token_id in piece.token_ids],
        [token for piece in pieces for token in piece.shown],
        pieces[-1].finish_reason,
        pieces[0].num_prefix_tokens,
        join_calls([piece.call for piece in pieces]),
        pieces[-1].has_called,
    )


class ChoiceText:
    """State of one choice. A piece comes out once there is text for the client or the choice ends. ``calls`` is for an
    answer that may call a tool, which has no stop strings."""

    def __init__(self, tokenizer: ModelTokenizer, stops: Sequence[str], calls: CallReader | None = None) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._stops = StopStrings(stops)
        self._calls = calls
        self._num_decoded = 0  # characters out of the detokeniser
        self._num_sent = 0
        self._token_ids: list[int] = []  # since the last piece, as ``_shown``
        self._shown: list[ShownToken] = []
        self._num_prefix_tokens = 0

    def resume(self, token_ids: Sequence[int]) -> None:
        """Go on behind the tokens of an earlier answer. Where a piece ended there, the rest of the text is the same."""
        delta = "".join(map(self._detokenizer.push, token_ids))
        text = self._stops.push(delta)
        self._num_decoded, self._num_sent = len(delta), len(text)
        if self._calls is not None:
            self._calls.push(text)

    @property
    def is_stopped(self) -> bool:
        """By a stop string."""
        return self._stops.is_stopped

    def push(self, token: GeneratedToken) -> Piece | None:
        """The piece that this token completes; a stop string makes its ``finish_reason`` "stop" too."""
        self._token_ids.append(token.token_id)
        self._num_prefix_tokens += token.num_prefix_tokens
        text = self._stops.push(self._decoded(token))
        finish_reason = token.finish_reason
        if self._stops.is_stopped:
            finish_reason = "stop"
        elif finish_reason is not None:
            text += self._stops.finish()
        if self._calls is not None:
            return self._parted(self._calls, text, finish_reason)
        return self._piece(text, finish_reason) if text or finish_reason is not None else None

    def _parted(self, calls: CallReader, text: str, finish_reason: FinishReason | None) -> Piece | None:
        text, call = calls.push(text)
        if finish_reason is not None:
            rest, last = calls.finish()
            text, call = text + rest, join_calls([call, last])
        if not text and call is None and finish_reason is None:
            return None
        has_called = calls.has_called and finish_reason == "stop"
        return replace(self._piece(text, finish_reason), call=call, has_called=has_called)

    def _decoded(self, token: GeneratedToken) -> str:
        is_stop_token = token.finish_reason == "stop"
        delta = "" if is_stop_token else self._detokenizer.push(token.token_id)
        if token.logprob is not None and not is_stop_token:
            self._shown.append(self._show(token, token.logprob))
        if token.finish_reason is not None:
            delta += self._detokenizer.finish()
        self._num_decoded += len(delta)
        return delta

    def _show(self, token: GeneratedToken, logprob: float) -> ShownToken:
        content = self._tokenizer.token_bytes
        top = tuple((content(token_id), value) for token_id, value in token.top_logprobs)
        return ShownToken(content(token.token_id), logprob, self._num_decoded, top)

    def _piece(self, text: str, finish_reason: FinishReason | None) -> Piece:
        self._num_sent += len(text)
        shown, self._shown = self._shown, []
        if self._stops.is_stopped:  # tokens of the stop string itself are not part of the answer
            shown = [token for token in shown if token.text_offset < self._num_sent]
        token_ids, self._token_ids = self._token_ids, []
        num_prefix_tokens, self._num_prefix_tokens = self._num_prefix_tokens, 0
        return Piece(text, token_ids, shown, finish_reason, num_prefix_tokens)
