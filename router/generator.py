"""What the gateway asks of the engine: token ids in, a stream of tokens out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from moray.types import GeneratedToken, GenerationRequest


class Generator(Protocol):
    """The engine as its callers see it."""

    def generate(self, request: GenerationRequest) -> AsyncIterator[GeneratedToken]:
        """Yield the request's tokens in order; the last one carries a ``finish_reason``.

        Raises ``MorayError`` subclasses, before the first token or between two. ``aclose()`` on the iterator
        cancels the request and frees what it holds; so does cancelling the task that awaits it.
        """
        ...


async def close_tokens(tokens: AsyncIterator[GeneratedToken]) -> None:
    """Call ``aclose()`` where the iterator has one: ``AsyncIterator`` promises none, async generators do."""
    aclose = getattr(tokens, "aclose", None)
    if aclose is not None:
        await aclose()
