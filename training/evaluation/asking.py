"""A gateway asked over HTTP, many requests at a time and greedily, as any OpenAI client would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from moray.actions import action_schema
from moray.errors import DownloadFailed
from moray.guarded_http import Fetcher
from moray.training.evaluation.report import Decoding

Conversation = Sequence[Mapping[str, str]]  # messages, the last one the user's

# The longest action of the held-out split has half as many; a model that says more has lost its way.
MAX_ANSWER_TOKENS = 160
PATIENCE_S = 600.0  # with one answer, queueing included
BUSY = (429, 503)
MAX_TRIES = 60  # of a gateway that is busy
PAUSE_S = 1.0
MAX_REPLY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """``refusal``: the gateway's typed error about the request, such as a prompt too long; empty: it answered."""

    text: str = ""
    refusal: str = ""


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class Gateway:
    url: str
    model_name: str
    concurrency: int  # requests at a time

    def ask_all(self, conversations: Sequence[Conversation], decoding: Decoding) -> Iterator[Reply]:
        """In the order of the conversations. Raises DownloadFailed when the gateway does not answer as one does."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            yield from pool.map(partial(self.ask, decoding=decoding), conversations)

    def ask(self, conversation: Conversation, decoding: Decoding) -> Reply:
        body = json.dumps(request_body(self.model_name, conversation, decoding)).encode()
        fetcher = Fetcher(allow_private=True, patience_s=PATIENCE_S)
        for _ in range(MAX_TRIES):
            try:
                return _parsed(fetcher.post_json(f"{self.url}/v1/chat/completions", body, MAX_REPLY_BYTES))
            except DownloadFailed as error:
                if error.status in BUSY:
                    time.sleep(PAUSE_S)
                elif error.status is not None and 400 <= error.status < 500:
                    return Reply(refusal=str(error))
                else:
                    raise
        raise DownloadFailed(f"the gateway at {self.url} stays busy; end other load and try again")


def request_body(model_name: str, conversation: Conversation, decoding: Decoding) -> dict[str, Any]:
    """A free answer is stopped behind its first line: what follows is no part of the action."""
    body = {
        "model": model_name,
        "messages": list(conversation),
        "temperature": 0,
        "max_tokens": MAX_ANSWER_TOKENS,
    }
    if decoding == "free":
        return body | {"stop": "\n"}
    schema = {"name": "action", "schema": action_schema()}
    return body | {"response_format": {"type": "json_schema", "json_schema": schema}}


def _parsed(content: bytes) -> Reply:
    try:
        return Reply(_Completion.model_validate_json(content).choices[0].message.content)
    except ValidationError:
        raise DownloadFailed("the gateway answers with something else than a chat completion; check --url") from None
