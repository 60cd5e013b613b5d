"""Ends a text before the first stop string to be complete, whatever pieces the text comes in."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Fed text deltas; of several stop strings that end at the same character the longest one counts.

    Only text that could be the start of a stop string is held back. Stop strings must not be empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if "" in stops:
            raise ValueError("a stop string must not be empty")
        self._stops = tuple(stops)
        self._held = ""
        self.is_stopped = False

    def push(self, delta: str) -> str:
        """What may be sent now; nothing more once ``is_stopped``."""
        if self.is_stopped or not delta:
            return ""
        text = self._held + delta
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return text[: min(found)[1]]
        safe = min((_start_of_prefix(text, stop) for stop in self._stops), default=len(text))
        self._held = text[safe:]
        return text[:safe]

    def finish(self) -> str:
        """What was held back, when the text ends without a stop string."""
        held, self._held = self._held, ""
        return held


def _start_of_prefix(text: str, stop: str) -> int:
    """Where the longest end of ``text`` that is a proper start of ``stop`` begins; len(text) if none is."""
    start = text.find(stop[0], max(0, len(text) - len(stop) + 1))
    while start >= 0:
        if stop.startswith(text[start:]):
            return start
        start = text.find(stop[0], start + 1)
    return len(text)
