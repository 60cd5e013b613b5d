"""The gateway on a real server with the real OpenAI client: answers, streams, and what reaches the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from gateway_kit import HANG, PAUSE, WAIT_S, Gateway, Step, served, write_tokenizer
from moray.router.tokenizer import ModelTokenizer
from moray.types import GenerationRequest

MODEL = "test/model"
USER: ChatCompletionUserMessageParam = {"role": "user", "content": "hello"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return ModelTokenizer.load(write_tokenizer(tmp_path_factory.mktemp("tokenizer"), add_bos_token=True))


@pytest.fixture
def gateway(tokenizer: ModelTokenizer) -> Iterator[Gateway]:
    gateway = Gateway(tokenizer)
    with served(gateway.app) as gateway.port:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=WAIT_S) as client:
        yield client


def test_chat(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("über 😀 day", 1, "beyond the end")
    reply = client.chat.completions.create(model=MODEL, messages=[USER], temperature=0.5, seed=11)
    choice, request = reply.choices[0], gateway.generator.requests[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "über 😀 day",
        "stop",
    )
    assert reply.id.startswith("chatcmpl-") and reply.object == "chat.completion" and reply.model == MODEL
    assert gateway.tokenizer.render_chat([USER]) == "<|bos|><|user|>hello<|end|><|assistant|>"
    assert list(request.prompt) == gateway.tokenizer.encode(gateway.tokenizer.render_chat([USER]), False)
    assert (request.sampling.temperature, request.sampling.seed) == (0.5, 11)
    assert request.sampling.max_tokens == 100 - len(request.prompt)  # all that the context has left
    num_generated = len(gateway.tokenizer.encode("über 😀 day", False)) + 1
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (len(request.prompt), num_generated)
    assert reply.usage.total_tokens == len(request.prompt) + num_generated


def test_chat_stream(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("one ", PAUSE, "😀", PAUSE, " two", 1)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[USER],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(texts) == "one 😀 two" and all("\ufffd" not in text for text in texts)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    parts = ("one ", "😀", " two")
    num_generated = 1 + sum(len(gateway.tokenizer.encode(part, False)) for part in parts)
    assert chunks[-1].usage.completion_tokens == num_generated


def test_completion_defaults(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("a" * 50)
    replies = [client.completions.create(model=MODEL, prompt="hello") for _ in range(2)]
    assert [reply.choices[0].text for reply in replies] == ["a" * 16] * 2
    assert replies[0].choices[0].finish_reason == "length" and replies[0].id.startswith("cmpl-")
    first, second = gateway.generator.requests
    assert list(first.prompt) == gateway.tokenizer.encode("hello", add_special=True) and first.prompt[0] == 0
    assert (first.sampling.temperature, first.sampling.top_p, first.sampling.top_k) == (1.0, 1.0, 0)
    assert first.sampling.stop_token_ids == {1} and first.sampling.num_logprobs is None
    assert first.sampling.seed != second.sampling.seed  # drawn afresh where none is given
    assert first.request_id != second.request_id


def test_several_prompts_and_choices_keep_their_order(gateway: Gateway, client: openai.OpenAI) -> None:
    def script(request: GenerationRequest) -> list[Step]:  # later choices finish first
        pauses: list[Step] = [PAUSE] * (9 - request.sampling.seed)
        return pauses + [request.sampling.seed + 60] * 2

    gateway.generator.script = script
    reply = client.completions.create(model=MODEL, prompt=[[5], [6]], n=2, seed=5, max_tokens=2)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert [choice.text for choice in reply.choices] == [gateway.tokenizer.decode([65 + i] * 2) for i in range(4)]
    by_seed = sorted(gateway.generator.requests, key=lambda request: request.sampling.seed)
    assert [(request.prompt, request.sampling.seed) for request in by_seed] == [
        ((5,), 5),
        ((5,), 6),
        ((6,), 7),
        ((6,), 8),
    ]
    assert reply.usage is not None and (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 8)


@pytest.mark.parametrize("is_stream", [True, False])
def test_usage_tells_how_much_of_each_prompt_was_cached(
    gateway: Gateway, client: openai.OpenAI, is_stream: bool
) -> None:
    gateway.says("a" * 20)
    gateway.generator.num_prefix_tokens = lambda request: {0: 64, 1: 32, 2: 7, 3: 7}[request.sampling.seed]
    asked: dict[str, Any] = {"model": MODEL, "prompt": [[5] * 70, [6] * 9], "n": 2, "seed": 0}
    if is_stream:
        chunks = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        usage = list(chunks)[-1].usage
    else:
        usage = client.completions.create(**asked).usage
    assert usage is not None and usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (79, 32 + 7)


def test_the_cache_salt_reaches_the_engine(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("a")
    client.chat.completions.create(model=MODEL, messages=[USER], max_tokens=1, extra_body={"cache_salt": "mine"})
    client.chat.completions.create(model=MODEL, messages=[USER], max_tokens=1)
    assert [request.cache_salt for request in gateway.generator.requests] == ["mine", ""]


def test_the_engine_hears_whom_a_request_is_counted_for(gateway: Gateway) -> None:
    gateway.says("a")
    for key, user in [("one", "alice"), ("one", "alice"), ("two", "alice"), ("one", "bob")]:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=WAIT_S) as client:
            client.completions.create(model=MODEL, prompt="x", max_tokens=1, user=user)
    first, again, other, bob = [request.user for request in gateway.generator.requests]
    assert first == again and len({first, other, bob}) == 3


def test_streamed_choices_run_side_by_side(gateway: Gateway, client: openai.OpenAI) -> None:
    def script(request: GenerationRequest) -> Iterator[int | str]:
        yield 65
        while len(gateway.generator.requests) < 3:  # goes on only once all three have started
            yield PAUSE
        yield from (66 + request.sampling.seed, 1)

    gateway.generator.script = script  # type: ignore[assignment]
    texts = ["", "", ""]
    for chunk in client.completions.create(model=MODEL, prompt="x", n=3, seed=0, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [gateway.tokenizer.decode([65, 66 + index]) for index in range(3)]


@pytest.mark.parametrize("is_stream", [True, False])
def test_stop_strings_end_the_text_and_the_generation(gateway: Gateway, client: openai.OpenAI, is_stream: bool) -> None:
    gateway.says("one ST", PAUSE, "ART two STO", PAUSE, "P three", HANG)
    asked = {"model": MODEL, "prompt": "x", "max_tokens": 50, "stop": ["STOP", "never"], "logprobs": 0}
    if is_stream:
        chunks = list(client.completions.create(**asked, stream=True))  # type: ignore[call-overload]
        text, finish_reason = (
            "".join(chunk.choices[0].text for chunk in chunks),
            chunks[-1].choices[0].finish_reason,
        )
        shown = [token for chunk in chunks for token in chunk.choices[0].logprobs.tokens]
    else:
        choice = client.completions.create(**asked).choices[0]  # type: ignore[call-overload]
        text, finish_reason, shown = choice.text, choice.finish_reason, choice.logprobs.tokens
    assert (text, finish_reason) == ("one START two ", "stop")
    assert "".join(shown).startswith(text) and "P" not in "".join(shown)
    assert gateway.generator.ended.get(timeout=WAIT_S).sampling.max_tokens == 50


@pytest.mark.parametrize(("said", "text"), [("ab STO", "ab STO"), ("ab 😀", "ab \ufffd")])
def test_what_was_held_back_comes_at_the_end(gateway: Gateway, client: openai.OpenAI, said: str, text: str) -> None:
    ids = gateway.tokenizer.encode(said, False)[: None if said == text else -1]
    gateway.says(*ids, HANG)
    choice = client.completions.create(model=MODEL, prompt="x", max_tokens=len(ids), stop="STOP").choices[0]
    assert (choice.text, choice.finish_reason) == (text, "length")


def test_a_stop_token_with_a_text_is_not_part_of_the_answer(
    gateway: Gateway, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = gateway.tokenizer.encode("!", False)
    monkeypatch.setattr(gateway.tokenizer, "eos_ids", frozenset(end))
    gateway.says("yes!", HANG)
    choice = client.completions.create(model=MODEL, prompt="x", logprobs=0).choices[0]
    assert (choice.text, choice.finish_reason) == ("yes", "stop")
    assert choice.logprobs is not None and "".join(choice.logprobs.tokens or []) == "yes"


def test_ignore_eos(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("a", 1, "b")
    reply = client.completions.create(
        model=MODEL, prompt="x", max_tokens=3, extra_body={"ignore_eos": True, "top_k": 4}
    )
    assert (reply.choices[0].text, reply.choices[0].finish_reason) == ("ab", "length")
    assert gateway.generator.requests[0].sampling.stop_token_ids == frozenset()
    assert gateway.generator.requests[0].sampling.top_k == 4


def test_logprobs_of_both_endpoints(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("a😀", 1)
    ids = gateway.tokenizer.encode("a😀", False)
    assert len(ids) > 2  # the emoji is in pieces
    contents = [gateway.tokenizer.token_bytes(token_id) for token_id in ids]
    chat = client.chat.completions.create(model=MODEL, messages=[USER], logprobs=True, top_logprobs=2)
    assert chat.choices[0].logprobs is not None and chat.choices[0].logprobs.content is not None
    entries = chat.choices[0].logprobs.content
    assert [bytes(entry.bytes or []) for entry in entries] == contents
    assert b"".join(contents).decode() == chat.choices[0].message.content
    assert [(entry.logprob, [best.logprob for best in entry.top_logprobs]) for entry in entries] == [
        (-0.5, [-0.5, -1.5])
    ] * len(ids)
    completion = client.completions.create(model=MODEL, prompt="x", logprobs=1).choices[0].logprobs
    assert completion is not None and completion.tokens is not None
    assert completion.tokens[0] == "a" and completion.tokens[1].startswith("bytes:\\xf0")
    assert completion.token_logprobs == [-0.5] * len(ids)
    assert completion.text_offset == [0] + [1] * (len(ids) - 1)
    assert completion.top_logprobs is not None and completion.top_logprobs[0] == {"a": -0.5}


@pytest.mark.parametrize("path", ["completions", "chat/completions"])
def test_token_ids_are_returned_when_asked(gateway: Gateway, path: str) -> None:
    gateway.says("one ", PAUSE, "😀", PAUSE, "two", 1)
    ids = [*gateway.tokenizer.encode("one ", False), *gateway.tokenizer.encode("😀", False)]
    ids += [*gateway.tokenizer.encode("two", False), 1]
    asked = {"model": MODEL, "prompt": "hi", "messages": [USER], "return_token_ids": True}
    whole = httpx2.post(f"{gateway.url}/v1/{path}", json=asked, timeout=WAIT_S).json()
    assert whole["choices"][0]["token_ids"] == ids
    assert whole["prompt_token_ids"] == list(gateway.generator.requests[0].prompt)
    text = httpx2.post(f"{gateway.url}/v1/{path}", json=asked | {"stream": True}, timeout=WAIT_S).text
    events = [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n")[:-2]]
    assert text.endswith("data: [DONE]\n\n")
    assert [token_id for event in events for token_id in event["choices"][0].get("token_ids", [])] == ids
    assert events[0]["prompt_token_ids"] == whole["prompt_token_ids"]
    assert all("prompt_token_ids" not in event for event in events[1:])


def test_tokens_ready_at_once_share_a_chunk(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.says("a" * 10, PAUSE, PAUSE, "b" * 6)
    chunks = list(client.completions.create(model=MODEL, prompt="x", stream=True))
    assert [chunk.choices[0].text for chunk in chunks] == ["a" * 10, "b" * 6]


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "moray"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_status_pages(gateway: Gateway, client: openai.OpenAI) -> None:
    assert httpx2.get(f"{gateway.url}/healthz").status_code == 200
    assert httpx2.get(f"{gateway.url}/readyz").json() == {"status": "ready", "reasons": []}
    gateway.reasons = ["expert 3 has no replica"]
    not_ready = httpx2.get(f"{gateway.url}/readyz")
    assert (not_ready.status_code, not_ready.json()["reasons"]) == (503, ["expert 3 has no replica"])
    assert httpx2.get(f"{gateway.url}/network").json() == {"experts": {"0": ["replica-1"]}}
    gateway.says("abc", 1)
    client.completions.create(model=MODEL, prompt="x")
    metrics = httpx2.get(f"{gateway.url}/metrics").text.splitlines()
    num_generated = len(gateway.tokenizer.encode("abc", False)) + 1
    assert 'moray_requests_total{endpoint="/v1/completions",status="200"} 1.0' in metrics
    assert f"moray_generated_tokens_total {num_generated:.1f}" in metrics
    assert "moray_time_to_first_token_seconds_count 1.0" in metrics
    assert f"moray_time_between_tokens_seconds_count {num_generated - 1:.1f}" in metrics
    assert "moray_requests_open 0.0" in metrics
