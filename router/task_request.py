"""A task's specification as the gateway takes it.

Provider and judge translate with the gateway's own code: the provider sends it this body, the judge takes the same
body apart as the gateway does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from moray.architecture import Architecture
from moray.errors import BadRequest
from moray.router.gateway_settings import GatewaySettings
from moray.router.generation_plan import plan_generation
from moray.router.grammar import SchemaCompiler
from moray.router.grammar_cache import GrammarCache
from moray.router.openai_api import parse_chat, parse_completion
from moray.router.tokenizer import ModelTokenizer
from moray.task_spec import TaskSpec
from moray.types import GenerationRequest

ANY_NAME = "model"  # the judge's gateway has one model, whatever its name


@dataclass(frozen=True, slots=True)
class PlannedTask:
    request: GenerationRequest
    stops: tuple[str, ...]


def completion_path(spec: TaskSpec) -> str:
    return "/v1/completions" if spec.messages is None else "/v1/chat/completions"


def completion_body(spec: TaskSpec, model_name: str) -> dict[str, Any]:
    """What to post to ``completion_path``; the answer comes with its token ids."""
    body = spec.model_dump(mode="json", exclude_none=True, exclude={"version"})
    numbers = {"temperature": float(spec.temperature), "top_p": float(spec.top_p)}
    return {**body, **numbers, "model": model_name, "return_token_ids": True}


async def plan_task(spec: TaskSpec, tokenizer: ModelTokenizer, architecture: Architecture) -> PlannedTask:
    """What the engine is asked. Raises BadRequest for what no provider can serve with this model, or not so that
    somebody else comes to the same tokens later: to be known before a task is accepted."""
    if spec.messages is not None and tokenizer.chat_tells_time:
        raise BadRequest("this model's chat template tells the time, so nobody can check it later: give a prompt")
    parse = parse_completion if spec.messages is None else parse_chat
    asked = parse(json.dumps(completion_body(spec, ANY_NAME)).encode())
    settings = GatewaySettings(ANY_NAME, architecture.max_position, architecture.vocab_size)
    grammars = GrammarCache(SchemaCompiler(tokenizer, architecture.vocab_size))  # unused: a task asks for no format
    plan = await plan_generation(asked, tokenizer, grammars, settings, user="")
    return PlannedTask(plan.requests[0], asked.stops)
