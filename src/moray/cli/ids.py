"""Ids and addresses as people give them."""

from __future__ import annotations

import re

from moray.errors import BadSetting

_ID = re.compile("(?:0x)?([0-9a-fA-F]{64})")


def parse_id(text: str, name: str = "ID") -> bytes:
    """32 bytes, with or without 0x. Raises BadSetting."""
    match = _ID.fullmatch(text)
    if match is None:
        raise BadSetting(f"{name} {text!r} must be 64 hex digits")
    return bytes.fromhex(match[1])


def show_id(data: bytes) -> str:
    return f"0x{data.hex()}"


def checked_address(text: str, option: str) -> str:
    """Raises BadSetting for an address without the checksum that finds typing errors."""
    from moray.ethereum import is_checksum_address  # takes a second to import

    if not is_checksum_address(text):
        raise BadSetting(f"{option} {text!r} is no address with a checksum (EIP-55); copy it whole")
    return text
