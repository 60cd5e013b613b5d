"""What the gateway refuses, how failures look to a client, and that a client's leaving ends the work."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from gateway_kit import HANG, PAUSE, WAIT_S, Gateway, served, write_tokenizer
from moray.errors import EngineStopped, ExpertUnavailable, Overloaded, UserQueueFull
from moray.router.tokenizer import ModelTokenizer

MODEL = "test/model"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
COMPLETION = {"model": MODEL, "prompt": "hello"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(ModelTokenizer.load(write_tokenizer(tmp_path_factory.mktemp("tokenizer"))))
    with served(gateway.app) as gateway.port:
        yield gateway


def post(gateway: Gateway, body: object, path: str = "completions") -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{gateway.url}/v1/{path}", content=content, timeout=WAIT_S)


def error_of(response: httpx2.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and "Traceback" not in response.text
    return dict(error)


@pytest.mark.parametrize("path", ["completions", "chat/completions"])
@pytest.mark.parametrize("body", [b"", b"{garbage", b"[1, 2]", b"null", b"\xff\xfe\x00", b"[" * 20_000])
def test_malformed_bodies_are_a_400(gateway: Gateway, path: str, body: bytes) -> None:
    response = post(gateway, body, path)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"temperature": "hot"}, 400, "temperature", "invalid_request"),
        ({"temperature": 3}, 400, "temperature", "invalid_request"),
        ({"top_p": 0}, 400, "top_p", "invalid_request"),
        ({"n": 99}, 400, "n", "invalid_request"),
        ({"logit_bias": {"1": 5}}, 400, "logit_bias", "invalid_request"),
        ({"model": "other"}, 404, "model", "model_not_found"),
        ({"prompt": ""}, 400, "prompt", "invalid_request"),
        ({"prompt": []}, 400, "prompt", "invalid_request"),
        ({"prompt": [[5], []]}, 400, "prompt", "invalid_request"),
        ({"prompt": [5, 340]}, 400, "prompt", "invalid_request"),
        ({"prompt": [-1]}, 400, "prompt", "invalid_request"),
        ({"prompt": [10**30]}, 400, "prompt", "invalid_request"),
        ({"prompt": [5] * 100}, 400, "prompt", "context_length_exceeded"),
        ({"prompt": [5] * 60, "max_tokens": 41}, 400, "prompt", "context_length_exceeded"),
        ({"prompt": ["a"] * 7, "n": 3}, 400, "prompt", "invalid_request"),
    ],
)
def test_bad_values_name_their_field(
    gateway: Gateway, fields: dict[str, Any], status: int, param: str, code: str
) -> None:
    num_requests = len(gateway.generator.requests)
    response = post(gateway, COMPLETION | fields)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (status, param, code)
    assert len(gateway.generator.requests) == num_requests  # nothing reached the engine


def test_a_prompt_may_fill_the_context_to_the_last_token(gateway: Gateway) -> None:
    gateway.says("a" * 50)
    assert post(gateway, COMPLETION | {"prompt": [5] * 60, "max_tokens": 40}).status_code == 200
    response = post(gateway, COMPLETION | {"prompt": [5] * 99})
    assert response.json()["usage"] == {
        "prompt_tokens": 99,
        "completion_tokens": 1,
        "total_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_too_long_prompts_tell_both_numbers(gateway: Gateway) -> None:
    messages = [{"role": "user", "content": "z" * 150}]
    error = error_of(post(gateway, {"model": MODEL, "messages": messages}, "chat/completions"))
    num_tokens = len(gateway.tokenizer.encode(gateway.tokenizer.render_chat(messages), False))
    assert error["code"] == "context_length_exceeded"
    assert str(num_tokens) in error["message"] and "100" in error["message"]


def test_long_texts_are_encoded_aside_and_refused_alike(gateway: Gateway) -> None:
    for body, path in (
        (COMPLETION | {"prompt": "z" * 20_000}, "completions"),
        (CHAT | {"messages": [{"role": "user", "content": "z" * 20_000}]}, "chat/completions"),
    ):
        assert error_of(post(gateway, body, path))["code"] == "context_length_exceeded"


def test_oversized_bodies_are_a_413_with_and_without_a_length(gateway: Gateway) -> None:
    body = json.dumps(COMPLETION | {"prompt": "z" * 60_000}).encode()
    assert post(gateway, body).status_code == 413
    chunked = (body[start : start + 1000] for start in range(0, len(body), 1000))
    response = httpx2.post(f"{gateway.url}/v1/completions", content=chunked, timeout=WAIT_S)
    assert (response.status_code, error_of(response)["code"]) == (413, "body_too_large")


def test_unknown_paths_and_methods_have_the_same_shape(gateway: Gateway) -> None:
    missing = httpx2.get(f"{gateway.url}/v1/nothing")
    assert missing.status_code == 404 and error_of(missing)
    wrong = httpx2.get(f"{gateway.url}/v1/completions")
    assert wrong.status_code == 405 and error_of(wrong)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Overloaded("256 requests are waiting"), 429, "overloaded"),
        (ExpertUnavailable(frozenset({3}), "no replica of expert 3"), 503, "expert_unavailable"),
        (EngineStopped("going down"), 503, "engine_stopped"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
def test_failures_before_the_first_token_are_status_codes(
    gateway: Gateway, error: Exception, status: int, code: str, is_stream: bool
) -> None:
    gateway.says(PAUSE, error)
    response = post(gateway, CHAT | {"stream": is_stream}, "chat/completions")
    assert (response.status_code, error_of(response)["code"]) == (status, code)
    assert response.headers.get("retry-after") == (None if status == 500 else "1")
    assert "secret" not in response.text


def test_an_overloaded_router_tells_when_to_come_again(gateway: Gateway) -> None:
    gateway.says(PAUSE, UserQueueFull("128 of your requests are waiting", retry_after_s=17))
    response = post(gateway, COMPLETION)
    assert (response.status_code, error_of(response)["code"]) == (429, "user_queue_full")
    assert response.headers["retry-after"] == "17"


def test_the_client_raises_its_own_errors(gateway: Gateway) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=WAIT_S)
    gateway.says(Overloaded("full"))
    with pytest.raises(openai.RateLimitError, match="full"):
        client.completions.create(model=MODEL, prompt="x")
    gateway.says("some", PAUSE, PAUSE, ExpertUnavailable(frozenset({3}), "no replica of expert 3"))
    with pytest.raises(openai.APIError, match="no replica of expert 3"):
        list(client.completions.create(model=MODEL, prompt="x", stream=True))
    client.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [(EngineStopped("going down"), "going down"), (KeyError("secret"), "internal error")],
)
def test_failures_in_a_stream_are_its_last_event(gateway: Gateway, error: Exception, message: str) -> None:
    gateway.says("some text", PAUSE, PAUSE, error)
    response = post(gateway, COMPLETION | {"stream": True})
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.strip().split("\n\n")]
    assert response.status_code == 200 and "[DONE]" not in response.text
    assert events[0]["choices"][0]["text"] == "some text"
    assert message in events[-1]["error"]["message"] and "secret" not in response.text


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (None, "client"),  # the body is bad
        (UserQueueFull("too many of yours"), "client"),
        (Overloaded("full"), "gateway"),
        (EngineStopped("going down"), "gateway"),
        (ZeroDivisionError("a mistake"), "gateway"),
        (ExpertUnavailable(frozenset({3}), "nobody there"), "network"),
    ],
)
def test_a_failed_request_is_counted_once_by_whose_fault_it_is(
    gateway: Gateway, error: Exception | None, blame: str, is_stream: bool
) -> None:
    def counted() -> dict[str, float]:
        parties = ("client", "gateway", "network", "node")
        values = {each: gateway.registry.get_sample_value("moray_failures_total", {"blame": each}) for each in parties}
        return {each: value for each, value in values.items() if value is not None}

    before = counted()
    gateway.says("ab", error) if error else None
    post(gateway, COMPLETION | {"stream": is_stream} | ({} if error else {"n": 99}))
    assert counted() == before | {blame: before[blame] + 1}


@pytest.mark.parametrize("is_stream", [True, False])
def test_one_failing_choice_ends_the_others(gateway: Gateway, is_stream: bool) -> None:
    def script(request: Any) -> list[Any]:
        return [65, PAUSE, PAUSE, Overloaded("full")] if request.sampling.seed == 1 else [65, HANG]

    gateway.generator.script = script
    _drain(gateway)
    response = post(gateway, COMPLETION | {"n": 3, "seed": 0, "stream": is_stream})
    assert response.status_code == (200 if is_stream else 429) and "full" in response.text
    assert {gateway.generator.ended.get(timeout=WAIT_S).sampling.seed for _ in range(3)} == {0, 1, 2}


def test_an_engine_that_just_ends_is_an_error(gateway: Gateway) -> None:
    gateway.says("some")
    assert post(gateway, COMPLETION | {"max_tokens": 50}).status_code == 500


@pytest.mark.parametrize(
    ("is_stream", "said"),
    [(True, "some text"), (True, ""), (False, "some text")],
    ids=["mid-stream", "early", "whole"],
)
def test_a_client_that_leaves_ends_the_generation(gateway: Gateway, is_stream: bool, said: str) -> None:
    gateway.says(said, HANG)
    _drain(gateway)
    num_before = len(gateway.generator.requests)
    body = json.dumps(CHAT | {"stream": is_stream, "n": 2}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), WAIT_S) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        received = b""
        while is_stream and said and said.encode() not in received:
            received += connection.recv(4096)
        _wait_for_requests(gateway, num_before + 2)
        assert gateway.generator.ended.empty()
    for _ in range(2):
        gateway.generator.ended.get(timeout=WAIT_S)


def test_a_body_that_breaks_off_is_no_trouble(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), WAIT_S) as connection:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    gateway.says("a" * 16)
    assert post(gateway, COMPLETION).status_code == 200


def _drain(gateway: Gateway) -> None:
    while not gateway.generator.ended.empty():
        gateway.generator.ended.get_nowait()


def _wait_for_requests(gateway: Gateway, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(gateway.generator.requests) < count:
        assert time.monotonic() < deadline, "the requests did not reach the generator"
        time.sleep(0.005)
