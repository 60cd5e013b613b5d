"""Reading: the same surprise as transformers finds, whatever is read together; loads and guesses counted rightly."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from transformers import DeepseekV3ForCausalLM

from elver_kit import VOCAB_SIZE, write_tiny_dense, write_tiny_elver
from moray.experts.source import open_model
from moray.router.tokenizer import ModelTokenizer
from moray.router.transport import LocalExperts
from moray.training.evaluation.held_out import held_out
from moray.training.evaluation.mtp import guesses
from moray.training.evaluation.passages import Passage, passages
from moray.training.evaluation.reading import CountingExperts, Reader, in_batches, nats, perplexities
from moray.training.tokenizer import render


@pytest.fixture(scope="module")
def elver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_elver(tmp_path_factory.mktemp("models") / "elver", dtype="float32", num_nextn_predict_layers=0)


@pytest.fixture(scope="module")
def texts(elver: Path) -> list[Passage]:
    return list(passages(held_out(0, 4), ModelTokenizer.load(elver)))


def test_what_is_read_is_what_is_trained_on(elver: Path, texts: list[Passage]) -> None:
    chosen, tokenizer = held_out(0, 4), ModelTokenizer.load(elver)
    examples = [*chosen.requests, *chosen.plain]
    assert [text.token_ids for text in texts] == [
        tuple(tokenizer.encode(render(example), add_special=False)) for example in examples
    ]
    for text, example in zip(texts, examples, strict=True):
        counted = tokenizer.decode(text.token_ids[text.first :])
        assert counted == (example.messages[-1].text if example.messages else example.text)
        assert text.num_bytes == len(counted.encode())


def test_the_surprise_is_that_of_transformers(elver: Path, texts: list[Passage]) -> None:
    model = DeepseekV3ForCausalLM.from_pretrained(elver, dtype=torch.float32).eval()
    model.set_experts_implementation("eager")
    read = list(Reader(open_model(elver)).read(texts))
    for text, ours in zip(texts, read, strict=True):
        ids = torch.tensor([text.token_ids])
        with torch.no_grad():
            logits = model(ids).logits[0, text.first - 1 : -1]
        theirs = functional.cross_entropy(logits, ids[0, text.first :], reduction="sum").item()
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_neighbours_change_no_bit(elver: Path, texts: list[Passage]) -> None:
    together = list(Reader(open_model(elver)).read(texts))
    reader = Reader(open_model(elver))
    assert [one for text in texts for one in reader.read([text])] == together


def test_every_token_that_is_read_counts_for_its_experts(elver: Path, texts: list[Passage]) -> None:
    source = open_model(elver)
    reader = Reader(source)
    list(reader.read(texts))
    num_rows = sum(len(text.token_ids) - 1 for text in texts) * source.architecture.experts_per_token
    assert {layer.layer: sum(layer.rows) for layer in reader.load()} == {1: num_rows, 2: num_rows}


def test_experts_are_counted_as_they_are_chosen(elver: Path) -> None:
    source = open_model(elver)
    counting, plain = CountingExperts(source), LocalExperts(source)
    rows = np.random.default_rng(0).standard_normal((3, 48), np.float32)
    chosen = np.array([[0, 5], [5, 7], [2, 5]])
    counted = asyncio.run(_awaited(counting, rows, chosen))
    assert counting.rows[1].tolist() == [1, 0, 1, 0, 0, 3, 0, 1]
    assert np.array_equal(counted, asyncio.run(_awaited(plain, rows, chosen)))


async def _awaited(
    experts: CountingExperts | LocalExperts, rows: np.typing.NDArray[np.float32], chosen: np.typing.NDArray[np.int64]
) -> np.typing.NDArray[np.float32]:
    return await experts.dispatch(1, rows, chosen)


def test_a_dense_model_reads_and_has_no_load(tmp_path: Path, texts: list[Passage]) -> None:
    reader = Reader(open_model(write_tiny_dense(tmp_path / "dense")))
    assert all(one > 0 for one in reader.read(texts[:2])) and reader.load() == ()


def test_perplexities_are_of_each_text_and_language(texts: list[Passage]) -> None:
    read = [float(index) for index in range(len(texts))]
    found = {(one.text, one.language): one for one in perplexities(texts, read)}
    assert sum(one.nats for one in found.values()) == sum(read)
    english = [text for text in texts if (text.text, text.language) == ("answers", "en")]
    assert len(english) == 4 and found["answers", "en"].num_bytes == sum(text.num_bytes for text in english)
    assert found["answers", "en"].num_tokens == sum(len(text.token_ids) - text.first for text in english)


@given(lengths=st.lists(st.integers(1, 40), max_size=30), room=st.integers(1, 50))
def test_batches_keep_the_order_and_the_room(lengths: list[int], room: int) -> None:
    made = [Passage("plain", "en", (0,) * length, 1, 1) for length in lengths]
    batches = list(in_batches(made, room))
    assert [text for batch in batches for text in batch] == made
    assert all(len(batch) == 1 or sum(len(text.token_ids) for text in batch) <= room for batch in batches)
    for batch, following in pairwise(batches):
        assert sum(len(text.token_ids) for text in [*batch, following[0]]) > room


@given(st.data())
def test_nats_are_of_the_softmax(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(st.floats(-80, 80, width=32), min_size=5, max_size=5), min_size=1, max_size=4))
    targets = data.draw(st.lists(st.integers(0, 4), min_size=len(rows), max_size=len(rows)))
    logits = np.array(rows, np.float32)
    expected = functional.cross_entropy(torch.tensor(logits).double(), torch.tensor(targets), reduction="none")
    assert nats(logits, targets) == pytest.approx(expected.numpy(), abs=1e-9)


class Counting:
    """Chooses the token after the last; its head guesses right except behind even tokens. Hidden states [B, T, 2] are
    the token and 1."""

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        return torch.stack((token_ids, torch.ones_like(token_ids)), -1).float()

    def logits(self, hidden_states: Tensor) -> Tensor:
        return functional.one_hot(hidden_states[..., 0].long() + 1, VOCAB_SIZE).float()

    def mtp_hidden_states(self, hidden_states: Tensor, next_ids: Tensor) -> Tensor:
        wrong = (next_ids % 2 == 0).float()
        return torch.stack((next_ids + wrong, hidden_states[..., 1]), -1)

    def mtp_logits(self, hidden_states: Tensor) -> Tensor:
        return self.logits(hidden_states)


def test_guesses_count_where_the_next_token_is_an_answers() -> None:
    """Of (9, 3, 4, 5, 7) from place 2 on, the head guesses behind 4 wrongly, behind 5 rightly (6, as the model), and
    the last token needs no guess."""
    made = [Passage("answers", "en", (9, 3, 4, 5, 7), 2, 1), Passage("answers", "en", (1, 3, 5, 5, 5, 5, 5), 1, 1)]
    assert list(guesses(Counting(), made)) == [(1, 2), (5, 5)]
