"""Answers under a grammar: in the engine, and through the gateway with the real OpenAI client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx2
import jsonschema
import numpy as np
import openai
import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field

from engines import CONTEXT, Recorder, greedy_request, load
from gateway_kit import WAIT_S, served, write_tokenizer
from moray.errors import GrammarStuck
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.router.answer_form import AnswerForm
from moray.router.backbone import Backbone
from moray.router.blame import Failures
from moray.router.engine import Engine
from moray.router.engine_thread import EngineThread
from moray.router.gateway import create_app
from moray.router.gateway_settings import GatewaySettings
from moray.router.grammar import SchemaCompiler
from moray.router.scheduler import SchedulerLimits
from moray.router.tokenizer import ModelTokenizer
from moray.router.transport import LocalExperts
from moray.types import GenerationRequest, Mask, SamplingParams

VOCAB, END = 340, 1
MODEL = "test/model"


class Order(BaseModel):
    kind: Literal["buy", "sell"]
    size: int = Field(ge=0, le=10_000)
    why: str = Field(max_length=12)
    tags: list[Literal["a", "ü", "€"]] = Field(max_length=3)


SCHEMA = Order.model_json_schema() | {"additionalProperties": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights and the tokenizer of the gateway's tests, whose vocabulary is narrower than the logits."""
    folder = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder, TINY_CONFIG | {"dtype": "float32", "vocab_size": VOCAB}, seed=4)
    return write_tokenizer(folder)


@pytest.fixture(scope="module")
def parts(model: Path) -> tuple[Backbone, LocalExperts]:
    return load(model)


@pytest.fixture(scope="module")
def compiler(model: Path) -> SchemaCompiler:
    return SchemaCompiler(ModelTokenizer.load(model), VOCAB, trial=lambda _: "")


def request(compiler: SchemaCompiler, name: str, seed: int, **sampling: Any) -> GenerationRequest:
    params = SamplingParams(max_tokens=250, seed=seed, stop_token_ids=frozenset({END}), **sampling)
    prompt = [5 + seed % 200, 9, 2, 7]
    return replace(
        greedy_request(name, prompt, 1), sampling=params, grammar=compiler.compile(AnswerForm(json.dumps(SCHEMA)))
    )


def run(recorder: Recorder, *requests: GenerationRequest) -> dict[str, list[int]]:
    for asked in requests:
        recorder.submit(asked)
    asyncio.run(recorder.finish())
    return {asked.request_id: [token.token_id for token in recorder.tokens(asked.request_id)] for asked in requests}


@pytest.mark.parametrize("sampling", [{"temperature": 0.0}, {}, {"top_p": 0.9}, {"top_k": 5}, {"temperature": 2.0}])
def test_answers_of_a_random_model_end_and_fit_the_schema(
    parts: tuple[Backbone, LocalExperts], compiler: SchemaCompiler, model: Path, sampling: dict[str, Any]
) -> None:
    tokenizer = ModelTokenizer.load(model)
    requests = [request(compiler, str(seed), seed, **sampling) for seed in range(6)]
    for tokens in run(Recorder(*parts), *requests).values():
        assert tokens[-1] == END
        Order.model_validate_json(tokenizer.decode(tokens))


