"""Grammars: whatever a schema says, an answer drawn under its masks fits it, and what cannot be followed is refused."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLParserLimits
from tokenizers import Tokenizer, decoders, models

from gateway_kit import write_tokenizer
from moray.errors import BadRequest, GrammarStuck, Overloaded
from moray.router import grammar_cache, schema_trial
from moray.router.answer_form import AnswerForm
from moray.router.grammar import SchemaCompiler
from moray.router.grammar_cache import GrammarCache
from moray.router.sampling_kernel import mask_kernel
from moray.router.tokenizer import ModelTokenizer
from moray.types import Grammar, Mask

VOCAB = 340  # wider than the tokenizer, as the logits of padded models are
END = 1


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return ModelTokenizer.load(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="module")
def compiler(tokenizer: ModelTokenizer) -> SchemaCompiler:
    """Without the trial, which costs a process per schema."""
    return SchemaCompiler(tokenizer, VOCAB, trial=lambda _: "")


def allowed(mask: Mask) -> list[int]:
    return [token for token in range(8 * len(mask)) if mask[token // 8] >> token % 8 & 1]


def drawn(grammar: Grammar, seed: int, max_tokens: int = 4000) -> list[int]:
    """An answer at random, up to its end, which comes where it may."""
    tokens, dice = list[int](), random.Random(seed)
    while len(tokens) < max_tokens:
        ids = allowed(grammar.mask())
        assert (END in ids) == grammar.is_complete
        if END in ids:
            return tokens
        tokens.append(dice.choice(ids))
        grammar.advance(tokens[-1])
    raise AssertionError("the answer does not end")


NAMES = st.text(st.sampled_from('abcü "\\\n'), min_size=1, max_size=5)
SCALARS = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-1000, 1000),
        st.integers(0, 5000),
    ),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 5),
        st.integers(0, 8),
    ),
    st.builds(
        lambda values: {"enum": values},
        st.lists(st.none() | st.integers(-9, 9) | NAMES, min_size=1, max_size=4, unique_by=repr),
    ),
    st.sampled_from(
        [{"const": "ü€😀"}, {"type": "string", "pattern": "^[a-c]{2,4}$"}, {"type": "string", "format": "date"}]
    ),
)


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(properties: dict[str, Any], num_required: int) -> dict[str, Any]:
        required = list(properties)[:num_required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    return st.builds(build, st.dictionaries(NAMES, inner, max_size=4), st.integers(0, 4))


def arrays(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(items: dict[str, Any], low: int, span: int) -> dict[str, Any]:
        return {"type": "array", "items": items, "minItems": low, "maxItems": low + span}

    return st.builds(build, inner, st.integers(0, 2), st.integers(0, 2))


def unions(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda either: {"anyOf": either}, st.lists(inner, min_size=1, max_size=3))


SCHEMAS = st.recursive(SCALARS, lambda inner: objects(inner) | arrays(inner) | unions(inner), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, seed=st.integers(0, 2**32))
def test_whatever_is_drawn_under_the_masks_parses_and_fits_the_schema(
    compiler: SchemaCompiler, tokenizer: ModelTokenizer, schema: dict[str, Any], seed: int
) -> None:
    tokens = drawn(compiler.compile(AnswerForm(json.dumps(schema))), seed)
    text = b"".join(map(tokenizer.token_bytes, tokens)).decode()  # strictly
    jsonschema.validate(json.loads(text), schema)
    assert text == tokenizer.decode(tokens)


@settings(max_examples=100, deadline=None)
@given(schema=SCHEMAS, seed=st.integers(0, 2**32), data=st.data())
def test_tokens_that_are_taken_back_leave_no_trace_and_copies_go_their_own_ways(
    compiler: SchemaCompiler, schema: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    grammar = compiler.compile(AnswerForm(json.dumps(schema)))
    tokens = [*drawn(grammar.copy(), seed), END]
    masks = []
    for token in tokens:
        masks.append(grammar.mask())
        grammar.advance(token)
    num_kept = data.draw(st.integers(0, len(tokens) - 1))
    grammar.rollback(len(tokens) - num_kept)
    assert grammar.mask() == masks[num_kept]
    copied = grammar.copy()
    grammar.rollback(num_kept)
    assert grammar.mask() == masks[0]
    for token, mask in list(zip(tokens, masks, strict=True))[num_kept:]:
        assert copied.mask() == mask
        copied.advance(token)


def test_a_token_that_the_mask_forbids_is_refused_and_changes_nothing(compiler: SchemaCompiler) -> None:
    grammar = compiler.compile(AnswerForm('{"type": "integer", "minimum": 0, "maximum": 9}'))
    before = grammar.mask()
    for token in set(range(VOCAB)) - set(allowed(before)):
        with pytest.raises(ValueError, match="does not fit"):
            grammar.advance(token)
    assert grammar.mask() == before
    with pytest.raises(ValueError, match="1 tokens to take back, there are 0"):
        grammar.rollback(1)


def test_the_vocabulary_of_the_masks_is_the_tokenizers(compiler: SchemaCompiler, tokenizer: ModelTokenizer) -> None:
    """Inside a string everything may come that is text, and no special token, whatever its name."""
    grammar = compiler.compile(AnswerForm('{"type": "string"}'))
    grammar.advance(tokenizer.encode('"', False)[0])
    ids = allowed(grammar.mask())
    assert [tokenizer.has_text(token) for token in ids] == [True] * len(ids)
    whole = [token for token in range(tokenizer.vocab_size) if _is_plain(tokenizer, token)]
    assert set(whole) <= set(ids) and len(whole) > 80


def _is_plain(tokenizer: ModelTokenizer, token: int) -> bool:
    return tokenizer.has_text(token) and tokenizer.token_bytes(token).decode("ascii", "replace").isalpha()


def test_any_of_the_end_tokens_may_end_an_answer(tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path)
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, 3, 100000]}')  # the last one is not there
    grammar = SchemaCompiler(ModelTokenizer.load(folder), VOCAB).compile(AnswerForm('{"const": null}'))
    for byte in "null":
        assert {1, 3}.isdisjoint(allowed(grammar.mask()))
        grammar.advance(ModelTokenizer.load(folder).encode(byte, False)[0])
    assert allowed(grammar.mask()) == [1, 3]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"not": {"type": "string"}}, "not"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"x-guidance": {"lenient": True}, "uniqueItems": True}, "uniqueItems"),
        ({"if": {}, "then": {}}, "if"),
        ({"type": "string", "format": "regex"}, "Unknown format"),
        ({"type": "strin"}, "strin"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "string", "pattern": "["}, "unclosed"),
        ({"$ref": "https://example.com/other.json"}, "example.com"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
        ({"type": "integer", "minimum": 5, "maximum": 2}, "Unsatisfiable"),
        ({"type": "integer", "minimum": 10**400}, "out of range"),
        ({"allOf": [{"$ref": "#"}]}, "schema"),  # nothing fits it
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(
    tokenizer: ModelTokenizer, schema: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadRequest, match=reason) as refused:
        SchemaCompiler(tokenizer, VOCAB).compile(AnswerForm(json.dumps(schema)))
    assert refused.value.param == "response_format" and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "multipleOf": 999_983},  # a quarter of a minute
        {"allOf": [{"type": "string", "pattern": f"(a|b)*a(a|b){{{count}}}$"} for count in range(10, 40)]},  # for ever
    ],
)
def test_what_takes_too_long_to_compile_is_ended_and_refused(tokenizer: ModelTokenizer, schema: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="to compile"):
        SchemaCompiler(tokenizer, VOCAB).compile(AnswerForm(json.dumps(schema)))


def test_the_trial_gives_up_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_trial, "WALL_S", 0.001)
    assert schema_trial.why_not("{}") == "it takes more than 0.001 s to compile"


def tokenizer_of(folder: Path, characters: str) -> ModelTokenizer:
    """With these bytes and an end, no others."""
    vocabulary = {"<end>": 0} | {character: place + 1 for place, character in enumerate(characters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<end>"}')
    return ModelTokenizer.load(folder)


def test_a_vocabulary_without_the_bytes_is_told_so(tmp_path: Path) -> None:
    compiler = SchemaCompiler(tokenizer_of(tmp_path, "123"), 8)
    with pytest.raises(GrammarStuck, match="no token of this model"):
        compiler.compile(AnswerForm('{"const": "a"}'))
    grammar = compiler.compile(
        AnswerForm('{"enum": [12, 17]}')
    )  # the 7 is missing: that way is closed from the beginning
    grammar.advance(1)
    assert allowed(grammar.mask()) == [2]


@pytest.mark.parametrize("config", ["{}", '{"eos_token": "<other>"}'])
def test_a_model_without_an_end_cannot_follow_a_format(tmp_path: Path, config: str) -> None:
    tokenizer_of(tmp_path, "123")
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(BadRequest, match="cannot follow a format"):
        SchemaCompiler(ModelTokenizer.load(tmp_path), 8).compile(AnswerForm('{"const": 1}'))


def test_a_grammar_that_has_worn_out_is_renewed_in_the_middle_of_an_answer(tokenizer: ModelTokenizer) -> None:
    """What the lexer of all answers has found out is bounded; no answer may notice."""
    schema, letter = '{"type": "string", "minLength": 200, "maxLength": 5000}', tokenizer.encode("a", False)[0]
    small = LLParserLimits(max_lexer_states=2000, verbose_errors=False)
    grammars = [
        SchemaCompiler(tokenizer, VOCAB, limits).compile(AnswerForm(schema)) for limits in (small, schema_trial.LIMITS)
    ]
    for _ in range(2):
        worn, unworn = (grammar.copy() for grammar in grammars)
        for token in [tokenizer.encode('"', False)[0], *[letter] * 300]:
            assert worn.mask() == unworn.mask()
            worn.advance(token)
            unworn.advance(token)
    with pytest.raises(GrammarStuck, match="too many states"):  # alone too long for its limit
        for _ in range(4000):
            worn.advance(letter)
            worn.mask()


class CountingCompiler:
    """Compiles to the schema's name, until ``is_broken``."""

    def __init__(self) -> None:
        self.compiled: list[str] = []
        self.is_broken = False

    def compile(self, form: AnswerForm) -> Any:
        self.compiled.append(form.schema or "")
        if self.is_broken:
            raise BadRequest("no")
        return self.compiled[-1].upper()


