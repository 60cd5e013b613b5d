"""Elver's tokenizer: loses no byte, splits digits, and means the same to Moray and to transformers."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from moray.errors import BadRequest
from moray.router.tokenizer import ModelTokenizer
from moray.training.data.examples import examples
from moray.training.tokenizer import (
    BEGIN,
    END,
    SPECIAL_TOKENS,
    generated_texts,
    messages_of,
    render,
    save_tokenizer,
    train_tokenizer,
)

VOCAB_SIZE = 1024


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(generated_texts(0, 1500), VOCAB_SIZE)


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(tokenizer, path)
    return path


@settings(deadline=None)
@given(text=st.text() | st.from_regex(r'[ -~一-龥0-9{}"\[\]:,_]{0,60}', fullmatch=True))
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    literal = Tokenizer.from_str(tokenizer.to_str())
    literal.encode_special_tokens = True
    assert literal.decode(literal.encode(text).ids, skip_special_tokens=False) == text


@given(text=st.text(alphabet="0123456789.,$% kETH", max_size=40))
@settings(deadline=None)
def test_a_token_never_holds_two_digits(tokenizer: Tokenizer, text: str) -> None:
    assert all(len(re.findall(r"\d", token)) <= 1 for token in tokenizer.encode(text).tokens)
    assert sum(token.isdigit() for token in tokenizer.encode(text).tokens) == sum(map(str.isdigit, text))


def test_no_token_of_the_vocabulary_holds_two_digits(tokenizer: Tokenizer) -> None:
    assert [token for token in tokenizer.get_vocab() if len(re.findall(r"\d", token)) > 1] == []


def test_it_has_the_size_asked_for_and_every_byte(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == VOCAB_SIZE
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    for byte in range(0x80):
        assert tokenizer.decode(tokenizer.encode(chr(byte)).ids) == chr(byte)


def test_the_same_texts_give_the_same_tokenizer(tokenizer: Tokenizer) -> None:
    assert train_tokenizer(generated_texts(0, 1500), VOCAB_SIZE).to_str() == tokenizer.to_str()


def test_json_between_two_values_is_one_token(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode('{"do":"swap","pay":"ETH","get":"USDC","amount":"12"}').tokens
    assert tokens == ['{"do":"', "swap", '","pay":"', "ETH", '","get":"', "USDC", '","amount":"', "1", "2", '"}']


def test_moray_and_transformers_read_the_folder_alike(folder: Path) -> None:
    ours, theirs = ModelTokenizer.load(folder), AutoTokenizer.from_pretrained(folder)
    assert ours.can_chat and ours.eos_ids == {theirs.eos_token_id} == {theirs.convert_tokens_to_ids(END)}
    for case in islice(examples(5, "train"), 200):
        if not case.messages:
            continue
        messages = messages_of(case)
        text = ours.render_chat(messages, add_generation_prompt=False)
        assert text == theirs.apply_chat_template(messages, tokenize=False) == render(case)
        ids = ours.encode(text, add_special=False)
        assert ids == theirs(text, add_special_tokens=False)["input_ids"]
        assert ids[-1] == theirs.eos_token_id and text.count(BEGIN) == 1


def test_the_prompt_ends_where_the_answer_begins(folder: Path) -> None:
    ours = ModelTokenizer.load(folder)
    case = next(case for case in examples(5, "train") if case.messages)
    prompt = ours.render_chat(messages_of(case)[:-1])
    assert prompt.endswith("<|assistant|>") and render(case) == prompt + case.messages[-1].text + END


def test_a_role_that_it_was_not_trained_for_is_refused(folder: Path) -> None:
    with pytest.raises(BadRequest, match="roles are system, user and assistant"):
        ModelTokenizer.load(folder).render_chat([{"role": "tool", "content": "x"}])
