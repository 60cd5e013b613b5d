"""A stream that goes on where its connection broke: what came is sent back, and the gateway draws what follows it.

A gateway of Moray's draws the same tokens behind a prompt whether they were read or generated, alone or in any batch.
So a resumed answer is the one that would have come, greedy or sampled: with the seed that came in the first chunk.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import httpx2
import openai

from moray.agents.sdk.answers import Chunk
from moray.agents.sdk.failures import is_retryable, retry_after_s, wait_s
from moray.errors import StreamBroken

Open = Callable[[Mapping[str, Any]], Awaitable[openai.AsyncStream[Any]]]  # takes fields to add to the request's body

MAX_VAIN_ATTEMPTS = 5  # that brought not one token


async def resumed_stream(open_stream: Open, can_resume: bool) -> AsyncGenerator[Chunk, None]:
    """Chunks to the end of the answer. Raises StreamBroken where nobody can go on, and what the request meets."""
    received: list[int] = []
    seed: int | None = None
    vain = num_chunks = 0
    while True:
        extra: dict[str, Any] = {"return_token_ids": True} if can_resume else {}
        if received:
            extra |= {"resume_token_ids": received} | ({"seed": seed} if seed is not None else {})
        try:
            async with await open_stream(extra) as stream:
                async for raw in stream:
                    seed = _seed_of(raw) if seed is None else seed
                    chunk = _chunk_of(raw)
                    if chunk is None:
                        continue
                    received += chunk.token_ids
                    vain, num_chunks = 0, num_chunks + 1
                    yield chunk
                    if chunk.finish_reason is not None:
                        return
            error: Exception = httpx2.RemoteProtocolError("the stream ended before the answer did")
        except (openai.APIError, httpx2.TransportError) as caught:
            error = caught
        vain += 1
        has_ids = can_resume and (received or not num_chunks)
        if not is_retryable(error) or vain >= MAX_VAIN_ATTEMPTS or (num_chunks and not has_ids):
            if not num_chunks:
                raise error
            raise StreamBroken(f"the stream broke off after {num_chunks} pieces ({error}); ask again") from None
        await asyncio.sleep(wait_s(vain, retry_after_s(error), random.random()))


def _seed_of(raw: Any) -> int | None:
    """The gateway's extension beside OpenAI's fields."""
    seed = (raw.model_extra or {}).get("seed")
    return seed if isinstance(seed, int) else None


def _chunk_of(raw: Any) -> Chunk | None:
    """None for one that carries neither text nor an end: a chat's opening, usage."""
    if not raw.choices:
        return None
    choice = raw.choices[0]
    delta = getattr(choice, "delta", None)
    text = (delta.content if delta is not None else choice.text) or ""
    ids = tuple((choice.model_extra or {}).get("token_ids") or ())
    if not (text or ids or choice.finish_reason):
        return None
    return Chunk(text, ids, choice.finish_reason)
