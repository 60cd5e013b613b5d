"""The client against a real gateway: broken streams go on, refusals are waited out, answers have types."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cutting_proxy import cutting
from http_kit import Reply, serving
from moray import AsyncMoray, Moray, Sampling
from moray.agents.sdk.failures import LONGEST_WAIT_S, wait_s
from moray.agents.sdk.http import open_http
from moray.errors import AnswerInvalid, GatewayRefused, GatewayUnreachable, StreamBroken

PROMPT = "the quick brown fox"
MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "somebody"}]}


class Colour(BaseModel):
    name: Literal["red", "green", "blue"]
    is_warm: bool


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


async def streamed(url: str, sampling: Sampling, is_chat: bool = False) -> tuple[str, tuple[int, ...], str | None]:
    async with AsyncMoray(url) as client:
        stream = (client.stream_chat if is_chat else client.stream)(PROMPT, sampling)
        chunks = [chunk async for chunk in stream]
    ids = tuple(token_id for chunk in chunks for token_id in chunk.token_ids)
    return "".join(chunk.text for chunk in chunks), ids, chunks[-1].finish_reason


@pytest.mark.parametrize("is_chat", [False, True])
@pytest.mark.parametrize("sampling", [Sampling(max_tokens=60), Sampling(max_tokens=60, temperature=0.9, seed=5)])
def test_a_stream_that_is_cut_again_and_again_is_the_one_that_was_not(
    gateway_url: str, sampling: Sampling, is_chat: bool
) -> None:
    whole = run(streamed(gateway_url, sampling, is_chat))
    with cutting(gateway_url, cuts=3, after_bytes=1500) as proxy:
        broken = run(streamed(proxy.url, sampling, is_chat))
    assert 1 <= proxy.num_cut <= 3, whole  # what is ready together comes in one piece, so the rest may be short
    assert broken == whole


def test_a_sampled_stream_without_a_seed_goes_on_with_the_one_that_the_gateway_drew(gateway_url: str) -> None:
    with cutting(gateway_url, cuts=1, after_bytes=1500) as proxy:
        text, ids, _ = run(streamed(proxy.url, Sampling(max_tokens=60, temperature=1.2)))
    assert proxy.num_cut == 1 and text and len(ids) <= 60


def test_completions_and_chats_are_answered_with_ids_and_seed(gateway_url: str) -> None:
    async def both() -> None:
        async with AsyncMoray(gateway_url) as client:
            completed = await client.complete(PROMPT, Sampling(max_tokens=8))
            again = await client.complete(PROMPT, Sampling(max_tokens=8))
            chatted = await client.chat(PROMPT, Sampling(max_tokens=8, temperature=1.0, seed=3))
            assert len(completed.token_ids) == 8 and completed.finish_reason == "length"
            assert again.token_ids == completed.token_ids and completed.num_prompt_tokens > 0
            assert chatted.seed == 3 and chatted.model == await client.model()
            assert "experts" in json.dumps(await client.network())

    run(both())


def test_the_waiting_client_says_the_same(gateway_url: str) -> None:
    sampling = Sampling(max_tokens=12)
    text, _, _ = run(streamed(gateway_url, sampling))
    with Moray(gateway_url) as client:
        assert "".join(chunk.text for chunk in client.stream(PROMPT, sampling)) == text
        assert client.complete(PROMPT, sampling).text == text
        first = next(iter(client.stream_chat(PROMPT, sampling)))  # and leave it there
        assert first.token_ids


def test_a_constrained_answer_is_of_the_type(gateway_url: str) -> None:
    async def asked() -> Colour:
        async with AsyncMoray(gateway_url) as client:
            return await client.ask("a colour", Colour, Sampling(max_tokens=200))

    colour = run(asked())
    assert colour.name in ("red", "green", "blue")


# -- other servers


def said(*texts: str, refuses_formats: bool = False) -> Callable[[Reply], None]:
    """A server that is none of ours, and answers with ``texts`` one after the other."""
    left = list(texts)

    def answer(reply: Reply) -> None:
        if reply.request_seen.path == "/v1/models":
            return reply.whole(json.dumps(MODELS).encode())
        body = json.loads(reply.request_seen.body)
        if refuses_formats and "response_format" in body:
            return reply.error(400, "unsupported", "response_format is not known")
        message = {"role": "assistant", "content": left.pop(0)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return reply.whole(json.dumps(whole).encode())

    return answer


async def colour_of(url: str) -> Colour:
    async with AsyncMoray(url) as client:
        return await client.ask("a colour", Colour)


def test_without_constrained_decoding_an_answer_is_checked_and_mended_once() -> None:
    good = '```json\n{"name": "red", "is_warm": true}\n```'
    with serving(said('{"name": "pink", "is_warm": true}', good, refuses_formats=True)) as server:
        assert run(colour_of(server.url)) == Colour(name="red", is_warm=True)
        mend = json.loads(server.requests[-1].body)["messages"]
    assert "pink" in mend[-2]["content"] and "name" in mend[-1]["content"]
    with serving(said("no", "no")) as server, pytest.raises(AnswerInvalid, match="ask again"):
        run(colour_of(server.url))


def test_extensions_are_sent_to_no_server_that_does_not_know_them() -> None:
    with serving(said("hello")) as server:

        async def chat() -> str:
            async with AsyncMoray(server.url) as client:
                return (await client.chat("hi")).text

        assert run(chat()) == "hello"
        assert set(json.loads(server.requests[-1].body)) == {"model", "messages", "temperature"}


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    inner, num_refused = said("at last"), 0

    def answer(reply: Reply) -> None:
        nonlocal num_refused
        if reply.request_seen.path.endswith("completions") and num_refused < 2:
            num_refused += 1
            reply.head(429 if num_refused == 1 else 503, {"Retry-After": 0, "Content-Length": 0})
        else:
            inner(reply)

    with serving(answer) as server:

        async def chat() -> str:
            async with AsyncMoray(server.url) as client:
                return (await client.chat("hi")).text

        assert run(chat()) == "at last" and num_refused == 2


def stream_of(*events: str) -> Callable[[Reply], None]:
    def answer(reply: Reply) -> None:
        if reply.request_seen.path == "/v1/models":
            return reply.whole(json.dumps(MODELS).encode())
        reply.head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        return reply.body("".join(f"data: {event}\n\n" for event in events).encode())

    return answer


def test_another_servers_broken_stream_is_told_and_not_begun_again() -> None:
    choice = {"index": 0, "text": "half", "finish_reason": None}
    chunk = {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
    with serving(stream_of(json.dumps(chunk))) as server:
        with pytest.raises(StreamBroken, match="1 pieces"):
            run(streamed(server.url, Sampling()))
        assert [request.path for request in server.requests].count("/v1/completions") == 1


@pytest.mark.parametrize("body", [b"[]", b"not json", b'"x"'])
def test_a_network_page_that_is_none_is_refused(body: bytes) -> None:
    async def look(url: str) -> object:
        async with AsyncMoray(url) as client:
            return await client.network()

    with serving(lambda reply: reply.whole(body)) as server, pytest.raises(GatewayRefused, match="Moray gateway"):
        run(look(server.url))


def test_a_server_that_is_not_there_and_one_that_refuses_are_one_line_each(gateway_url: str) -> None:
    async def complete(url: str, **more: Any) -> None:
        async with AsyncMoray(url, **more) as client:
            client.openai.max_retries = 0
            await client.complete(PROMPT, Sampling(max_tokens=2))

    with pytest.raises(GatewayUnreachable, match="is it running"):
        run(complete("http://127.0.0.1:9"))
    with pytest.raises(GatewayRefused, match="HTTP 404") as refused:
        run(complete(gateway_url, model="other"))
    assert refused.value.status == 404 and "\n" not in str(refused.value)


def test_a_reply_without_end_is_cut_off() -> None:
    async def read(url: str) -> None:
        async with open_http(max_reply_bytes=1000) as http:
            await http.get(url)

    with serving(lambda reply: reply.whole(b"x" * 5000)) as server, pytest.raises(Exception, match="longer than 1000"):
        run(read(server.url))


@given(attempt=st.integers(1, 10_000), asked=st.none() | st.floats(-10, 10_000), spread=st.floats(0, 1))
def test_a_wait_is_never_negative_nor_too_long(attempt: int, asked: float | None, spread: float) -> None:
    waited = wait_s(attempt, asked, spread)
    assert 0 <= waited <= LONGEST_WAIT_S
    assert asked is None or waited == min(max(asked, 0), LONGEST_WAIT_S)


def test_importing_moray_loads_no_client() -> None:
    code = "import sys, moray; print([name for name in ('openai', 'httpx2', 'pydantic_ai') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
