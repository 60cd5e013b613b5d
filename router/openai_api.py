"""Request bodies of OpenAI's ``/v1/completions`` and ``/v1/chat/completions``, as far as this server goes.

Source: OpenAI's API reference. Extensions: ``top_k``, ``ignore_eos``, ``return_token_ids``, ``cache_salt``,
``resume_token_ids``.
Unknown fields are ignored, unsupported ones that matter are refused (``openai_unsupported``).
Types are strict: "1" is not a number.
"""

from __future__ import annotations

from typing import Annotated, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
)

from moray.errors import BadRequest
from moray.router.openai_messages import ChatMessage
from moray.router.openai_tools import MAX_TOOLS, NamedTool, Tool, ToolChoice, check_choice
from moray.router.openai_unsupported import refuse_unsupported
from moray.router.response_format import ResponseFormat

MAX_STOP_CHARS = 256  # per stop string; so much text may be held back


class StreamOptions(BaseModel):
    include_usage: bool = False


class _Request(BaseModel):
    """What both endpoints take."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: str
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)  # 0 is off
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    n: int | None = Field(None, ge=1, le=16)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = None
    ignore_eos: bool | None = None
    user: str | None = None
    cache_salt: str | None = Field(None, min_length=1, max_length=128)
    resume_token_ids: list[int] | None = None  # what a stream that broke off has delivered
    response_format: ResponseFormat | None = None

    @field_validator("stop")
    @classmethod
    def _stop_is_usable(cls, stop: str | list[str] | None) -> str | list[str] | None:
        for text in [stop] if isinstance(stop, str) else stop or ():
            if not 1 <= len(text) <= MAX_STOP_CHARS:
                raise ValueError(f"a stop string must have 1 to {MAX_STOP_CHARS} characters")
        return stop

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def num_choices(self) -> int:
        """Per prompt."""
        return self.n or 1

    @property
    def token_limit(self) -> int | None:
        return self.max_tokens

    @property
    def num_logprobs(self) -> int | None:
        raise NotImplementedError


def _are_token_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(entry) is int for entry in value)


def _one_or_more_prompts(value: object) -> list[str | list[int]]:
    if isinstance(value, str) or _are_token_ids(value):
        return [cast("str | list[int]", value)]
    if isinstance(value, list) and all(isinstance(entry, str) or _are_token_ids(entry) for entry in value):
        return value
    raise ValueError("must be a text, a list of token ids, or a list of texts or of such lists")


# By hand, since a union would report every branch's complaint about every element. Always a list of prompts.
Prompts = Annotated[list[str | list[int]], PlainValidator(_one_or_more_prompts)]


class CompletionRequest(_Request):
    prompts: Prompts = Field(alias="prompt")
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def num_logprobs(self) -> int | None:
        return self.logprobs


class ChatRequest(_Request):
    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[Tool] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """That the prompt tells of: with ``tool_choice`` "none" the answer is that of a request without tools."""
        return () if self.tool_choice == "none" else tuple(self.tools or ())

    @property
    def callable_tools(self) -> tuple[Tool, ...]:
        """That the answer may call, and with ``must_call`` does."""
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            return tuple(tool for tool in self.offered_tools if tool.function.name == name)
        return self.offered_tools

    @property
    def must_call(self) -> bool:
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def num_logprobs(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


R = TypeVar("R", bound=_Request)


def parse_completion(body: bytes) -> CompletionRequest:
    """Raises ``BadRequest`` whose ``param`` is the first field that is wrong."""
    return _parsed(CompletionRequest, body)


def parse_chat(body: bytes) -> ChatRequest:
    """Raises ``BadRequest`` as ``parse_completion``."""
    request = _parsed(ChatRequest, body)
    if request.top_logprobs is not None and not request.logprobs:
        raise BadRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
    if request.max_tokens and request.max_completion_tokens not in (None, request.max_tokens):
        raise BadRequest("max_tokens and max_completion_tokens differ: send one", param="max_tokens")
    check_choice(request.tools or (), request.tool_choice)
    if request.callable_tools and (request.stops or request.ignore_eos):
        param = "stop" if request.stops else "ignore_eos"
        raise BadRequest(f"{param}: an answer that may call tools ends where it is complete: leave it out", param)
    return request


def _parsed(kind: type[R], body: bytes) -> R:
    try:
        request = kind.model_validate_json(body)
    except ValidationError as error:
        raise _bad_request(error) from None
    refuse_unsupported(request.model_extra or {}, request.num_choices)
    if request.ignore_eos and request.response_format is not None and request.response_format.type != "text":
        raise BadRequest("ignore_eos: an answer with a response_format ends where it is complete", "ignore_eos")
    if request.stream_options is not None and not request.stream:
        raise BadRequest("stream_options needs stream to be true", param="stream_options")
    return request


def _bad_request(error: ValidationError) -> BadRequest:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return BadRequest(f"the body is not JSON: {first['msg']}")
    # Below the field's own name come union branches; only messages and tools have a place worth naming.
    field = str(first["loc"][0]) if first["loc"] else ""
    place = first["loc"][: {"messages": 3, "tools": 4}.get(field, 1)]
    param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    message = first["msg"].removeprefix("Value error, ")
    return BadRequest(f"{param}: {message}" if param else message, param=param or None)
