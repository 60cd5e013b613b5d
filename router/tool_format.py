"""A tool's call as a model writes it, and tools in the words of a chat whose template knows none.

One format, that of Nous Research's Hermes models, which many others have learnt: ::

    <tool_call>
    {"name": "balance", "arguments": {"asset": "USDC"}}
    </tool_call>

A template that renders tools and writes calls exactly so gets them as Hugging Face's ``tools`` and ``tool_calls``. For
any other, ``in_words`` makes plain messages of them: what an answer is constrained to, the prompt has told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from moray.errors import BadRequest
from moray.router.chat_template import ChatTemplate
from moray.router.openai_messages import ChatMessage
from moray.router.openai_tools import Tool

MARK = "<tool_call>"  # what no other text of an answer that may call tools has in it
BEFORE_NAME, BEFORE_ARGUMENTS, AFTER_ARGUMENTS = '\n{"name": "', '", "arguments": ', "}\n</tool_call>"

HEADING = "Tools, one JSON object per line:"
HOW_TO_CALL = (
    f"To call one, write:\n{MARK}{BEFORE_NAME}NAME{BEFORE_ARGUMENTS}{{...}}{AFTER_ARGUMENTS}\n"
    "Its result comes in <tool_response>."
)


def call_text(name: str, arguments: str) -> str:
    return f"{MARK}{BEFORE_NAME}{name}{BEFORE_ARGUMENTS}{arguments}{AFTER_ARGUMENTS}"


def in_words(messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Messages of system, user and assistant. Tools are told at the end of the first system message, results in the
    user's turn, those of one turn together."""
    said: list[dict[str, Any]] = []
    is_result = False
    for message in messages:
        plain, was_result, is_result = message.for_template(), is_result, message.role == "tool"
        content = plain.get("content", "")
        if is_result:
            content = f"<tool_response>\n{content}\n</tool_response>"
            if was_result:
                said[-1]["content"] += f"\n{content}"
                continue
            plain = {"role": "user", "content": content}
        elif message.tool_calls:
            calls = [call_text(call.function.name, call.function.arguments) for call in message.tool_calls]
            plain = {"role": "assistant", "content": "\n".join([content, *calls] if content else calls)}
        said.append(plain)
    return _told(said, tools) if tools else said


def _told(said: list[dict[str, Any]], tools: Sequence[Tool]) -> list[dict[str, Any]]:
    lines = [json.dumps(tool.for_template()["function"], ensure_ascii=False) for tool in tools]
    text = "\n".join((HEADING, *lines, HOW_TO_CALL))
    if said[0]["role"] != "system":
        return [{"role": "system", "content": text}, *said]
    return [{**said[0], "content": f"{said[0]['content']}\n\n{text}"}, *said[1:]]


def knows_tools(template: ChatTemplate) -> bool:
    """Whether it renders tools, and calls exactly as an answer is constrained to write them: found out by trying."""
    tool = {"name": "probe", "description": "told-here", "parameters": {"type": "object", "properties": {}}}
    call = {"id": "1", "type": "function", "function": {"name": "probe", "arguments": {}}}
    messages: list[Mapping[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "result-here", "tool_call_id": "1", "name": "probe"},
    ]
    try:
        text = template.render(messages, True, [{"type": "function", "function": tool}])
    except BadRequest:
        return False
    return all(part in text for part in ("told-here", call_text("probe", "{}"), "result-here"))
