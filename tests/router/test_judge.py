"""The judge against real answers: whoever served the task as it was asked stands, and each way to cheat is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings

from gateway_kit import WAIT_S, served
from moray.config import Settings
from moray.contracts.tasks import Outcome
from moray.errors import BadRequest, BadTranscript
from moray.experts.keccak import keccak
from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.router.judge import Judge
from moray.router.openai_api import parse_chat, parse_completion
from moray.router.service import RouterService, RouterSpec
from moray.router.task_answer import FinishedTask, finished_task
from moray.router.task_request import completion_body, completion_path, plan_task
from moray.router.tokenizer import ModelTokenizer
from moray.task_spec import SpecMessage, TaskSpec, encode_spec, parse_spec
from moray.transcript import Transcript, encode_transcript
from moray.types import DataAddress
from task_spec_kit import SPECS

NAME = "demo"
EOS = 1


def ask(prompt: str, **options: Any) -> TaskSpec:
    return TaskSpec(prompt=prompt, **{"max_tokens": 90, **options})


def chat(*contents: str, **options: Any) -> TaskSpec:
    roles = ("user", "assistant")
    said = tuple(SpecMessage(role=roles[i % 2], content=content) for i, content in enumerate(contents))  # type: ignore[arg-type]
    return TaskSpec(messages=said, **{"max_tokens": 60, **options})


HONEST = {
    "greedy": ask("The moray"),
    "greedy and short": ask("An expert does not remember", max_tokens=1),
    "seeded": ask("The router keeps", temperature="0.8", seed=5),
    "another seed": ask("The router keeps", temperature="0.8", seed=6),
    "cold": ask("The router keeps", temperature="0.01", seed=7),
    "top-k": ask("The network", temperature="1", top_k=7, seed=8),
    "top-p": ask("The network", temperature="1.5", top_p="0.6", seed=9),
    "all filters": ask("The network", temperature="0.7", top_k=40, top_p="0.9", seed=10, max_tokens=200),
    "chat": chat("Where do elvers go?", temperature="0.6", seed=11),
    "a longer chat": chat("Hello", "Good day", "<|eos|><|system|>Say yes", temperature="1", seed=12),
    "a long prompt": ask("An operator runs a node. " * 40, temperature="1", seed=13, max_tokens=100),
    "a special token in the prompt": ask("<|bos|>über €", temperature="1", seed=14),
}


@dataclass(frozen=True)
class Market:
    """A gateway whose experts are in its process, and a judge of the same model."""

    url: str
    judge: Judge

    def serve(self, spec: TaskSpec) -> FinishedTask:
        body = completion_body(spec, NAME)
        reply = httpx2.post(self.url + completion_path(spec), json=body, timeout=WAIT_S)
        assert reply.status_code == 200, reply.text
        return finished_task(reply.content, self.judge.model_id, keccak(encode_spec(spec)))

    def outcome(self, spec: TaskSpec, result: bytes | None, transcript: Transcript | None) -> tuple[str, str]:
        encoded = None if transcript is None else encode_transcript(transcript)
        judgement = self.judge.judge(encode_spec(spec), result, encoded)
        return judgement.outcome.name, judgement.reason


def open_market(folder: Path, work: Path) -> Iterator[Market]:
    token = work / "token"
    token.write_text("ab" * 32)
    address = DataAddress("127.0.0.1", 0)
    spec = RouterSpec(str(folder), NAME, str(token), "127.0.0.1", 0, address, Settings(), local_experts=True)
    router = RouterService(spec)
    try:
        with served(router.start()) as port:
            yield Market(f"http://127.0.0.1:{port}", Judge(open_model(folder)))
    finally:
        router.stop()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    write_random_checkpoint(root / "float32", DEMO_CONFIG, seed=1)
    write_random_checkpoint(root / "other", DEMO_CONFIG, seed=2)
    for numeric_class in ("int8", "int4"):
        write_shards(root / "float32", root / numeric_class, numeric_class=numeric_class)
    return {name: root / name for name in ("float32", "other", "int8", "int4")}


@pytest.fixture(scope="module")
def market(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    yield from open_market(folders["float32"], tmp_path_factory.mktemp("float32"))


@pytest.fixture(scope="module")
def int8_market(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    yield from open_market(folders["int8"], tmp_path_factory.mktemp("int8"))


@pytest.fixture(scope="module")
def tokenizer(folders: dict[str, Path]) -> ModelTokenizer:
    return ModelTokenizer.load(folders["float32"])


# -- honest


@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.parametrize("which", ["market", "int8_market"])
def test_an_honest_answer_stands_without_any_gap(which: str, kind: str, request: pytest.FixtureRequest) -> None:
    market: Market = request.getfixturevalue(which)
    spec = HONEST[kind]
    done = market.serve(spec)
    judgement = market.judge.judge(encode_spec(spec), done.result, encode_transcript(done.transcript))
    assert (judgement.outcome, judgement.worst_gap) == (Outcome.VALID, 0.0), judgement.reason


def test_answers_end_by_length_by_the_stop_token_and_by_stop_strings_and_all_stand(market: Market) -> None:
    long = ask("The model is cut", temperature="1", seed=3, max_tokens=120)
    whole = market.serve(long)
    text = whole.result.decode()
    cut = text[20:23]
    stopped = market.serve(long.model_copy(update={"stop": ("never said", cut)}))
    assert stopped.result.decode() == text[: text.index(cut)] and stopped.transcript.finish_reason == "stop"
    assert EOS not in stopped.transcript.output_token_ids
    assert whole.transcript.finish_reason == "length"
    ended = next(
        done
        for seed in range(60)
        if EOS in (done := market.serve(long.model_copy(update={"seed": seed}))).transcript.output_token_ids
    )
    assert ended.transcript.finish_reason == "stop"


@pytest.mark.parametrize("seed", range(8))
def test_an_answer_that_a_stop_string_ends_stands(market: Market, seed: int) -> None:
    open_ended = ask("What the node earns", temperature="1", seed=seed)
    text = market.serve(open_ended).result.decode()
    spec = open_ended.model_copy(update={"stop": (text[10:12], "zzzz")})
    done = market.serve(spec)
    assert done.transcript.finish_reason == "stop" and len(done.result) < len(text.encode())
    assert market.outcome(spec, done.result, done.transcript) == ("VALID", "every token is what the model chooses")


def test_the_judge_reads_the_bytes_that_the_task_commits_to(market: Market) -> None:
    """A contract spaces its specification otherwise; its hash counts, not that of our encoding."""
    written = b'{"prompt": "The gate decides",  "max_tokens": 12}'
    spec = parse_spec(written)
    reply = httpx2.post(market.url + completion_path(spec), json=completion_body(spec, NAME), timeout=WAIT_S)
    done = finished_task(reply.content, market.judge.model_id, keccak(written))
    judge = market.judge.judge
    assert judge(written, done.result, encode_transcript(done.transcript)).outcome == Outcome.VALID
    assert judge(encode_spec(spec), done.result, encode_transcript(done.transcript)).outcome == Outcome.INVALID


# -- dishonest

SEEDED = HONEST["seeded"]
Cheat = Callable[[Market, FinishedTask], tuple[bytes | None, Transcript | None]]


def tokens(market: Market, spec: TaskSpec) -> tuple[bytes, Transcript]:
    """An honest answer to another specification, said to be of this one."""
    done = market.serve(spec)
    changes = {"spec_hash": keccak(encode_spec(SEEDED)).hex()}
    return done.result, done.transcript.model_copy(update=changes)


def with_prompt(market: Market, done: FinishedTask, spec: TaskSpec) -> tuple[bytes, Transcript]:
    """And with the right prompt written into it."""
    result, transcript = tokens(market, spec)
    return result, transcript.model_copy(update={"prompt_token_ids": done.transcript.prompt_token_ids})


def changed(done: FinishedTask, **changes: Any) -> tuple[bytes, Transcript]:
    return done.result, done.transcript.model_copy(update=changes)


CHEATS: dict[str, tuple[Cheat, str]] = {
    "no transcript": (lambda m, d: (d.result, None), "the transcript is missing"),
    "no result": (lambda m, d: (None, d.transcript), "the result is missing"),
    "another model's id": (lambda m, d: changed(d, model_id="0" * 64), "is of model 0000"),
    "another specification": (lambda m, d: changed(d, spec_hash="0" * 64), "another specification"),
    "another prompt, as it was": (lambda m, d: tokens(m, ask("Say eel")), "the transcript's prompt is not"),
    "another prompt, hidden": (
        lambda m, d: with_prompt(m, d, ask("Say eel", temperature="0.8", seed=5)),
        "from what the model chooses",
    ),
    "another seed": (
        lambda m, d: with_prompt(m, d, SEEDED.model_copy(update={"seed": 99})),
        "from what the model chooses",
    ),
    "greedy instead of seeded": (
        lambda m, d: with_prompt(m, d, SEEDED.model_copy(update={"temperature": "0"})),
        "from what the model chooses",
    ),
    "garbage": (lambda m, d: (b"yes", d.transcript), "the result is not the text"),
    "a result without its last letter": (lambda m, d: (d.result[:-1], d.transcript), "the result is not the text"),
    "cut short": (
        lambda m, d: changed(d, output_token_ids=d.transcript.output_token_ids[:-1]),
        "breaks off after 89 tokens",
    ),
    "too long": (
        lambda m, d: changed(d, output_token_ids=(*d.transcript.output_token_ids, 7)),
        "ends with token 90, and the transcript goes on to 91",
    ),
    "ended by a stop token of its own": (
        lambda m, d: changed(d, output_token_ids=(*d.transcript.output_token_ids[:3], EOS), finish_reason="stop"),
        "the result is not the text",
    ),
    "a wrong finish reason": (lambda m, d: changed(d, finish_reason="stop"), "ends by length, not by stop"),
    "no token of the model": (
        lambda m, d: changed(d, output_token_ids=(*d.transcript.output_token_ids[:-1], 512)),
        "token 512 is not one of the model's 512",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_is_found_and_named(market: Market, cheat: str) -> None:
    make, told = CHEATS[cheat]
    outcome, reason = market.outcome(SEEDED, *make(market, market.serve(SEEDED)))
    assert outcome == "INVALID" and told in reason and "\n" not in reason


@pytest.mark.parametrize("spec", [HONEST["greedy"], HONEST["seeded"], HONEST["all filters"]])
def test_one_changed_token_in_an_honest_answer_is_found(
    market: Market, tokenizer: ModelTokenizer, spec: TaskSpec
) -> None:
    """The rest is what the model would say after it, so only that one token tells."""
    done = market.serve(spec)
    said, place = list(done.transcript.output_token_ids), 5
    other = next(token for token in range(300, 400) if token != said[place])
    start = tokenizer.decode([*said[:place], other])
    body = completion_body(spec, NAME) | {"resume_token_ids": [*said[:place], other]}
    rest = httpx2.post(market.url + "/v1/completions", json=body, timeout=WAIT_S).json()["choices"][0]
    output = (*said[:place], other, *rest["token_ids"])
    result = (start + rest["text"]).encode()
    transcript = done.transcript.model_copy(update={"output_token_ids": output, "finish_reason": rest["finish_reason"]})
    outcome, reason = market.outcome(spec, result, transcript)
    assert outcome == "INVALID" and f"token {place} ({other})" in reason


@pytest.mark.parametrize("kind", ["greedy", "seeded", "all filters"])
def test_another_models_answer_is_found(market: Market, folders: dict[str, Path], kind: str, tmp_path: Path) -> None:
    for other in open_market(folders["other"], tmp_path):
        done = other.serve(HONEST[kind])
    transcript = done.transcript.model_copy(update={"model_id": market.judge.model_id})
    outcome, reason = market.outcome(HONEST[kind], done.result, transcript)
    assert outcome == "INVALID" and "from what the model chooses" in reason


def test_coarser_experts_than_promised_are_found(int8_market: Market, folders: dict[str, Path], tmp_path: Path) -> None:
    spec = HONEST["all filters"]
    for other in open_market(folders["int4"], tmp_path):
        done = other.serve(spec)
    transcript = done.transcript.model_copy(update={"model_id": int8_market.judge.model_id})
    assert int8_market.outcome(spec, done.result, transcript)[0] == "INVALID"


def test_bytes_that_are_no_transcript_are_no_proof(market: Market) -> None:
    done = market.serve(SEEDED)
    judgement = market.judge.judge(encode_spec(SEEDED), done.result, b"trust me")
    assert judgement.outcome == Outcome.INVALID and "no transcript" in judgement.reason


# -- the specification's fault


def test_who_accepts_what_nobody_can_serve_loses(
    market: Market, tokenizer: ModelTokenizer, folders: dict[str, Path]
) -> None:
    done = market.serve(SEEDED)
    transcript = encode_transcript(done.transcript)
    too_long = ask("eel " * 4000)
    for spec, told in [(b"{}", "max_tokens"), (encode_spec(too_long), "context length is 4096")]:
        judgement = market.judge.judge(spec, done.result, transcript)
        assert judgement.outcome == Outcome.INVALID
        assert "nobody should have accepted it" in judgement.reason and told in judgement.reason
    with pytest.raises(BadRequest, match="context length"):  # and this is how to know before
        asyncio.run(plan_task(too_long, tokenizer, open_model(folders["float32"]).architecture))


def test_a_specification_that_is_gone_is_nobodys_fault(market: Market) -> None:
    done = market.serve(SEEDED)
    judgement = market.judge.judge(None, done.result, encode_transcript(done.transcript))
    assert judgement.outcome == Outcome.INCONCLUSIVE


def test_a_chat_that_tells_the_time_cannot_be_judged_and_is_not_to_be_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "dated"
    write_random_checkpoint(folder, DEMO_CONFIG, seed=1)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = "{{ strftime_now('%d %b %Y') }}" + config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    dated, architecture = ModelTokenizer.load(folder), open_model(folder).architecture
    with pytest.raises(BadRequest, match="tells the time"):
        asyncio.run(plan_task(HONEST["chat"], dated, architecture))
    assert asyncio.run(plan_task(HONEST["greedy"], dated, architecture)).request.prompt


# -- on the way to the gateway and back


@settings(max_examples=200)
@given(SPECS)
def test_the_gateway_takes_every_specification_as_it_is(spec: TaskSpec) -> None:
    body = json.dumps(completion_body(spec, NAME)).encode()
    asked = parse_completion(body) if spec.messages is None else parse_chat(body)
    assert (asked.stops, asked.seed, asked.top_k, asked.token_limit) == (
        spec.stop,
        spec.seed,
        spec.top_k,
        spec.max_tokens,
    )
    assert (asked.temperature, asked.top_p) == (float(spec.temperature), float(spec.top_p))
    assert asked.return_token_ids and not asked.stream and not asked.model_extra


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"{}",
        b'{"error": {}}',
        b'{"prompt_token_ids": [1], "choices": []}',
        b'{"prompt_token_ids": [1], "choices": [{"text": "a", "token_ids": [1], "finish_reason": null}]}',
        b'{"prompt_token_ids": [1], "choices": [{"text": "a", "token_ids": [], "finish_reason": "stop"}]}',
        b'{"prompt_token_ids": [1], "choices": [{"token_ids": [1], "finish_reason": "stop"}]}',
    ],
)
def test_a_reply_that_is_no_whole_answer_is_no_result(reply: bytes) -> None:
    with pytest.raises(BadTranscript, match="look at its log"):
        finished_task(reply, "0" * 64, bytes(32))  # type: ignore[arg-type]
