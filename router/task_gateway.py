"""The task worker's own gateway, asked over HTTP as any client asks it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypeVar

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from moray.errors import BadTranscript, DownloadFailed
from moray.quoting import quoted
from moray.router.task_answer import FinishedTask, finished_task
from moray.router.task_decisions import GatewayFacts
from moray.router.task_request import completion_body, completion_path
from moray.task_spec import TaskSpec
from moray.types import ModelId

MAX_REPLY_BYTES = 16 << 20
FACTS_PATIENCE_S = 5.0

R = TypeVar("R", bound=BaseModel)


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


class TaskGateway:
    """``patience_s``: for a whole answer. Everything raises DownloadFailed when the gateway does not answer as it
    should; that can be tried again. Belongs to one event loop."""

    def __init__(self, url: str, patience_s: float) -> None:
        self.url, self._patience_s = url.rstrip("/"), patience_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def facts(self) -> GatewayFacts:
        """Raises DownloadFailed also while an expert is missing."""
        network = _parsed(_Network, await self._ask("/network", None, FACTS_PATIENCE_S))
        if network.missing_experts:
            raise DownloadFailed(f"no replica of experts {network.missing_experts}; wait for their nodes")
        (model, *_) = _parsed(_Models, await self._ask("/v1/models", None, FACTS_PATIENCE_S)).data
        return GatewayFacts(bytes.fromhex(network.model.id), model.id, model.max_model_len)

    async def complete(self, spec: TaskSpec, model_name: str, model_id: ModelId, spec_hash: bytes) -> FinishedTask:
        """Everything that decides the answer is in the request, so it is the same at any time."""
        reply = await self._ask(completion_path(spec), completion_body(spec, model_name), self._patience_s)
        try:
            done = finished_task(reply, model_id, spec_hash)
        except BadTranscript as error:
            raise DownloadFailed(str(error)) from None
        if len(done.transcript.output_token_ids) > spec.max_tokens:
            raise DownloadFailed("the gateway answers with more tokens than were asked for")
        return done

    async def _ask(self, path: str, body: dict[str, Any] | None, patience_s: float) -> bytes:
        """The reply of status 200 to a GET, or to a POST of ``body``."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        method, reply = "GET" if body is None else "POST", bytearray()
        try:
            async with (
                asyncio.timeout(patience_s),
                self._session.request(method, self.url + path, json=body, allow_redirects=False) as response,
            ):
                async for part in response.content.iter_any():
                    reply += part
                    if len(reply) > MAX_REPLY_BYTES:
                        raise DownloadFailed(f"the gateway sends more than {MAX_REPLY_BYTES} bytes; refused")
        except TimeoutError:
            raise DownloadFailed(f"the gateway at {self.url} is slower than {patience_s:g} s allow") from None
        except (aiohttp.ClientError, OSError) as error:
            raise DownloadFailed(f"the gateway at {self.url} does not answer ({type(error).__name__})") from None
        if response.status != 200:
            told = quoted(bytes(reply).decode(errors="replace"))
            raise DownloadFailed(f"the gateway answers HTTP {response.status}: {told}", response.status)
        return bytes(reply)


def _parsed(kind: type[R], content: bytes) -> R:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise DownloadFailed(f"the gateway answers with something else than was asked for, at {place!r}") from None
