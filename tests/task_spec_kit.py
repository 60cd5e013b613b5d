"""Specifications of every kind, for the tests of tasks."""

from __future__ import annotations

from hypothesis import strategies as st

from moray.task_spec import MAX_SEED, MAX_STOP_CHARS, MAX_TASK_TOKENS, SpecMessage, TaskSpec
from moray.transcript import Transcript

TEXTS = st.text(min_size=1, max_size=40)
MESSAGES = st.builds(SpecMessage, role=st.sampled_from(["system", "user", "assistant"]), content=st.text(max_size=40))
_ASKED = {
    "max_tokens": st.integers(1, MAX_TASK_TOKENS),
    "temperature": st.just("0") | st.integers(1, 200).map(lambda hundredths: f"{hundredths / 100:.2f}"),
    "top_p": st.integers(1, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}"),
    "top_k": st.integers(0, MAX_TASK_TOKENS),
    "seed": st.integers(0, MAX_SEED),
    "stop": st.lists(st.text(min_size=1, max_size=MAX_STOP_CHARS), max_size=4).map(tuple),
}
SPECS = st.builds(TaskSpec, prompt=TEXTS, **_ASKED) | st.builds(
    TaskSpec, messages=st.lists(MESSAGES, min_size=1, max_size=3).map(tuple), **_ASKED
)
TOKEN_IDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(tuple)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
TRANSCRIPTS = st.builds(
    Transcript,
    model_id=DIGESTS,
    spec_hash=DIGESTS,
    prompt_token_ids=TOKEN_IDS,
    output_token_ids=TOKEN_IDS,
    finish_reason=st.sampled_from(["stop", "length"]),
)
