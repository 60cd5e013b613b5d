"""Generated examples: determined by their number, of all kinds, asking back exactly what is missing."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from moray import actions as a
from moray.training.data.examples import KINDS, Example, example, examples
from moray.training.data.explain import explain
from moray.training.data.grammar import Language, Split
from moray.training.data.requests import MOVES, REQUIRED, Speaker

COUNT = 6000
FLOOR = 0.005  # of all examples, for any kind of action
ADDRESSES = re.compile(r"0x[0-9a-fA-F]{40}|[a-z0-9-]+\.eth")


@pytest.fixture(scope="module")
def drawn() -> dict[Split, list[Example]]:
    return {"train": list(islice(examples(3, "train"), COUNT)), "heldout": list(islice(examples(3, "heldout"), COUNT))}


def both(drawn: dict[Split, list[Example]]) -> Iterator[Example]:
    yield from drawn["train"]
    yield from drawn["heldout"]


def test_an_example_is_a_function_of_seed_split_and_number(drawn: dict[Split, list[Example]]) -> None:
    assert [example(3, "train", index) for index in range(200)] == drawn["train"][:200]
    assert list(islice(examples(3, "train", start=5, step=7), 20)) == drawn["train"][5:145:7]
    assert example(4, "train", 0) != drawn["train"][0] != example(3, "heldout", 0)


def test_every_answer_is_the_canonical_action_and_one_line(drawn: dict[Split, list[Example]]) -> None:
    for case in both(drawn):
        if case.kind == "plain":
            assert case.text and not case.messages
            continue
        assert case.messages[-1].role == "assistant" and case.messages[-2].role == "user"
        action, sentence = a.parse_answer(case.messages[-1].text)
        assert action == case.action
        assert case.messages[-1].text.split("\n") == [a.canonical(action), sentence]
        assert sentence.endswith((".", "。")) and sentence == sentence.strip()
        assert case.messages[-2].text.strip()


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_kind_of_action_has_its_share_in_both_languages(drawn: dict[Split, list[Example]], split: Split) -> None:
    rows = drawn[split]
    languages = Counter(case.language for case in rows)
    assert 0.35 * COUNT < languages["zh"] < 0.45 * COUNT
    counts = Counter((str(case.language), str(case.action.do)) for case in rows if case.action)
    kinds = {*MOVES, "quote", "question", "automation", "mandate", "clarify", "refuse"}
    assert {
        kind: counts[language, kind]
        for language in ("en", "zh")
        for kind in kinds
        if counts[language, kind] < FLOOR * COUNT
    } == {}
    assert set(KINDS) == {case.kind for case in rows}


def test_triggers_limits_reasons_and_topics_all_occur(drawn: dict[Split, list[Example]]) -> None:
    found = [case.action for case in drawn["train"] if case.action]
    automations = [action for action in found if isinstance(action, a.Automation)]
    assert {action.when.on for action in automations} == {"price", "balance", "gas", "health", "time", "date", "event"}
    assert any(action.given for action in automations)
    limits = [action.limits for action in automations if action.limits]
    assert {name for limit in limits for name in limit.model_dump(exclude_none=True)} == set(a.Limits.model_fields)
    assert len({action.why for action in found if isinstance(action, a.Refuse)}) == 7
    assert len({action.topic for action in found if isinstance(action, a.Question)}) == 7
    missing = {slot for action in found if isinstance(action, a.Clarify) for slot in action.missing}
    assert missing == {
        "asset", "other", "pay", "get", "amount", "vault", "to", "risk", "horizon", "when", "value", "then", "action"
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_question_comes_back_exactly_when_something_needed_was_not_said(language: Language, split: Split) -> None:
    for index in range(1500):
        rng = random.Random(index)
        intent = rng.choice(tuple(REQUIRED))
        is_complete = index % 2 == 0
        said = Speaker(language, split, rng).request(intent, is_complete=is_complete)
        unsaid = tuple(name for name in REQUIRED[intent] if name not in said.values)
        assert bool(unsaid) is not is_complete, said
        if unsaid:
            assert said.action == a.Clarify.model_validate({"want": intent, "missing": unsaid})
        else:
            assert said.action.do == intent


def test_a_reply_completes_what_was_asked(drawn: dict[Split, list[Example]]) -> None:
    talks = [case for case in both(drawn) if case.kind == "dialogue" and len(case.messages) >= 4]
    assert len(talks) > 100
    for case in talks:
        asked, _ = a.parse_answer(case.messages[-3].text)
        assert isinstance(asked, a.Clarify) and case.action is not None
        assert case.action.do == asked.want
        assert all(getattr(case.action, slot) for slot in asked.missing)


def test_an_order_that_is_hidden_in_the_text_never_reaches_the_action(drawn: dict[Split, list[Example]]) -> None:
    hidden = [case for case in both(drawn) if case.kind == "hidden"]
    assert len(hidden) > 200 and all(case.injected and case.action for case in hidden)
    num_attackers = 0
    for case in hidden:
        assert case.action is not None
        text = a.canonical(case.action)
        attackers = set(ADDRESSES.findall(case.injected))
        num_attackers += len(attackers)
        assert not any(attacker in text for attacker in attackers)
        assert case.action.do in (*MOVES, "question", "clarify")
    assert num_attackers > 50


def test_what_is_copied_stands_in_the_request(drawn: dict[Split, list[Example]]) -> None:
    """Recipients and vaults are words of the user, letter by letter, never the generator's own."""
    moves = [case for case in both(drawn) if case.kind == "move"]
    for case in moves:
        text = case.messages[-2].text
        for name in (getattr(case.action, "to", None), getattr(case.action, "vault", None)):
            assert name is None or name in text, case


def test_sentences_are_in_the_language_of_the_request(drawn: dict[Split, list[Example]]) -> None:
    han = re.compile("[一-鿿]")
    for case in both(drawn):
        if case.language == "zh":
            assert han.search(case.text or case.messages[-1].text.split("\n")[1])
        elif case.action is not None and not isinstance(case.action, a.Transfer):
            assert not han.search(case.messages[-1].text)


def test_an_explanation_names_what_the_action_names() -> None:
    swap = a.Swap(pay="ETH", get="USDC", amount="1.5", slippage=50, chain="base")
    assert explain(swap, "en") == "Swap 1.5 ETH for USDC on base with at most 0.5% slippage."
    assert explain(swap, "zh") == "在base上把1.5 ETH换成USDC，滑点不超过0.5%。"
