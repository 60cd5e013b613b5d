"""Whom a request is counted for when places are shared out: an opaque name, from which nothing can be read back."""

from __future__ import annotations

import json
import secrets
from hashlib import blake2b

_KEY = secrets.token_bytes(32)  # of this process: names from two runs cannot be compared


def user_of(authorization: str | None, address: str | None, user: str | None) -> str:
    """``authorization`` is the request's header, ``address`` where the connection comes from, ``user`` OpenAI's field.

    A client is its bearer token, or its address when it sends none; the ``user`` field divides one client into several.
    """
    scheme, _, token = (authorization or "").partition(" ")
    client = ["token", token.strip()] if scheme.lower() == "bearer" and token.strip() else ["address", address]
    return blake2b(json.dumps([*client, user]).encode(), key=_KEY, digest_size=16).hexdigest()
