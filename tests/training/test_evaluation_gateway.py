"""Asking a gateway: known replies are scored to the last one, refusals and a busy gateway are told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import http_kit
from elver_kit import Known, completion, write_tiny_dense, write_tiny_elver
from gateway_kit import write_tokenizer
from http_kit import serving
from moray import actions as a
from moray.errors import BadSetting, DownloadFailed
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.source import ModelSource, open_model
from moray.router.tokenizer import ModelTokenizer
from moray.training.evaluation import asking
from moray.training.evaluation.asking import MAX_ANSWER_TOKENS, Gateway, Reply
from moray.training.evaluation.evaluation import Plan, evaluate_model
from moray.training.evaluation.held_out import held_out
from moray.training.evaluation.local_gateway import local_gateway
from moray.training.evaluation.measuring import find_gateway, open_measurable
from moray.training.evaluation.passages import passages

T = TypeVar("T")
HELLO = [{"role": "user", "content": "hello"}]
PER_LANGUAGE = 5


@pytest.fixture(scope="module")
def elver(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return open_measurable(write_tiny_elver(tmp_path_factory.mktemp("models") / "elver"))


@pytest.fixture(scope="module")
def gateway(elver: ModelSource) -> Iterator[Gateway]:
    with local_gateway(elver.folder) as url:
        yield find_gateway(url, elver, concurrency=4)


def unseen(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    return items


def test_known_replies_are_scored_to_the_last_one(elver: ModelSource) -> None:
    """Free, it is always right; constrained, wrong in all swaps; to bad input, it sends everything to eve."""
    chosen = held_out(0, PER_LANGUAGE)
    plan = Plan(PER_LANGUAGE, seed=0, wording="held-out", others={}, mtp=None, num_shown=100, concurrency=4)
    with serving(Known(elver.model_id, chosen.requests).answer) as server:
        report = evaluate_model(elver, server.url, "a list of answers", plan, unseen)
    swaps = {
        language: sum('"do":"swap"' in e.messages[-1].text for e in chosen.requests if e.language == language)
        for language in ("en", "zh")
    }
    assert sum(swaps.values()) > 0
    found = {(one.decoding, one.language): one.groups["all"] for one in report.models[0].matches}
    for language in ("en", "zh"):
        assert found["free", language].hits == found["free", language].num == PER_LANGUAGE
        assert found["constrained", language].hits == PER_LANGUAGE - swaps[language]
    for count in report.bad_input:
        assert (count.unasked, count.refused, count.no_action) == (count.num, 0, 0)
    wrong = [one for one in report.mistakes if not one.kind.startswith("bad input")]
    assert len(wrong) == sum(swaps.values()) and all('"do":"quote"' in one.got for one in wrong)


def test_a_real_gateway_answers_greedily_with_one_line_or_an_action(gateway: Gateway) -> None:
    free = list(gateway.ask_all([HELLO] * 6, "free"))
    assert len(set(free)) == 1 and "\n" not in free[0].text and not free[0].refusal
    (constrained,) = set(gateway.ask_all([HELLO] * 2, "constrained"))
    assert constrained.text.startswith("{") and constrained.text != free[0].text


def test_replies_come_in_the_order_of_the_questions(gateway: Gateway) -> None:
    conversations = [[{"role": "user", "content": f"swap {number} eth"}] for number in range(12)]
    together = list(gateway.ask_all(conversations, "free"))
    assert together == [gateway.ask(conversation, "free") for conversation in conversations]
    assert len(set(together)) > 1


def test_a_prompt_that_is_too_long_is_refused_with_its_code(gateway: Gateway) -> None:
    reply = gateway.ask([{"role": "user", "content": "a" * 100_000}], "free")
    assert reply.text == "" and "context_length_exceeded" in reply.refusal


def test_a_busy_gateway_is_asked_again_and_a_broken_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    busy = [429, 503]

    def answer(reply: http_kit.Reply) -> None:
        if busy:
            reply.error(busy.pop(), "overloaded", "try again")
        else:
            reply.whole(completion("done"))

    with serving(answer) as server:
        assert Gateway(server.url, "m", 1).ask(HELLO, "free") == Reply("done")
        assert len(server.requests) == 3
    with (
        serving(lambda reply: reply.error(500, "internal", "broken")) as server,
        pytest.raises(DownloadFailed, match="broken"),
    ):
        Gateway(server.url, "m", 1).ask(HELLO, "free")
    assert len(server.requests) == 1
    with (
        serving(lambda reply: reply.error(429, "overloaded", "no")) as server,
        pytest.raises(DownloadFailed, match="busy"),
    ):
        Gateway(server.url, "m", 1).ask(HELLO, "free")


def test_something_else_than_a_completion_is_no_reply() -> None:
    with serving(lambda reply: reply.whole(b"{}")) as server, pytest.raises(DownloadFailed, match="something else"):
        Gateway(server.url, "m", 1).ask(HELLO, "free")


def test_a_gateway_of_another_model_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    other = open_model(write_tiny_dense(tmp_path / "dense"))
    with pytest.raises(BadSetting, match="not the model in"):
        find_gateway(gateway.url, other, 1)


def test_a_model_that_cannot_chat_is_refused(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, TINY_CONFIG | {"vocab_size": 340}, seed=1)
    write_tokenizer(tmp_path, chat_template=None)
    with pytest.raises(BadSetting, match="no chat template"):
        open_measurable(tmp_path)


def test_a_dense_model_stands_beside_it_on_the_same_examples(
    elver: ModelSource, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_ANSWER_TOKENS", 12)  # random weights say nothing anyway
    dense = open_measurable(write_tiny_dense(tmp_path / "dense"))
    plan = Plan(2, seed=1, wording="known", others={"dense": dense}, mtp=elver, num_shown=0, concurrency=8)
    report = evaluate_model(elver, gateway.url, "one process", plan, unseen)
    ours, theirs = report.models
    assert (ours.label, theirs.label, theirs.model_id) == ("elver", "dense", dense.model_id)
    assert [one.num_tokens for one in ours.perplexity] == [one.num_tokens for one in theirs.perplexity]
    assert ours.load and not theirs.load
    assert {(one.decoding, one.language, one.num) for one in report.differences} == {
        (decoding, language, 2) for decoding in ("free", "constrained") for language in ("en", "zh")
    }
    answers = list(passages(held_out(1, 2, "train"), ModelTokenizer.load(elver.folder)))[:4]
    assert report.mtp_acceptance is not None
    assert report.mtp_acceptance.num == sum(len(answer.token_ids) - answer.first - 1 for answer in answers)
    huge = [one for one in report.bad_input if one.kind == "huge"]
    assert len(huge) == 2 and all(one.refused == one.num for one in huge)


def test_an_answer_is_bounded_and_free_ones_end_with_their_line() -> None:
    free, constrained = (asking.request_body("m", HELLO, decoding) for decoding in ("free", "constrained"))
    assert free["stop"] == "\n" and "response_format" not in free
    assert constrained["response_format"]["json_schema"]["schema"] == a.action_schema() and "stop" not in constrained
    assert free["max_tokens"] == constrained["max_tokens"] == MAX_ANSWER_TOKENS and free["temperature"] == 0
