"""A router's gateway, or any server with OpenAI's API, as an agent speaks to it.

What every server has goes through the openai package. What only Moray's gateways have, token ids and going on with a
broken stream, is used where ``/v1/models`` says that it is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Self, TypeVar, cast

import openai
from pydantic import TypeAdapter

from moray.agents.sdk.answers import Answer, Chunk, Messages, Prompt, Sampling, as_messages
from moray.agents.sdk.failures import told
from moray.agents.sdk.http import open_http
from moray.agents.sdk.streaming import Open, resumed_stream
from moray.agents.sdk.typed import instruction, read_answer, response_format
from moray.errors import AnswerInvalid, GatewayRefused

T = TypeVar("T")
NO_KEY = "none"  # a local gateway asks for none, and the openai package insists on one
MAX_RETRIES = 5  # of a request that was refused for now (429, 503) or not answered, as Retry-After says
GREEDY = Sampling()


class AsyncMoray:
    """``url`` is the server's, without ``/v1``. ``model``: the server's first where not given. A request may be sent
    more than once; it moves no money, so that costs time. Tasks that do are in ``tasks``.

    Methods raise GatewayRefused, GatewayUnreachable and what they name.
    """

    def __init__(self, url: str, model: str = "", api_key: str = "") -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.http = open_http()
        self.openai = openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=api_key or NO_KEY, max_retries=MAX_RETRIES, http_client=self.http
        )
        self._model = model
        self._models: list[Any] | None = None
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.openai.close()

    async def model(self) -> str:
        if not self._model:
            models = await self._listed()
            if not models:
                raise GatewayRefused(f"{self.url} serves no model; start one with `moray up`", 0)
            self._model = models[0].id
        return self._model

    async def complete(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Answer:
        """The text that goes on from ``prompt``."""
        body = await self._body(sampling)
        with told(self.url):
            reply = await self.openai.completions.create(prompt=_as_prompt(prompt), **body)
        return _answer(reply)

    async def chat(self, said: Messages, sampling: Sampling = GREEDY, **more: Any) -> Answer:
        """The assistant's answer. ``more`` are further fields of the request's body."""
        body = await self._body(sampling)
        with told(self.url):
            reply = await self.openai.chat.completions.create(messages=cast(Any, as_messages(said)), **body, **more)
        return _answer(reply)

    async def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> AsyncGenerator[Chunk, None]:
        """``complete``, piece by piece. Raises StreamBroken where a connection breaks and cannot be taken up again."""
        create, asked = self.openai.completions.create, {"prompt": _as_prompt(prompt)}
        async with aclosing(self._streamed(create, asked, sampling)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def stream_chat(self, said: Messages, sampling: Sampling = GREEDY) -> AsyncGenerator[Chunk, None]:
        """``chat``, as ``stream``."""
        create, asked = self.openai.chat.completions.create, {"messages": as_messages(said)}
        async with aclosing(self._streamed(create, asked, sampling)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def ask(self, said: Messages, answer: type[T], sampling: Sampling = GREEDY) -> T:
        """An answer of a type that pydantic knows. Raises AnswerInvalid where it is none after one turn of mending."""
        adapter: TypeAdapter[T] = TypeAdapter(answer)
        schema, messages = adapter.json_schema(), as_messages(said)
        more: dict[str, Any] = {"response_format": response_format(schema)}
        try:
            text = (await self.chat(messages, sampling, **more)).text
        except GatewayRefused as error:
            if error.status not in (400, 422):
                raise
            more, messages = {}, [{"role": "system", "content": instruction(schema)}, *messages]
            text = (await self.chat(messages, sampling)).text
        try:
            return read_answer(adapter, text)
        except AnswerInvalid as error:
            mend = f"That is not right: {error}\n{instruction(schema)}"
            turns = [{"role": "assistant", "content": text}, {"role": "user", "content": mend}]
            return read_answer(adapter, (await self.chat([*messages, *turns], sampling, **more)).text)

    async def network(self) -> dict[str, Any]:
        """What a Moray gateway tells of its network: experts, nodes, data addresses."""
        with told(self.url):
            reply = await self.http.get(f"{self.url}/network")
        if reply.status_code != 200:
            raise GatewayRefused(f"{self.url} has no network page; is it a Moray gateway?", reply.status_code)
        try:
            page = reply.json()
        except ValueError:
            page = None
        if not isinstance(page, dict):
            raise GatewayRefused(f"{self.url} answered with no network page; is it a Moray gateway?", 200)
        return page

    async def is_moray(self) -> bool:
        return any(model.owned_by == "moray" for model in await self._listed())

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _listed(self) -> list[Any]:
        async with self._asking:
            if self._models is None:
                with told(self.url):
                    self._models = (await self.openai.models.list()).data
            return self._models

    async def _body(self, sampling: Sampling) -> dict[str, Any]:
        extra = {"extra_body": {"return_token_ids": True}} if await self.is_moray() else {}
        return {"model": await self.model(), **sampling.fields(), **extra}

    async def _streamed(self, create: Any, asked: Mapping[str, Any], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        can_resume = await self.is_moray()
        body = {"model": await self.model(), **sampling.fields(), **asked, "stream": True}

        async def opened(extra: Mapping[str, Any]) -> Any:
            return await create(**body, extra_body=dict(extra))

        open_stream: Open = opened
        with told(self.url):
            async with aclosing(resumed_stream(open_stream, can_resume)) as chunks:
                async for chunk in chunks:
                    yield chunk


def _as_prompt(prompt: Prompt) -> str | list[int]:
    return prompt if isinstance(prompt, str) else list(prompt)


def _answer(reply: Any) -> Answer:
    if not reply.choices:
        raise GatewayRefused("the server answered without a choice; ask its operator", 200)
    choice = reply.choices[0]
    text = choice.message.content if hasattr(choice, "message") else choice.text
    return Answer(
        text=text or "",
        finish_reason=choice.finish_reason or "",
        model=reply.model,
        num_prompt_tokens=reply.usage.prompt_tokens if reply.usage else 0,
        token_ids=tuple((choice.model_extra or {}).get("token_ids") or ()),
        seed=(reply.model_extra or {}).get("seed"),
    )
