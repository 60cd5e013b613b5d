"""Token ids to text as they come, never half a character.

A window of the last tokens is decoded anew for each one, so the work per token does not grow with the text.
The position in the text is kept as a distance from the window's end, which moving the window's start leaves
alone (UTF-8 finds its step again within three bytes, and every token kept here has at least one).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

REPLACEMENT = "\ufffd"
MAX_HELD_CHARS = 3  # an unfinished UTF-8 character has at most three bytes
WINDOW_TOKENS = 8  # kept when the window is cut; reaches past what is held and the bytes to find step


class Decoder(Protocol):
    def decode(self, ids: Sequence[int]) -> str: ...

    def has_text(self, token_id: int) -> bool: ...


class Detokenizer:
    """Text of one token stream.

    The deltas of ``push`` and of one last ``finish`` add up to ``decode`` of all ids. This is exact for
    byte-level vocabularies; with SentencePiece's byte fallback it is so for valid UTF-8.
    """

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._text = ""  # of the window
        self._num_sent = 0  # characters of it

    def push(self, token_id: int) -> str:
        """The text that this token makes certain; a tail of U+FFFD waits, since more bytes may mend it."""
        if not self._tokenizer.has_text(token_id):
            return ""
        self._window.append(token_id)
        self._text = self._tokenizer.decode(self._window)
        num_unclear = len(self._text) - len(self._text.rstrip(REPLACEMENT))
        delta = self._send_until(len(self._text) - min(num_unclear, MAX_HELD_CHARS))
        if len(self._window) >= 2 * WINDOW_TOKENS:
            self._cut_window()
        return delta

    def finish(self) -> str:
        """What was held back; no token may follow."""
        return self._send_until(len(self._text))

    def _send_until(self, end: int) -> str:
        delta = self._text[self._num_sent : end]
        self._num_sent = max(self._num_sent, end)
        return delta

    def _cut_window(self) -> None:
        num_held = len(self._text) - self._num_sent
        self._window = self._window[-WINDOW_TOKENS:]
        self._text = self._tokenizer.decode(self._window)
        self._num_sent = len(self._text) - num_held
