"""A stream that broke off goes on where it was: the same text in all, sampled or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import Recorder, greedy_request, load
from gateway_kit import Gateway, write_tokenizer
from gateway_kit import served as served_app
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.router.backbone import Backbone
from moray.router.choice_text import ChoiceText, Piece
from moray.router.tokenizer import ModelTokenizer
from moray.router.transport import LocalExperts
from moray.types import GeneratedToken, RequestId

MODEL = "test/model"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return ModelTokenizer.load(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))


def pieces_of(text: ChoiceText, token_ids: list[int], last: bool = True) -> Iterator[Piece]:
    for place, token_id in enumerate(token_ids):
        is_last = last and place == len(token_ids) - 1
        piece = text.push(GeneratedToken(token_id, -1.0, finish_reason="length" if is_last else None))
        if piece is not None:
            yield piece
        if text.is_stopped:
            return


@settings(max_examples=300)
@given(
    text=st.text(st.sampled_from("ab €😀über"), min_size=1, max_size=40),
    stops=st.lists(st.text("ab €", min_size=1, max_size=4), max_size=2),
)
def test_from_wherever_a_piece_ended_the_rest_of_the_text_is_the_same(
    tokenizer: ModelTokenizer, text: str, stops: list[str]
) -> None:
    token_ids = tokenizer.encode(text, False)
    pieces = list(pieces_of(ChoiceText(tokenizer, stops), token_ids))
    received = list[int]()
    for place, piece in enumerate(pieces[:-1]):
        received += piece.token_ids
        resumed = ChoiceText(tokenizer, stops)
        resumed.resume(received)
        assert not resumed.is_stopped
        rest = list(pieces_of(resumed, token_ids[len(received) :]))
        assert "".join(piece.text for piece in rest) == "".join(piece.text for piece in pieces[place + 1 :])
        assert [piece.shown for piece in rest] == [piece.shown for piece in pieces[place + 1 :]]
        assert rest[-1].finish_reason == pieces[-1].finish_reason


# -- the engine


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, LocalExperts]:
    folder: Path = tmp_path_factory.mktemp("model")
    write_random_checkpoint(folder, TINY_CONFIG | {"dtype": "float32"}, seed=4)
    return load(folder)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_engine_draws_the_same_tokens_behind_those_it_has_drawn(
    served: tuple[Backbone, LocalExperts], temperature: float
) -> None:
    whole = greedy_request("whole", [5, 9, 2, 7], 40)
    whole = replace(whole, sampling=replace(whole.sampling, temperature=temperature, top_p=0.9, seed=11))

    def tokens_of(*requests: Any) -> dict[str, list[int]]:
        recorder = Recorder(*served)
        for request in requests:
            recorder.submit(request)
        asyncio.run(recorder.finish())
        return {name: [token.token_id for token in recorder.tokens(name)] for name in recorder.outcomes}

    expected = tokens_of(whole)["whole"]
    cuts = range(1, len(expected), 7)
    resumed = [
        replace(
            whole,
            request_id=RequestId(str(cut)),
            prompt=(*whole.prompt, *expected[:cut]),
            sampling=replace(whole.sampling, max_tokens=40 - cut),
        )
        for cut in cuts
    ]
    assert tokens_of(*resumed) == {str(cut): expected[cut:] for cut in cuts}


# -- the gateway


@pytest.fixture
def gateway(tokenizer: ModelTokenizer) -> Iterator[Gateway]:
    gateway = Gateway(tokenizer)
    with served_app(gateway.app) as gateway.port:
        yield gateway


def ask(gateway: Gateway, **body: Any) -> httpx2.Response:
    asked = {"model": MODEL, "prompt": "hello", "max_tokens": 8, "temperature": 0} | body
    return httpx2.post(f"{gateway.url}/v1/completions", json=asked)


def test_what_is_resumed_stands_behind_the_prompt_and_counts_as_read(gateway: Gateway) -> None:
    gateway.says("abcdefgh")
    first = ask(gateway, return_token_ids=True).json()
    received = first["choices"][0]["token_ids"][:3]
    reply = ask(gateway, resume_token_ids=received).json()
    whole, rest = gateway.generator.requests
    assert rest.prompt == (*whole.prompt, *received)
    assert rest.sampling == replace(whole.sampling, max_tokens=5, seed=rest.sampling.seed)
    assert reply["usage"]["prompt_tokens"] == first["usage"]["prompt_tokens"] + 3


def test_a_chat_is_resumed_too(gateway: Gateway) -> None:
    gateway.says("abcdefghijkl")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": 9}
    httpx2.post(f"{gateway.url}/v1/chat/completions", json=body)
    httpx2.post(f"{gateway.url}/v1/chat/completions", json=body | {"resume_token_ids": [70, 71]})
    whole, rest = gateway.generator.requests
    assert rest.prompt == (*whole.prompt, 70, 71) and rest.sampling.max_tokens == 7


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_seed_comes_back_with_token_ids_and_resumes_a_sampled_answer(gateway: Gateway, is_stream: bool) -> None:
    gateway.says("abcdefghijkl")
    text = ask(gateway, temperature=0.7, return_token_ids=True, stream=is_stream).text
    seed = gateway.generator.requests[0].sampling.seed
    assert f'"seed":{seed}' in text
    assert ask(gateway, temperature=0.7, resume_token_ids=[70], seed=seed).status_code == 200
    assert gateway.generator.requests[1].sampling.seed == seed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"resume_token_ids": [70], "temperature": 0.5}, "seed"),
        ({"resume_token_ids": [70], "n": 2, "temperature": 0}, "2 choices"),
        ({"resume_token_ids": [70], "prompt": ["a", "b"]}, "2 choices"),
        ({"resume_token_ids": [70] * 8}, "nothing to resume"),
        ({"resume_token_ids": [70, 1]}, "nothing to resume"),  # the end of the text
        ({"resume_token_ids": [-1]}, "token ids must be"),
        ({"resume_token_ids": [1 << 40]}, "token ids must be"),
        ({"resume_token_ids": ["70"]}, "valid integer"),
        ({"resume_token_ids": "70"}, "valid array"),
    ],
)
def test_what_cannot_be_resumed_is_refused(gateway: Gateway, body: dict[str, Any], reason: str) -> None:
    gateway.says("abcdefghijkl")
    reply = ask(gateway, **body)
    assert reply.status_code == 400 and reply.json()["error"]["param"].startswith("resume_token_ids")
    assert reason in reply.json()["error"]["message"] and gateway.generator.requests == []


def test_an_answer_that_a_stop_string_has_ended_is_not_resumed(gateway: Gateway) -> None:
    gateway.says("abcdefghijkl")
    received = gateway.tokenizer.encode("so STOP", False)
    reply = ask(gateway, resume_token_ids=received, stop="STOP", max_tokens=40)
    assert reply.status_code == 400 and "stop string" in reply.json()["error"]["message"]
    assert gateway.generator.requests == []