def test_the_latest_grammars_are_kept_and_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar_cache, "MAX_KEPT", 2)
    compiler = CountingCompiler()

    async def run() -> None:
        cache = GrammarCache(compiler)
        grammars: list[Any] = await asyncio.gather(*(cache.grammar(AnswerForm("a")) for _ in range(5)))
        assert grammars == ["A"] * 5
        for schema in "bacab":
            await cache.grammar(AnswerForm(schema))

    asyncio.run(run())
    assert compiler.compiled == [*"abcb"]  # c drove b out, since a was asked for in between


def test_a_schema_that_is_refused_is_refused_to_all_who_wait_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = CountingCompiler()
    compiler.is_broken = True

    async def run() -> None:
        cache = GrammarCache(compiler)
        replies = await asyncio.gather(*(cache.grammar(AnswerForm("a")) for _ in range(3)), return_exceptions=True)
        assert [type(reply) for reply in replies] == [BadRequest] * 3
        compiler.is_broken = False
        assert await cache.grammar(AnswerForm("a")) == "A"  # type: ignore[comparison-overlap]

    asyncio.run(run())
    assert compiler.compiled == ["a", "a"]


def test_few_schemas_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar_cache, "MAX_WAITING", 3)

    async def run() -> list[Any]:
        cache = GrammarCache(CountingCompiler())
        return await asyncio.gather(
            *(cache.grammar(AnswerForm(schema)) for schema in "aabbccdda"), return_exceptions=True
        )

    replies = asyncio.run(run())
    assert [reply for reply in replies if isinstance(reply, str)] == [*"AABBCCA"]
    assert [type(reply) for reply in replies[6:8]] == [Overloaded] * 2


def test_the_mask_kernel_forbids_what_the_mask_does_not_have() -> None:
    dice = np.random.default_rng(0)
    for width, num_bytes in [(1, 1), (8, 1), (9, 2), (300, 44), (340, 40)]:
        row, mask = dice.standard_normal(width).astype(np.float32), dice.bytes(num_bytes)
        masked = mask_kernel(row, np.frombuffer(mask, np.uint8))
        expected = [value if token in allowed(mask) else -np.inf for token, value in enumerate(row.tolist())]
        assert masked.tolist() == expected
