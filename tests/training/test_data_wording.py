"""What is held out was never seen: neither a template nor a word of it occurs in training."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from moray.training.data import plain
from moray.training.data.chinese import CHINESE
from moray.training.data.english import ENGLISH
from moray.training.data.examples import examples
from moray.training.data.grammar import Language, Wording, parse_synonyms, parse_template
from moray.training.data.requests import WORDINGS

COUNT = 8000
MIN_TEMPLATES = 1  # held out, of every purpose


def occurs(word: str, text: str, language: Language) -> bool:
    """Chinese has no spaces: there any occurrence counts."""
    return word in text if language == "zh" else re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


@pytest.mark.parametrize("wording", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_purpose_has_templates_of_both_splits(wording: Wording) -> None:
    few = [name for name in wording.names if len(wording.templates(name, "heldout")) < MIN_TEMPLATES]
    assert few == []
    assert [name for name in wording.names if not wording.templates(name, "train")] == []


@pytest.mark.parametrize("wording", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_no_template_is_in_both_splits(wording: Wording) -> None:
    for name in wording.names:
        train = {template.source for template in wording.templates(name, "train")}
        assert not train & {template.source for template in wording.templates(name, "heldout")}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_training_examples_use_no_held_out_template_and_no_held_out_word(language: Language) -> None:
    wording = WORDINGS[language]
    held_templates = {template.source for name in wording.names for template in wording.templates(name, "heldout")} - {
        template.source for name in wording.names for template in wording.templates(name, "train")
    }
    rows = [case for case in islice(examples(11, "train"), COUNT) if case.language == language]
    assert not {case.template for case in rows} & held_templates
    text = "\n".join([*(message.text for case in rows for message in case.messages), *(case.text for case in rows)])
    lowered = text.lower()
    assert len(wording.held_words) > 60
    assert [word for word in sorted(wording.held_words) if occurs(word, lowered, language)] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_requests_use_a_held_out_template_or_a_held_out_word(language: Language) -> None:
    wording = WORDINGS[language]
    held = {template.source for name in wording.names for template in wording.templates(name, "heldout")}
    rows = [case for case in islice(examples(11, "heldout"), 6000) if case.language == language and case.messages]
    of_training = [case for case in rows if case.template not in held]
    assert len(of_training) < 0.6 * len(rows)
    without = [
        case
        for case in of_training
        if not any(occurs(word, case.messages[-2].text.lower(), language) for word in wording.held_words)
        and case.kind not in ("dialogue", "noise")  # whose last message is the reply; which is no wording
    ]
    assert len(without) < 0.05 * len(of_training)  # a typo may fall on the very word
    said = "\n".join(message.text.lower() for case in rows for message in case.messages if message.role == "user")
    unsaid = [word for word in sorted(wording.held_words) if not occurs(word, said, language)]
    assert len(unsaid) < 0.1 * len(wording.held_words)


def test_there_is_a_wide_choice_of_wording() -> None:
    for language in ("en", "zh"):
        wording = WORDINGS[language]
        templates = sum(len(wording.templates(name, "train")) for name in wording.names)
        words = sum(len(synonyms.train) for synonyms in wording.words.values())
        assert templates > 350 and words > 100, language
        plain_wording = plain.WORDINGS[language]
        terms = len(plain_wording.templates("term", "train")) * 38  # each speaks of any term of the glossary
        assert terms + len(plain_wording.templates("state", "train")) > 500


def test_marks_of_templates_and_synonyms_are_read() -> None:
    template = parse_template("~=send {amount} <to> {to}!")
    assert template.is_held and template.is_whole
    assert template.parts == ("send ", ("slot", "amount"), " ", ("word", "to"), " ", ("slot", "to"), "!")
    assert template.slots == {"amount", "to"}
    assert parse_synonyms("a|~b|c").train == ("a", "c") and parse_synonyms("a|~b|c").held == ("b",)
