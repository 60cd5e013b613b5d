"""Messages of a chat request: OpenAI's shape at the door, what chat templates expect behind it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import from_json

from moray.router.openai_tools import ToolCall


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """``name`` and ``tool_call_id`` go to the chat template as they are."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is required")
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("tool_call_id is required: name the call that this answers")
        return self

    def for_template(self) -> dict[str, Any]:
        """Text parts joined by line ends; a developer is a system, the role that templates know."""
        message = self.model_dump(exclude_none=True)
        if isinstance(self.content, list):
            message["content"] = "\n".join(part.text for part in self.content)
        if self.role == "developer":
            message["role"] = "system"
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = _parsed(call["function"]["arguments"])
        return message


def _parsed(arguments: str) -> Any:
    """OpenAI sends a tool call's arguments as JSON text, templates expect the object."""
    try:
        return from_json(arguments)
    except ValueError:
        return arguments  # a model's malformed call is history all the same
