"""Request parsing: what is taken, what is refused, and that a refusal names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moray.errors import BadRequest
from moray.router.openai_api import parse_chat, parse_completion
from moray.router.openai_unsupported import NEUTRAL_VALUES

COMPLETION: dict[str, Any] = {"model": "m", "prompt": "x"}
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
NAMED: dict[str, Any] = {"type": "function", "function": {"name": "f"}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


TOOL = tool()


def body(base: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps(base | fields).encode()


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("ab", ["ab"]),
        ([1, 2], [[1, 2]]),
        (["a", "b"], ["a", "b"]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([], [[]]),
    ],
)
def test_every_kind_of_prompt(prompt: object, prompts: list[str | list[int]]) -> None:
    assert parse_completion(body(COMPLETION, prompt=prompt)).prompts == prompts


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", None),
        ("prompt", 3),
        ("prompt", [1, "a"]),
        ("prompt", [True]),
        ("prompt", [[1], [2.5]]),
        ("prompt", {"text": "x"}),
        ("model", 1),
        ("max_tokens", 0),
        ("max_tokens", "5"),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "1"),
        ("temperature", float("nan")),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("seed", 2**63),
        ("seed", 1.5),
        ("stop", ["a"] * 5),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("stop", "x" * 257),
        ("logprobs", 21),
        ("logprobs", True),
        ("n", 0),
        ("n", 17),
        ("stream", "yes"),
        ("stream_options", {"include_usage": True}),
        ("best_of", 2),
        ("suffix", "end"),
        ("echo", True),
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("logit_bias", {"5": 1}),
        ("return_token_ids", 1),
        ("cache_salt", ""),
        ("cache_salt", "x" * 129),
        ("cache_salt", 1),
    ],
)
def test_completion_refusals_name_the_field(field: str, value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_completion(body(COMPLETION, **{field: value}))
    assert refused.value.param == field
    assert field in str(refused.value)


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("messages", {"messages": []}),
        ("messages", {"messages": "hi"}),
        ("messages[0].role", {"messages": [{"role": "king", "content": "x"}]}),
        ("messages[1].content", {"messages": [CHAT["messages"][0], {"role": "user", "content": 5}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        ("messages[0]", {"messages": [{"role": "user"}]}),
        ("logprobs", {"logprobs": 3}),
        ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
        ("top_logprobs", {"top_logprobs": 2}),
        ("max_tokens", {"max_tokens": 3, "max_completion_tokens": 4}),
        ("max_completion_tokens", {"max_completion_tokens": 0}),
        ("tools[0].function", {"tools": [{"type": "function"}], "tool_choice": "none"}),
        ("tools[0].type", {"tools": [TOOL | {"type": "custom"}]}),
        ("tools[0].function.name", {"tools": [tool(name="no spaces")]}),
        ("tools[0].function.name", {"tools": [tool(name="n" * 65)]}),
        ("tools[0].function.parameters", {"tools": [tool(parameters={"type": "string"})]}),
        ("tools[0].function.parameters", {"tools": [tool(parameters={})]}),
        ("tools", {"tools": [TOOL] * 129}),
        ("tools", {"tools": [TOOL, TOOL]}),
        ("tool_choice", {"tool_choice": "required"}),
        ("tool_choice", {"tools": [], "tool_choice": "required"}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": "always"}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": NAMED | {"function": {"name": "other"}}}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}),
        ("parallel_tool_calls", {"tools": [TOOL], "parallel_tool_calls": "no"}),
        ("stop", {"tools": [TOOL], "stop": "x"}),
        ("ignore_eos", {"tools": [TOOL], "ignore_eos": True}),
        ("messages[0]", {"messages": [{"role": "tool", "content": "x"}]}),
        ("messages[0].tool_calls", {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}),
        ("functions", {"functions": [{"name": "f"}]}),
        ("response_format", {"response_format": {"type": "yaml"}}),
        ("response_format", {"response_format": {"type": "json_schema"}}),
        ("response_format", {"response_format": {"type": "json_schema", "json_schema": {"name": "no spaces"}}}),
        ("response_format", {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 1}}}),
        ("response_format", {"response_format": {"type": "json_object", "schema": {}}}),
        ("ignore_eos", {"response_format": {"type": "json_object"}, "ignore_eos": True}),
        ("audio", {"audio": {"voice": "alloy"}}),
        ("modalities", {"modalities": ["text", "audio"]}),
        ("structured_outputs", {"structured_outputs": {"json": {}}}),
    ],
)
def test_chat_refusals_name_the_field(param: str, fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_chat(body(CHAT, **fields))
    assert refused.value.param == param


@pytest.mark.parametrize("raw", [b"", b"{garbage", b"[]", b'"x"', b"\xff\xfe", b'{"model":"m","prompt":"\\ud800"}'])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_completion(raw)
    assert refused.value.param is None


def test_deeply_nested_bodies_are_refused_not_crashed_on() -> None:
    with pytest.raises(BadRequest):
        parse_completion(b'{"model":"m","prompt":' + b"[" * 100_000)


def test_neutral_values_nulls_and_unknown_fields_are_taken() -> None:
    for name, neutral in NEUTRAL_VALUES.items():
        for value in (None, *neutral):
            parse_chat(body(CHAT, **{name: value}))
    nulls: dict[str, Any] = dict.fromkeys(["temperature", "top_p", "stop", "n", "seed", "stream", "max_tokens"])
    asked = parse_completion(body(COMPLETION, **nulls, user="me", metadata={"a": 1}, best_of=1))
    assert (asked.num_choices, asked.stops, asked.token_limit) == (1, (), None)
    parse_chat(body(CHAT, tools=[], tool_choice="auto", parallel_tool_calls=True))


@pytest.mark.parametrize(
    ("choice", "offered", "callable_", "must_call"),
    [
        (None, "fg", "fg", False),
        ("auto", "fg", "fg", False),
        ("none", "", "", False),
        ("required", "fg", "fg", True),
        (NAMED, "fg", "f", True),
    ],
)
def test_a_choice_says_what_is_told_and_what_may_be_called(
    choice: Any, offered: str, callable_: str, must_call: bool
) -> None:
    asked = parse_chat(body(CHAT, tools=[TOOL, tool(name="g")], tool_choice=choice, stop=["x"] * (choice == "none")))
    names = ["".join(tool.function.name for tool in tools) for tools in (asked.offered_tools, asked.callable_tools)]
    assert (*names, asked.must_call) == (offered, callable_, must_call)


def test_completions_have_no_tools() -> None:
    with pytest.raises(BadRequest, match="/v1/chat/completions"):
        parse_completion(body(COMPLETION, tools=[TOOL]))


def test_fields_arrive_as_sent() -> None:
    asked = parse_chat(
        body(
            CHAT,
            temperature=1,
            top_p=0.5,
            top_k=7,
            seed=-5,
            stop=["a", "b"],
            n=3,
            logprobs=True,
            top_logprobs=4,
        )
    )
    assert (asked.temperature, asked.top_p, asked.top_k, asked.seed) == (1.0, 0.5, 7, -5)
    assert (asked.stops, asked.num_choices, asked.num_logprobs) == (("a", "b"), 3, 4)
    assert parse_chat(body(CHAT, max_completion_tokens=9)).token_limit == 9
    assert parse_chat(body(CHAT, logprobs=True)).num_logprobs == 0
    assert parse_completion(body(COMPLETION, logprobs=0, stop="s")).num_logprobs == 0


def test_messages_are_made_ready_for_templates() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": [1]}'}}
    broken = {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{"}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [call, broken]},
        {"role": "tool", "content": "ok", "tool_call_id": "1"},
    ]
    ready = [message.for_template() for message in parse_chat(body(CHAT, messages=messages)).messages]
    assert ready[0] == {"role": "system", "content": "a\nb"}
    assert [c["function"]["arguments"] for c in ready[1]["tool_calls"]] == [{"x": [1]}, "{"]
    assert ready[2] == messages[2]
