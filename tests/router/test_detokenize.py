"""Incremental decoding against decoding the whole, on any ids of a byte-level vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from gateway_kit import SPECIAL, write_tokenizer
from moray.router.detokenize import WINDOW_TOKENS, Decoder, Detokenizer
from moray.router.tokenizer import ModelTokenizer

IDS = st.integers(0, 345)  # some beyond the vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return ModelTokenizer.load(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))


def deltas(tokenizer: Decoder, ids: Sequence[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer)
    return [*(detokenizer.push(token_id) for token_id in ids), detokenizer.finish()]


@settings(max_examples=300)
@given(st.data())
def test_deltas_add_up_to_the_whole(tokenizer: ModelTokenizer, data: st.DataObject) -> None:
    few = st.sampled_from(data.draw(st.lists(IDS, min_size=1, max_size=5)))  # long runs of the same few ids
    ids = data.draw(st.lists(IDS | few, max_size=80))
    assert "".join(deltas(tokenizer, ids)) == tokenizer.decode(ids)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=40))
def test_real_text_never_shows_half_a_character(tokenizer: ModelTokenizer, text: str) -> None:
    for token in SPECIAL:
        text = text.replace(token, "")
    parts = deltas(tokenizer, tokenizer.encode(text, add_special=False))
    assert "".join(parts) == text
    assert all("\ufffd" not in part for part in parts)


@pytest.mark.parametrize("text", ["\x80", "\xf0", "\xf0\x9f", "\xe2\x82\xe2\x82", "\x9f\x98\x80\xf0"])
def test_long_runs_of_broken_bytes_flow_and_stay_exact(tokenizer: ModelTokenizer, text: str) -> None:
    id_of_byte = {tokenizer.token_bytes(token_id): token_id for token_id in range(tokenizer.vocab_size)}
    ids = [id_of_byte[bytes([ord(char)])] for char in text] * 100
    parts = deltas(tokenizer, ids)
    assert "".join(parts) == tokenizer.decode(ids)
    assert len(parts[-1]) <= 3


def test_special_tokens_inside_a_character_do_not_tear_it(tokenizer: ModelTokenizer) -> None:
    half, rest = [tokenizer.encode("😀", add_special=False)[part] for part in (slice(2), slice(2, None))]
    ids = [*half, *([1] * 50), *rest, *([9999] * 50)]
    assert "".join(deltas(tokenizer, ids)) == tokenizer.decode(ids) == "😀"


def test_work_per_token_does_not_grow(tokenizer: ModelTokenizer) -> None:
    lengths: list[int] = []

    class Counting:
        def decode(self, ids: Sequence[int]) -> str:
            lengths.append(len(ids))
            return tokenizer.decode(ids)

        def has_text(self, token_id: int) -> bool:
            return tokenizer.has_text(token_id)

    ids = tokenizer.encode("the quick brown fox 😀 " * 60, add_special=False)
    assert "".join(deltas(Counting(), ids)) == tokenizer.decode(ids)
    assert max(lengths) <= 2 * WINDOW_TOKENS
    assert len(lengths) <= 2 * len(ids)


def test_byte_fallback_vocabularies_hold_characters_back(tmp_path: Path) -> None:
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁hi", "▁there"]
    model = models.BPE({piece: rank for rank, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = ModelTokenizer.load(tmp_path)
    ids = [257, *(1 + byte for byte in "😀".encode()), *([258] * 20)]
    parts = deltas(loaded, ids)
    assert parts[:5] == ["hi", "", "", "", "😀"]
    assert "".join(parts) == loaded.decode(ids) == "hi😀" + " there" * 20
    assert [loaded.token_bytes(token_id) for token_id in (257, 1 + 0xF0)] == [b" hi", b"\xf0"]
