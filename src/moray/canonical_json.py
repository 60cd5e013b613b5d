"""JSON of which there is one spelling, for what is hashed: keys sorted, no spaces, UTF-8."""

from __future__ import annotations

import json


def canonical_json(value: object) -> bytes:
    """``value`` is of dicts, lists, strings, integers and None: a float has several spellings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
