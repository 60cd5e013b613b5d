"""Batches: every example once, little padding, and only what the model is to say counts."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from moray.training.batches import LENGTH_MULTIPLE, Marks, step_batches
from moray.training.config import Data
from moray.training.data.examples import examples
from moray.training.tokenizer import render
from training_kit import tiny_tokenizer

MARKS = Marks(tiny_tokenizer())


def encode(text: str) -> list[int]:
    ids: list[int] = tiny_tokenizer().encode(text, add_special_tokens=False).ids
    return ids


@settings(max_examples=30)
@given(
    step=st.integers(0, 10**6),
    examples_per_step=st.integers(1, 12),
    context_length=st.integers(30, 300),
    microbatch_tokens=st.integers(1, 2000),
    prompt_weight=st.floats(0, 1),
)
def test_a_step_reads_each_of_its_examples_once_in_batches_of_a_bounded_size(
    step: int, examples_per_step: int, context_length: int, microbatch_tokens: int, prompt_weight: float
) -> None:
    data = Data(
        examples_per_step=examples_per_step,
        context_length=context_length,
        microbatch_tokens=microbatch_tokens,
        prompt_weight=prompt_weight,
    )
    batches = step_batches(tiny_tokenizer(), data, "train", step)
    read: Counter[tuple[int, ...]] = Counter()
    for batch in batches:
        num_rows, width = batch.token_ids.shape
        lengths = batch.is_real.sum(1)
        assert width % LENGTH_MULTIPLE == 0 and int(lengths.max()) > width - LENGTH_MULTIPLE
        assert num_rows == 1 or num_rows * width <= microbatch_tokens
        assert bool((batch.token_ids[~batch.is_real] == MARKS.pad).all()) and not batch.weights[~batch.is_real].any()
        for row, length in enumerate(lengths.tolist()):
            assert bool(batch.is_real[row, :length].all())
            ids = batch.token_ids[row, :length].tolist()
            read[tuple(ids)] += 1
            expected = MARKS.weights(ids, prompt_weight)
            assert all(abs(a - b) < 1e-6 for a, b in zip(batch.weights[row].tolist(), expected, strict=False))
    theirs = [
        encode(render(each)) for each in islice(examples(1, "train", step * examples_per_step), examples_per_step)
    ]
    assert read == Counter(tuple(ids) for ids in theirs if len(ids) <= context_length)
    widths = [batch.token_ids.shape[1] for batch in batches]
    assert widths == sorted(widths)


@given(system=st.text("ab 1"), asked=st.text("ab 1"), answer=st.text("ab 1"), prompt_weight=st.floats(0, 1))
def test_an_answer_and_its_end_count_fully_a_prompt_as_said_and_the_templates_marks_never(
    system: str, asked: str, answer: str, prompt_weight: float
) -> None:
    parts = [("<|begin|><|system|>", 0.0), (system, prompt_weight), ("<|user|>", 0.0), (asked, prompt_weight)]
    parts += [("<|assistant|>", 0.0), (answer + "<|end|>", 1.0), ("<|user|>", 0.0), (asked, prompt_weight)]
    expected = [weight for text, weight in parts for _ in encode(text)]
    assert MARKS.weights(encode("".join(text for text, _ in parts)), prompt_weight) == expected


def test_all_of_a_plain_text_counts_but_its_beginning() -> None:
    ids = encode("<|begin|>Gas is what a transaction pays.<|end|>")
    assert MARKS.weights(ids, 0.0) == [0.0] + [1.0] * (len(ids) - 1)
