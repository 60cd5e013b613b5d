"""Log-probabilities in the two shapes of OpenAI's API: parallel lists for completions, objects for chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moray.router.choice_text import ShownToken

LEAST_LOGPROB = -9999.0  # OpenAI's stand-in for minus infinity, which JSON cannot say


def completion_logprobs(tokens: Sequence[ShownToken]) -> dict[str, Any]:
    """``{"tokens", "token_logprobs", "top_logprobs", "text_offset"}``, one entry per token."""
    return {
        "tokens": [_name(token.content) for token in tokens],
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [_by_name(token) for token in tokens],
        "text_offset": [token.text_offset for token in tokens],
    }


def chat_logprobs(tokens: Sequence[ShownToken]) -> dict[str, Any]:
    """``{"content": [{"token", "logprob", "bytes", "top_logprobs"}]}``."""
    entries = [
        _entry(token.content, token.logprob) | {"top_logprobs": [_entry(*best) for best in token.top]}
        for token in tokens
    ]
    return {"content": entries, "refusal": None}


def _by_name(token: ShownToken) -> dict[str, float]:
    """The best ones and the chosen one, which may be one more, as OpenAI does."""
    return {_name(content): _finite(logprob) for content, logprob in (*token.top, (token.content, token.logprob))}


def _entry(content: bytes, logprob: float) -> dict[str, Any]:
    return {"token": _name(content), "logprob": _finite(logprob), "bytes": list(content)}


def _name(content: bytes) -> str:
    """A token's text; half a character is written ``bytes:\\xe2\\x82``, as OpenAI does."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


def _finite(logprob: float) -> float:
    return max(logprob, LEAST_LOGPROB)
