"""What an answer may be: any text, JSON of a schema, a tool's call."""

from __future__ import annotations

from dataclasses import dataclass

from moray.errors import BadRequest
from moray.router.openai_api import ChatRequest, CompletionRequest
from moray.router.response_format import MAX_SCHEMA_BYTES, checked_schema, schema_text


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """Equal forms have equal grammars."""

    schema: str | None = None  # JSON text, of an answer that is no call; None lets it be any text
    tools: tuple[tuple[str, str], ...] = ()  # (name, the arguments' schema as JSON text) of those that may be called
    must_call: bool = False

    @property
    def param(self) -> str:
        """The request's field that it comes from."""
        return "tools" if self.tools else "response_format"


def answer_form(asked: CompletionRequest | ChatRequest) -> AnswerForm | None:
    """None for any text without a call. Raises BadRequest for schemas that are too large or too deep."""
    schema = schema_text(asked.response_format)
    tools = asked.callable_tools if isinstance(asked, ChatRequest) else ()
    if schema is None and not tools:
        return None
    called = tuple((tool.function.name, checked_schema(tool.function.parameters, "tools")) for tool in tools)
    if sum(len(arguments.encode()) for _, arguments in called) > MAX_SCHEMA_BYTES:
        raise BadRequest(
            f"tools: their schemas have more than {MAX_SCHEMA_BYTES} bytes: send fewer or smaller", "tools"
        )
    return AnswerForm(schema, called, isinstance(asked, ChatRequest) and asked.must_call)
