"""Greedy streams of completions over HTTP, paced or one after the other, and what came of them: every token is stamped,
every answer compared with the one that was given when nothing was amiss."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.parse
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from http_stream import stream_completion

NUM_PROMPTS, PROMPT_TOKENS, NEW_TOKENS = 32, 16, 64
LIMIT_S = 120.0  # of one stream; what takes longer has failed


@dataclass(frozen=True)
class Window:
    """What came in a stretch of time."""

    tokens_per_s: float
    requests_per_s: float  # that ended well
    longest_pause_ms: float  # between two tokens of one stream


class StreamLoad:
    """``num_failed``: refused, broken off or too late; ``num_different``: of those that were whole, not token by token
    the undisturbed answer."""

    def __init__(self, url: str, model: str) -> None:
        self._address, self._model = urllib.parse.urlsplit(url), model
        self.num_whole = self.num_failed = self.num_different = 0
        self._expected: list[list[int]] = []
        # Seconds of the monotonic clock, ascending; in arrays, since there are millions.
        self._token_times, self._end_times = array("d"), array("d")
        self._pauses_s = array("d")  # before each token, in its stream

    async def learn(self) -> None:
        """The undisturbed answers. Raises RuntimeError when not all come."""
        answers = await asyncio.gather(*(self._answer(number) for number in range(NUM_PROMPTS)))
        if any(len(answer) != NEW_TOKENS for answer in answers):
            raise RuntimeError("not all streams were answered when nothing was amiss")
        self._expected = answers

    @asynccontextmanager
    async def streams(self, num_streams: int) -> AsyncIterator[None]:
        """So many at any time: where one ends the next begins. At the end those that run are waited for."""
        is_over = False

        async def one_after_the_other(first: int) -> None:
            for number in count(first, num_streams):
                await self._ask(number)
                if is_over:
                    return

        async with asyncio.TaskGroup() as tasks:
            for first in range(num_streams):
                tasks.create_task(one_after_the_other(first))
            yield
            is_over = True

    @asynccontextmanager
    async def paced(self, requests_per_s: float) -> AsyncIterator[None]:
        """They come at even distances, answered or not. At the end those that run are waited for."""

        async def arrive() -> None:
            started = time.monotonic()
            for number in count():
                await asyncio.sleep(started + number / requests_per_s - time.monotonic())
                tasks.create_task(self._ask(number))

        async with asyncio.TaskGroup() as tasks:
            arriving = tasks.create_task(arrive())
            yield
            arriving.cancel()

    def window(self, start: float, end: float) -> Window:
        """``start`` included, ``end`` not."""
        tokens = slice(bisect_left(self._token_times, start), bisect_left(self._token_times, end))
        num_ended = bisect_left(self._end_times, end) - bisect_left(self._end_times, start)
        num_tokens, pauses_s = tokens.stop - tokens.start, self._pauses_s[tokens]
        return Window(num_tokens / (end - start), num_ended / (end - start), 1000 * max(pauses_s, default=0.0))

    async def _ask(self, number: int) -> None:
        tokens = await self._answer(number)
        if len(tokens) != NEW_TOKENS:
            self.num_failed += 1
            return
        self.num_whole += 1
        self.num_different += tokens != self._expected[number % NUM_PROMPTS]
        self._end_times.append(time.monotonic())

    async def _answer(self, number: int) -> list[int]:
        """Its tokens, none when it was not answered to the end."""
        rng = random.Random(number % NUM_PROMPTS)
        prompt = [rng.randrange(2, 500) for _ in range(PROMPT_TOKENS)]
        body = {"model": self._model, "prompt": prompt, "max_tokens": NEW_TOKENS, "temperature": 0}
        body |= {"ignore_eos": True, "return_token_ids": True}
        assert self._address.hostname is not None and self._address.port is not None
        tokens, is_done, before, rest = list[int](), False, 0.0, b""
        try:
            async with asyncio.timeout(LIMIT_S):
                async for piece in stream_completion(self._address.hostname, self._address.port, body):
                    now = time.monotonic()
                    *lines, rest = (rest + piece).split(b"\n")
                    is_done = is_done or b"data: [DONE]" in lines
                    for token in (token for line in lines for token in tokens_of(line)):
                        tokens.append(token)
                        self._token_times.append(now)
                        self._pauses_s.append(now - before if before else 0.0)
                        before = now
        except OSError:  # the timeout is one too
            pass
        return tokens if is_done else []


def tokens_of(line: bytes) -> list[int]:
    """The new tokens in one line of server-sent events."""
    if not line.startswith(b"data: {"):
        return []
    return [token for choice in json.loads(line[6:]).get("choices", ()) for token in choice["token_ids"]]
