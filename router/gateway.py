"""The router's HTTP face: OpenAI's completions, chat and models, and what an operator watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import ClientDisconnect

from moray.errors import BadRequest
from moray.router.blame import Failures
from moray.router.choice_text import ChoiceText
from moray.router.choices import collect_choices, generate_choices
from moray.router.gateway_metrics import CountRequests, GatewayMetrics
from moray.router.gateway_settings import GatewaySettings
from moray.router.generation_plan import plan_generation
from moray.router.generator import Generator
from moray.router.grammar import SchemaCompiler
from moray.router.grammar_cache import GrammarCache
from moray.router.http_body import CLIENT_LEFT, read_body, unless_disconnected
from moray.router.http_errors import UnknownModel, add_error_handlers, blame_of, error_reply
from moray.router.openai_api import ChatRequest, CompletionRequest, parse_chat, parse_completion
from moray.router.openai_replies import ChatFormat, CompletionFormat, Reply, ReplyFormat
from moray.router.sse import EventStream, with_error_event
from moray.router.tokenizer import ModelTokenizer
from moray.router.users import user_of


def create_app(
    generator: Generator,
    tokenizer: ModelTokenizer,
    settings: GatewaySettings,
    network: Callable[[], dict[str, object]],
    readiness: Callable[[], list[str]],
    metrics_registry: CollectorRegistry,
    failures: Failures,
    more: Sequence[APIRouter] = (),
) -> FastAPI:
    """The gateway as an ASGI app.

    ``network`` is what ``/network`` shows; ``readiness`` gives the reasons not to send requests here, none
    when ready. Both are called on the event loop and must not wait. ``failures`` counts requests that fail.
    ``more`` has routes for those who are no clients.
    """
    app = FastAPI(title="Moray", docs_url=None, redoc_url=None, openapi_url=None)
    metrics = GatewayMetrics(metrics_registry)
    app.add_middleware(CountRequests, metrics=metrics)
    add_error_handlers(app, settings.retry_after_s, failures)
    _add_inference(app, generator, tokenizer, settings, metrics, failures)
    _add_models(app, settings)
    _add_status(app, network, readiness, metrics_registry)
    for routes in more:
        app.include_router(routes)
    return app


def _add_inference(
    app: FastAPI,
    generator: Generator,
    tokenizer: ModelTokenizer,
    settings: GatewaySettings,
    metrics: GatewayMetrics,
    failures: Failures,
) -> None:
    grammars = GrammarCache(SchemaCompiler(tokenizer, settings.vocab_size))

    async def answer(
        request: Request, parse: Callable[[bytes], CompletionRequest | ChatRequest], shape: ReplyFormat
    ) -> Response:
        try:
            body = await read_body(request, settings.max_body_bytes)
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)
        asked = parse(body)
        address = request.client.host if request.client else None
        user = user_of(request.headers.get("authorization"), address, asked.user)
        plan = await plan_generation(asked, tokenizer, grammars, settings, user)
        metrics.prompt_tokens.inc(plan.num_prompt_tokens)
        texts = [ChoiceText(tokenizer, asked.stops, plan.call_reader()) for _ in plan.requests]
        texts[0].resume(plan.resumed)
        if texts[0].is_stopped:
            raise BadRequest("these tokens are a whole answer: a stop string is among them", "resume_token_ids")
        batches = generate_choices(generator, plan.requests, texts, metrics)
        reply = Reply(
            shape,
            plan,
            settings.model_name,
            has_logprobs=asked.num_logprobs is not None,
            has_token_ids=bool(asked.return_token_ids),
        )
        if asked.stream:
            include_usage = asked.stream_options is not None and asked.stream_options.include_usage
            return EventStream(with_error_event(reply.events(batches, include_usage), describe_error))
        pieces = await unless_disconnected(request.receive, collect_choices(batches, len(texts)))
        return Response(status_code=CLIENT_LEFT) if pieces is None else JSONResponse(reply.body(pieces))

    def describe_error(error: Exception) -> dict[str, Any]:
        failures.count(blame_of(error))
        described = error_reply(error).body
        metrics.stream_errors.labels(described["error"]["code"]).inc()
        return described

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await answer(request, parse_completion, CompletionFormat())

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await answer(request, parse_chat, ChatFormat())


def _add_models(app: FastAPI, settings: GatewaySettings) -> None:
    model = {
        "id": settings.model_name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "moray",
        "max_model_len": settings.context_length,  # vLLM's name, which clients look for
    }

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [model]}

    @app.get("/v1/models/{name:path}")  # model names may have slashes
    async def one_model(name: str) -> dict[str, Any]:
        if name != settings.model_name:
            raise UnknownModel(f"no model {name!r} here, only {settings.model_name!r}", param="model")
        return model


def _add_status(
    app: FastAPI,
    network: Callable[[], dict[str, object]],
    readiness: Callable[[], list[str]],
    metrics_registry: CollectorRegistry,
) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        reasons = readiness()
        status = "not ready" if reasons else "ready"
        return JSONResponse({"status": status, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/network")
    async def network_page() -> dict[str, object]:
        return network()

    @app.get("/metrics")
    async def metrics_text() -> Response:
        return Response(generate_latest(metrics_registry), media_type=CONTENT_TYPE_LATEST)
