"""Vocabulary pieces back to bytes, for log-probabilities of tokens that are half a character."""

from __future__ import annotations

import json
import re

from tokenizers import Tokenizer

_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # SentencePiece's spelling of one byte


def _byte_of_char() -> dict[str, int]:
    """Inverse of GPT-2's ``bytes_to_unicode``: printable Latin-1 stays, the rest from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + rank): byte for rank, byte in enumerate(others)}


_BYTE_OF_CHAR = _byte_of_char()


def is_byte_level(tokenizer: Tokenizer) -> bool:
    """True when the tokenizer's decoder is, or contains, GPT-2's byte-level mapping."""
    decoder = json.loads(tokenizer.to_str()).get("decoder") or {}
    return any(part.get("type") == "ByteLevel" for part in (decoder, *decoder.get("decoders", ())))


def piece_bytes(piece: str, is_byte_level: bool) -> bytes | None:
    """The bytes of a vocabulary piece; None where only the tokenizer's own decoder can tell."""
    if is_byte_level:
        known = [_BYTE_OF_CHAR.get(char) for char in piece]
        return piece.encode() if None in known else bytes(byte for byte in known if byte is not None)
    if match := _BYTE_FALLBACK.fullmatch(piece):
        return bytes([int(match[1], 16)])
    if piece.startswith("▁"):  # a word's leading space, which decoding the piece alone would strip
        return piece.replace("▁", " ").encode()
    return None
