"""The benchmarks' streams, at a server that can be told to misbehave: what goes wrong is counted as that."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine

import pytest

from stream_load import NEW_TOKENS, NUM_PROMPTS, StreamLoad, tokens_of

MOMENT_S = 0.2
Reply = Callable[[int], bytes]  # to the request of this number, all that is sent before the connection closes


def event(tokens: list[int]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"token_ids": tokens}]}).encode() + b"\n\n"


ANSWER = [event([token]) for token in range(NEW_TOKENS)]
WHOLE = b"".join(ANSWER) + b"data: [DONE]\n\n"
BROKEN_OFF = b"".join(ANSWER[:-1])
OTHER = b"".join([*ANSWER[:-1], event([NEW_TOKENS])]) + b"data: [DONE]\n\n"
REFUSED = b'{"error": {"message": "busy"}}'


def with_server(reply: Reply, run: Callable[[StreamLoad], Coroutine[None, None, None]]) -> StreamLoad:
    """``run`` with a load whose requests are answered by ``reply``; those of ``learn`` come first."""

    async def main() -> StreamLoad:
        num_asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal num_asked
            num_asked += 1
            answer = reply(num_asked - 1)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + answer)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            load = StreamLoad(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "test")
            await run(load)
            return load

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(WHOLE, (8, 0, 0)), (BROKEN_OFF, (0, 8, 0)), (OTHER, (8, 0, 8)), (REFUSED, (0, 8, 0)), (b"", (0, 8, 0))],
    ids=["whole", "broken off", "other tokens", "refused", "nothing"],
)
def test_every_request_is_whole_or_failed_and_other_tokens_are_seen(
    reply: bytes, expected: tuple[int, int, int]
) -> None:
    async def run(load: StreamLoad) -> None:
        await load.learn()
        async with load.streams(8):
            pass

    load = with_server(lambda number: WHOLE if number < NUM_PROMPTS else reply, run)
    assert (load.num_whole, load.num_failed, load.num_different) == expected


def test_without_undisturbed_answers_nothing_is_compared() -> None:
    with pytest.raises(RuntimeError, match="nothing was amiss"):
        with_server(lambda number: BROKEN_OFF, StreamLoad.learn)


def test_paced_requests_come_whether_or_not_those_before_are_answered() -> None:
    """The ones that break off are started like the others."""

    async def run(load: StreamLoad) -> None:
        await load.learn()
        async with load.paced(100.0):
            await asyncio.sleep(MOMENT_S)

    load = with_server(lambda number: WHOLE if number < NUM_PROMPTS or number % 2 else BROKEN_OFF, run)
    assert load.num_whole > 0 and load.num_failed > 0


def test_windows_share_out_what_came() -> None:
    moments = []

    async def run(load: StreamLoad) -> None:
        moments.append(time.monotonic())
        await load.learn()
        moments.append(time.monotonic())
        async with load.streams(3):
            pass
        moments.append(time.monotonic())

    load = with_server(lambda number: WHOLE, run)
    start, learnt, end = moments
    learning, asking = load.window(start, learnt), load.window(learnt, end)
    assert learning.tokens_per_s * (learnt - start) == pytest.approx(NUM_PROMPTS * NEW_TOKENS)
    assert learning.requests_per_s == 0
    assert asking.requests_per_s * (end - learnt) == pytest.approx(3)
    assert asking.tokens_per_s * (end - learnt) == pytest.approx(3 * NEW_TOKENS)
    assert load.window(end, end + 1).tokens_per_s == load.window(end, end + 1).longest_pause_ms == 0


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        (b'data: {"choices":[{"token_ids":[4,5]},{"token_ids":[6]}]}', [4, 5, 6]),
        (b'data: {"error":{"message":"gone"}}', []),
        (b"data: [DONE]", []),
        (b"1a4\r", []),
    ],
)
def test_tokens_of_a_line_of_events(line: bytes, tokens: list[int]) -> None:
    assert tokens_of(line) == tokens
