"""What others wrote, fit for one line of a message, a log or a terminal."""

from __future__ import annotations

MAX_QUOTED_CHARACTERS = 200


def quoted(text: str, max_characters: int = MAX_QUOTED_CHARACTERS) -> str:
    """Its beginning, without control characters: they end lines and command terminals."""
    return "".join(char if char.isprintable() else "?" for char in text[:max_characters])
