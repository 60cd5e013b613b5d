"""The task worker's own gateway, asked over HTTP as any client asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from moray.errors import BadTaskSpec, DownloadFailed
from moray.guarded_http import Fetcher
from moray.router.task_decisions import GatewayFacts
from moray.task_spec import TaskSpec
from moray.types import FinishReason

MAX_REPLY_BYTES = 16 << 20
FACTS_PATIENCE_S = 5.0

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
TokenIds = Annotated[tuple[int, ...], Field(min_length=1)]


class _Model(BaseModel):
    name: str
    id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Network(BaseModel):
    model: _Model
    missing_experts: list[int]


class _Listed(BaseModel):
    id: str
    max_model_len: Annotated[int, Field(ge=1)]


class _Models(BaseModel):
    data: Annotated[list[_Listed], Field(min_length=1)]


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    text: str | None = None  # of a completion
    message: _Message | None = None  # of a chat
    token_ids: TokenIds
    finish_reason: FinishReason


class _Reply(BaseModel):
    prompt_token_ids: TokenIds
    choices: Annotated[list[_Choice], Field(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class Completion:
    text: str
    prompt_token_ids: tuple[int, ...]
    output_token_ids: tuple[int, ...]
    finish_reason: FinishReason


class TaskGateway:
    """``patience_s``: for a whole answer. Everything raises DownloadFailed when the gateway does not answer as it
    should; that can be tried again."""

    def __init__(self, url: str, max_generating: int, patience_s: float) -> None:
        self.url = url.rstrip("/")
        self._asks = Fetcher(allow_private=True, patience_s=FACTS_PATIENCE_S)
        self._answers = Fetcher(allow_private=True, patience_s=patience_s)
        self._threads = ThreadPoolExecutor(max_generating + 1, "gateway")  # of its own: answers take long

    async def facts(self) -> GatewayFacts:
        """Raises DownloadFailed also while an expert is missing."""
        network = _parsed(_Network, await self._in_thread(lambda: self._get("/network")))
        if network.missing_experts:
            raise DownloadFailed(f"no replica of experts {network.missing_experts}; wait for their nodes")
        (model, *_) = _parsed(_Models, await self._in_thread(lambda: self._get("/v1/models"))).data
        return GatewayFacts(bytes.fromhex(network.model.id), model.id, model.max_model_len)

    async def num_prompt_tokens(self, spec: TaskSpec, model_name: str) -> int:
        """By asking for one token: only the gateway knows the tokenizer and the chat template. Raises BadTaskSpec for
        a prompt that it refuses."""
        return len((await self._complete({**_body(spec, model_name), "max_tokens": 1})).prompt_token_ids)

    async def complete(self, spec: TaskSpec, model_name: str) -> Completion:
        """Raises BadTaskSpec as ``num_prompt_tokens``."""
        completion = await self._complete(_body(spec, model_name))
        if len(completion.output_token_ids) > spec.max_tokens:
            raise DownloadFailed("the gateway answers with more tokens than were asked for")
        return completion

    async def _complete(self, body: dict[str, Any]) -> Completion:
        path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
        content = json.dumps(body).encode()
        try:
            reply = _parsed(
                _Reply,
                await self._in_thread(lambda: self._answers.post_json(self.url + path, content, MAX_REPLY_BYTES)),
            )
        except DownloadFailed as error:
            if error.status == 400:
                raise BadTaskSpec(f"the gateway refuses it: {error}") from None
            raise
        (choice,) = reply.choices
        text = choice.message.content if choice.message is not None else choice.text
        if text is None:
            raise DownloadFailed("the gateway answers without a text")
        return Completion(text, reply.prompt_token_ids, choice.token_ids, choice.finish_reason)

    def _get(self, path: str) -> bytes:
        return self._asks.get(self.url + path, MAX_REPLY_BYTES)

    async def _in_thread(self, ask: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def _body(spec: TaskSpec, model_name: str) -> dict[str, Any]:
    """Everything that decides the answer is in it, so the same specification has the same answer at any time."""
    body: dict[str, Any] = {
        "model": model_name,
        "max_tokens": spec.max_tokens,
        "temperature": float(spec.temperature),
        "top_p": float(spec.top_p),
        "top_k": spec.top_k,
        "seed": spec.seed,
        "return_token_ids": True,
    }
    if spec.stop:
        body["stop"] = list(spec.stop)
    if spec.messages is None:
        return {**body, "prompt": spec.prompt}
    return {**body, "messages": [message.model_dump() for message in spec.messages]}


def _parsed(kind: type[R], content: bytes) -> R:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise DownloadFailed(f"the gateway answers with something else than was asked for, at {place!r}") from None
