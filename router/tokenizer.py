"""A model folder's tokenizer: text to ids and back, chat messages to a prompt.

Reads Hugging Face's files: ``tokenizer.json`` (required), ``tokenizer_config.json``, ``chat_template.jinja``
and ``generation_config.json`` (for the end-of-sequence ids).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from moray.errors import BadCheckpoint, BadRequest
from moray.router.byte_level import is_byte_level, piece_bytes
from moray.router.chat_template import ChatTemplate, template_source
from moray.router.tool_format import knows_tools


class ModelTokenizer:
    """Immutable after loading; its methods may run in any thread."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: ChatTemplate | None,
        bos_prefix: Sequence[int],
        eos_ids: frozenset[int],
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._bos_prefix = list(bos_prefix)
        self._is_byte_level = is_byte_level(tokenizer)
        added = tokenizer.get_added_tokens_decoder()
        self._added = {token_id: token.content for token_id, token in added.items()}
        self._special = frozenset(token_id for token_id, token in added.items() if token.special)
        self.special_texts = frozenset(self._added[token_id] for token_id in self._special)
        self.eos_ids = eos_ids  # generation ends at any of them
        self.vocab_size = tokenizer.get_vocab_size(with_added_tokens=True)

    @classmethod
    def load(cls, folder: Path) -> ModelTokenizer:
        """Raises ``BadCheckpoint`` when a file is missing, is not what its name says, or does not parse."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise BadCheckpoint(f"{path} is missing: the folder needs a Hugging Face fast tokenizer")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise BadCheckpoint(f"{path} is not a tokenizer: {error}") from error
        config = _read_json(folder / "tokenizer_config.json")
        special = {name: text for name in ("bos_token", "eos_token") if (text := _token_text(config.get(name)))}
        source = template_source(folder, config.get("chat_template"))
        return cls(
            tokenizer,
            template=None if source is None else ChatTemplate(source, special),
            bos_prefix=_missing_bos(tokenizer, config, special.get("bos_token")),
            eos_ids=_eos_ids(tokenizer, folder, special.get("eos_token")),
        )

    @property
    def known_eos_ids(self) -> frozenset[int]:
        """Without those that generation_config.json names and the vocabulary does not have."""
        return frozenset(token_id for token_id in self.eos_ids if self._tokenizer.id_to_token(token_id) is not None)

    def to_json(self) -> str:
        """What tokenizer.json says."""
        return self._tokenizer.to_str()

    @property
    def can_chat(self) -> bool:
        return self._template is not None

    @property
    def chat_tells_time(self) -> bool:
        """Whether a chat's prompt has the date in it."""
        return self._template is not None and self._template.tells_time

    def encode(self, text: str, add_special: bool) -> list[int]:
        """Ids of ``text``; special tokens written out in it count as such. ``add_special`` adds BOS."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special).ids
        return self._bos_prefix + ids if add_special else ids

    def encode_literal(self, text: str) -> list[int]:
        """Ids of ``text`` with special tokens that are written out in it taken as ordinary characters."""
        ids: list[int] = self._literal.encode(text, add_special_tokens=False).ids
        return ids

    @cached_property
    def _literal(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        tokenizer.encode_special_tokens = True
        return tokenizer

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids`` without special tokens; bytes that are no UTF-8 become U+FFFD."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def has_text(self, token_id: int) -> bool:
        """False for special tokens and for ids that the tokenizer does not know (a padded vocabulary)."""
        return token_id not in self._special and self._tokenizer.id_to_token(token_id) is not None

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that this one token stands for; special tokens give their name, unknown ids nothing."""
        if token_id in self._added:
            return self._added[token_id].encode()
        piece = self._tokenizer.id_to_token(token_id)
        if piece is None:
            return b""
        known = piece_bytes(piece, self._is_byte_level)
        return self.decode([token_id]).encode() if known is None else known

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the chat template renders tools, and calls as they are read from an answer (``tool_format``)."""
        return self._template is not None and knows_tools(self._template)

    def render_chat(
        self,
        messages: Iterable[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """The prompt's text by the model's chat template.

        Raises ``BadRequest`` when the model has no template or the template refuses the messages.
        """
        if self._template is None:
            raise BadRequest("this model has no chat template: use /v1/completions", param="messages")
        return self._template.render(list(messages), add_generation_prompt, tools)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadCheckpoint(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadCheckpoint(f"{path} must hold a JSON object")
    return content


def _token_text(entry: object) -> str | None:
    """Special tokens stand in tokenizer_config.json as a string or as an object with ``content``."""
    text = entry.get("content") if isinstance(entry, dict) else entry
    return text if isinstance(text, str) else None


def _missing_bos(tokenizer: Tokenizer, config: Mapping[str, Any], bos: str | None) -> list[int]:
    """BOS where ``add_bos_token`` asks for it and tokenizer.json does not add it (DeepSeek-V3's does not)."""
    bos_id = tokenizer.token_to_id(bos) if bos is not None else None
    if bos_id is None or not config.get("add_bos_token"):
        return []
    return [] if bos_id in tokenizer.encode("", add_special_tokens=True).ids else [bos_id]


def _eos_ids(tokenizer: Tokenizer, folder: Path, eos: str | None) -> frozenset[int]:
    named = tokenizer.token_to_id(eos) if eos is not None else None
    listed = _read_json(folder / "generation_config.json").get("eos_token_id")
    listed = listed if isinstance(listed, list) else [listed]
    return frozenset(entry for entry in (named, *listed) if isinstance(entry, int))
