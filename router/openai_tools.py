"""Function calling at the door, as OpenAI's API shapes it: tools, ``tool_choice``, calls in messages.

Source: OpenAI's API reference, "Function calling". ``strict`` is always on: a call's arguments fit the tool's schema,
as it is written. An answer calls one tool at most, which ``parallel_tool_calls`` allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from moray.errors import BadRequest

MAX_TOOLS = 128  # OpenAI's limit
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
NAME = "^[a-zA-Z0-9_-]{1,64}$"


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True)


class Function(_Shape):
    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] = NO_PARAMETERS
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _is_of_an_object(cls, schema: dict[str, Any]) -> dict[str, Any]:
        if schema.get("type") != "object":
            raise ValueError('must be a JSON schema with "type": "object"')
        return schema


class Tool(_Shape):
    type: Literal["function"]
    function: Function

    def for_template(self) -> dict[str, Any]:
        """As Hugging Face's chat templates expect a tool."""
        return self.model_dump(exclude_none=True)


class FunctionName(_Shape):
    name: str = Field(pattern=NAME)


class NamedTool(_Shape):
    type: Literal["function"]
    function: FunctionName


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class CalledFunction(_Shape):
    name: str
    arguments: str  # JSON text, as far as the model that wrote it could do that


class ToolCall(_Shape):
    """Of an assistant's message."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


def check_choice(tools: Sequence[Tool], choice: ToolChoice | None) -> None:
    """Raises BadRequest for names that are there twice, and for a choice that no tool fits."""
    names = [tool.function.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise BadRequest(f"tools: two have the name {name}: rename one", "tools")
    if choice == "required" and not names:
        raise BadRequest("tool_choice: there is no tool to call: send tools, or leave it out", "tool_choice")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise BadRequest(f"tool_choice: {choice.function.name} is none of the tools: name one", "tool_choice")
