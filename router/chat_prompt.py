"""A chat's prompt ids, with the conversation kept out of the control channel.

Encoding the rendered template as one text would turn a special token that is written out in a message, say
in a web page that a tool returned, into a real one, and let it end the message and open a system turn. Here
only the template's own special tokens count; those inside messages are ordinary characters.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from moray.router.tokenizer import ModelTokenizer


def encode_chat(
    tokenizer: ModelTokenizer, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
) -> list[int]:
    """Ids of the rendered chat with the generation prompt; ``BadRequest`` as ``render_chat``."""
    masked = _Masked(tokenizer.special_texts)
    text = tokenizer.render_chat(masked.mask(list(messages)), tools=masked.mask(list(tools)))
    ids: list[int] = []
    for part in masked.split(text):
        literal = masked.literals.get(part)
        ids += tokenizer.encode(part, add_special=False) if literal is None else tokenizer.encode_literal(literal)
    return ids


class _Masked:
    """Puts unguessable marks in the place of special tokens: templates may cut and join what they get."""

    def __init__(self, special_texts: frozenset[str]) -> None:
        longest_first = sorted(special_texts, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._secret = secrets.token_hex(8)
        self.literals: dict[str, str] = {}  # mark -> the special token's text

    def mask(self, value: Any) -> Any:
        """``value`` with marks in all its strings, whatever its nesting. Keys too: a tool's parameters have any names,
        and those that a template looks up are no special tokens."""
        if isinstance(value, str):
            return self._special.sub(self._mark, value)
        if isinstance(value, Mapping):
            return {self.mask(key): self.mask(entry) for key, entry in value.items()}
        return [self.mask(entry) for entry in value] if isinstance(value, list) else value

    def split(self, text: str) -> list[str]:
        """``text`` cut before and after every mark, without empty parts."""
        if not self.literals:
            return [text]
        return [part for part in re.split(f"(<{self._secret}:[0-9]+>)", text) if part]

    def _mark(self, special: re.Match[str]) -> str:
        mark = f"<{self._secret}:{len(self.literals)}>"
        self.literals[mark] = special[0]
        return mark
