"""The client for programs that do not speak asyncio: one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, Self, TypeVar

from moray.agents.sdk.answers import Answer, Chunk, Messages, Prompt, Sampling
from moray.agents.sdk.client import GREEDY, AsyncMoray

T = TypeVar("T")


class Moray:
    """``AsyncMoray``, waiting. May be used from several threads."""

    def __init__(self, url: str, model: str = "", api_key: str = "") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="moray-sdk", daemon=True)
        self._thread.start()

        async def opened() -> AsyncMoray:
            return AsyncMoray(url, model, api_key)

        self._client = self._run(opened())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def model(self) -> str:
        return self._run(self._client.model())

    def complete(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Answer:
        return self._run(self._client.complete(prompt, sampling))

    def chat(self, said: Messages, sampling: Sampling = GREEDY) -> Answer:
        return self._run(self._client.chat(said, sampling))

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[Chunk]:
        return self._iterated(self._client.stream(prompt, sampling))

    def stream_chat(self, said: Messages, sampling: Sampling = GREEDY) -> Iterator[Chunk]:
        return self._iterated(self._client.stream_chat(said, sampling))

    def ask(self, said: Messages, answer: type[T], sampling: Sampling = GREEDY) -> T:
        return self._run(self._client.ask(said, answer, sampling))

    def network(self) -> dict[str, Any]:
        return self._run(self._client.network())

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _iterated(self, chunks: AsyncGenerator[Chunk, None]) -> Iterator[Chunk]:
        async def following() -> Chunk | None:
            return await anext(chunks, None)

        async def close() -> None:
            await chunks.aclose()

        try:
            while (chunk := self._run(following())) is not None:
                yield chunk
        finally:
            self._run(close())