def test_batched_preempted_and_resumed_answers_are_those_that_come_alone(
    parts: tuple[Backbone, LocalExperts], compiler: SchemaCompiler
) -> None:
    requests = [request(compiler, str(seed), seed) for seed in range(6)]
    alone = {name: tokens for asked in requests for name, tokens in run(Recorder(*parts), asked).items()}
    assert len(set(map(tuple, alone.values()))) == 6
    crowded = Recorder(*parts, num_pages=10, limits=SchedulerLimits(prefix_cache=False))
    assert run(crowded, *requests) == alone
    assert crowded.engine.scheduler.counters.num_preemptions > 0
    for asked in requests:
        tokens = alone[asked.request_id]
        received, grammar = tokens[: len(tokens) // 2], compiler.compile(AnswerForm(json.dumps(SCHEMA)))
        for token in received:
            grammar.advance(token)
        resumed = replace(asked, prompt=(*asked.prompt, *received), grammar=grammar)
        assert run(Recorder(*parts), resumed) == {asked.request_id: tokens[len(received) :]}


def test_who_has_no_grammar_has_the_same_bits_beside_one_who_has(
    parts: tuple[Backbone, LocalExperts], compiler: SchemaCompiler
) -> None:
    free = replace(request(compiler, "free", 3, num_logprobs=2), grammar=None)
    alone, mixed = Recorder(*parts), Recorder(*parts)
    expected = run(alone, free)["free"]
    assert run(mixed, *(request(compiler, str(seed), seed) for seed in range(4)), free)["free"] == expected
    assert alone.tokens("free") == mixed.tokens("free")
    for row, other in zip(alone.logits("free"), mixed.logits("free"), strict=True):
        assert np.array_equal(row, other)


def test_log_probabilities_are_the_models_own(parts: tuple[Backbone, LocalExperts], compiler: SchemaCompiler) -> None:
    recorder = Recorder(*parts)
    run(recorder, request(compiler, "a", 3, num_logprobs=2))
    for token, row in zip(recorder.tokens("a"), recorder.logits("a"), strict=True):
        scores = row.astype(np.float64)
        logprobs = scores - scores.max() - np.log(np.exp(scores - scores.max()).sum())
        assert token.logprob == pytest.approx(logprobs[token.token_id])
        assert token.top_logprobs[0][1] == pytest.approx(logprobs.max())


class StuckAfter:
    """Allows one token, so many times; nothing after that."""

    def __init__(self, num_left: int, in_advance: bool) -> None:
        self.num_left, self.in_advance = num_left, in_advance

    def copy(self) -> StuckAfter:
        return StuckAfter(self.num_left, self.in_advance)

    def mask(self) -> Mask:
        if not self.num_left and not self.in_advance:
            raise GrammarStuck("stuck")
        return b"\x00\x04"  # token 10

    def advance(self, token_id: int) -> None:
        assert token_id == 10
        if not self.num_left:
            raise GrammarStuck("stuck")
        self.num_left -= 1

    def rollback(self, num_tokens: int) -> None:
        self.num_left += num_tokens

    is_complete = False


@pytest.mark.parametrize("in_advance", [True, False])
def test_a_stuck_grammar_ends_its_request_and_no_other(
    parts: tuple[Backbone, LocalExperts], compiler: SchemaCompiler, in_advance: bool
) -> None:
    other = request(compiler, "other", 1)
    expected = run(Recorder(*parts), other)
    recorder = Recorder(*parts)
    stuck = replace(greedy_request("stuck", [5, 6], 50), grammar=StuckAfter(7, in_advance))
    assert run(recorder, stuck, other) == {"stuck": [10] * 7, **expected}
    assert isinstance(recorder.outcomes["stuck"][-1], GrammarStuck) and len(recorder.outcomes["stuck"]) == 8
    assert recorder.engine.scheduler.pages.num_available == recorder.engine.scheduler.pages.num_pages


# -- the gateway


@pytest.fixture(scope="module")
def url(parts: tuple[Backbone, LocalExperts], model: Path) -> Iterator[str]:
    """A gateway before a real engine."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Engine]:
        yield Engine(*parts, num_pages=256, context_length=CONTEXT)

    thread = EngineThread(opened)
    thread.start()
    settings = GatewaySettings(MODEL, CONTEXT, VOCAB)
    app = create_app(thread, ModelTokenizer.load(model), settings, dict, list, CollectorRegistry(), Failures())
    with served(app) as port:
        yield f"http://127.0.0.1:{port}/v1"
    thread.stop()


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=2 * WAIT_S) as client:
        yield client


ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 250}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "order", "strict": True, "schema": SCHEMA}}


def test_the_openai_client_parses_what_it_asked_for(client: openai.OpenAI) -> None:
    reply = client.chat.completions.parse(**ASKED, response_format=Order, seed=3, n=3)
    assert [type(choice.message.parsed) for choice in reply.choices] == [Order] * 3
    assert [choice.finish_reason for choice in reply.choices] == ["stop"] * 3


def test_a_stream_gives_the_same_text_and_so_does_a_completion(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASKED, response_format=FORMAT, seed=4).choices[0].message.content
    chunks = client.chat.completions.create(**ASKED, response_format=FORMAT, seed=4, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    completion = client.completions.create(
        model=MODEL, prompt="hi", max_tokens=250, seed=5, extra_body={"response_format": FORMAT}
    )
    jsonschema.validate(json.loads(completion.choices[0].text), SCHEMA)


def test_a_json_object_begins_as_one(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**ASKED | {"max_tokens": 1}, response_format={"type": "json_object"})
    assert reply.choices[0].message.content == "{" and reply.choices[0].finish_reason == "length"


def test_a_broken_stream_is_resumed_where_the_grammar_was(url: str) -> None:
    asked = ASKED | {"response_format": FORMAT, "seed": 6, "return_token_ids": True}
    whole = httpx2.post(f"{url}/chat/completions", json=asked, timeout=WAIT_S).json()["choices"][0]
    for num_received in (1, 9, len(whole["token_ids"]) - 1):
        received = whole["token_ids"][:num_received]
        rest = httpx2.post(f"{url}/chat/completions", json=asked | {"resume_token_ids": received}, timeout=WAIT_S)
        assert rest.json()["choices"][0]["token_ids"] == whole["token_ids"][num_received:]
    wrong = httpx2.post(f"{url}/chat/completions", json=asked | {"resume_token_ids": [70]}, timeout=WAIT_S)
    assert wrong.status_code == 400 and "do not fit the response_format" in wrong.json()["error"]["message"]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"not": {}}, "not"),
        ({"enum": ["x" * 40_000]}, "larger than 32768 bytes"),
        (json.loads('{"items":' * 70 + "{}" + "}" * 70), "more than 64 levels"),
        ({"const": float("inf")}, "number"),
    ],
)
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_schema_that_cannot_be_followed_is_a_400(
    url: str, schema: dict[str, Any], reason: str, is_stream: bool
) -> None:
    body = ASKED | {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}
    content = json.dumps(body | {"stream": is_stream})
    reply = httpx2.post(f"{url}/chat/completions", content=content, timeout=WAIT_S)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "response_format")
    assert reason in error["message"] and "\n" not in error["message"]
