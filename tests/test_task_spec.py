"""A specification and a transcript have one encoding each, and what is malformed is refused in one line."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given

from fuzz_kit import amounts, mutate_json, run_cases
from moray.errors import BadTaskSpec, BadTranscript
from moray.task_spec import MAX_SPEC_BYTES, SpecMessage, TaskSpec, encode_spec, parse_spec
from moray.transcript import MAX_TRANSCRIPT_BYTES, Transcript, encode_transcript, parse_transcript
from task_spec_kit import SPECS, TRANSCRIPTS

CHAT = TaskSpec(
    messages=(SpecMessage(role="user", content="Where do eels go?"),),
    max_tokens=50,
    temperature="0.7",
    top_p="0.95",
    top_k=40,
    seed=11,
    stop=("\n\n", "€"),
)
TRANSCRIPT = Transcript(
    model_id="a" * 64, spec_hash="b" * 64, prompt_token_ids=(1, 5), output_token_ids=(7,), finish_reason="length"
)


@given(SPECS)
def test_a_specification_comes_back_from_its_bytes(spec: TaskSpec) -> None:
    assert parse_spec(encode_spec(spec)) == spec


@given(TRANSCRIPTS)
def test_a_transcript_comes_back_from_its_bytes(transcript: Transcript) -> None:
    assert parse_transcript(encode_transcript(transcript)) == transcript


def test_the_bytes_are_json_with_sorted_keys_and_no_spaces() -> None:
    assert (
        encode_spec(TaskSpec(prompt="Was heißt Aal?", max_tokens=9))
        == (
            '{"max_tokens":9,"prompt":"Was heißt Aal?","seed":0,"stop":[],"temperature":"0","top_k":0,"top_p":"1",'
            '"version":1}'
        ).encode()
    )
    assert encode_transcript(TRANSCRIPT) == (
        b'{"finish_reason":"length","model_id":"%s","output_token_ids":[7],"prompt_token_ids":[1,5],'
        b'"spec_hash":"%s","version":1}' % (b"a" * 64, b"b" * 64)
    )


def test_a_contract_may_leave_out_what_has_a_default_and_space_it_as_it_likes() -> None:
    assert parse_spec(b' { "max_tokens" : 3, "prompt" : "a" } ') == TaskSpec(prompt="a", max_tokens=3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "version"),
        ({"messages": None}, "either a prompt or messages"),
        ({"prompt": "a"}, "either a prompt or messages"),
        ({"messages": None, "prompt": ""}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages.0.name"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1 << 18}, "max_tokens"),
        ({"max_tokens": 1.0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 0.7}, "temperature"),
        ({"temperature": "2.01"}, "temperature"),
        ({"temperature": "0.001"}, "temperature"),
        ({"temperature": "-1"}, "temperature"),
        ({"temperature": "1e0"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "0.5\n"}, "temperature"),
        ({"top_p": "0"}, "top_p"),
        ({"top_p": "1.1"}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 63}, "seed"),
        ({"stop": "a"}, "stop"),
        ({"stop": [""]}, "stop.0"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ["a" * 257]}, "stop.0"),
        ({"logit_bias": {}}, "logit_bias"),
    ],
)
def test_what_a_specification_cannot_say_is_refused_by_name(change: dict[str, Any], told: str) -> None:
    said = json.loads(encode_spec(CHAT)) | change
    with pytest.raises(BadTaskSpec) as refused:
        parse_spec(json.dumps(said).encode())
    assert told in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"model_id": "A" * 64},
        {"spec_hash": "b" * 63},
        {"prompt_token_ids": []},
        {"output_token_ids": []},
        {"output_token_ids": [-1]},
        {"output_token_ids": [1 << 32]},
        {"output_token_ids": [1.0]},
        {"finish_reason": "tired"},
        {"more": 1},
    ],
)
def test_what_a_transcript_cannot_say_is_refused_by_name(change: dict[str, Any]) -> None:
    said = json.loads(encode_transcript(TRANSCRIPT)) | change
    with pytest.raises(BadTranscript, match=next(iter(change))):
        parse_transcript(json.dumps(said).encode())


def test_what_is_too_long_is_not_read() -> None:
    long_spec = TaskSpec(prompt="a" * MAX_SPEC_BYTES, max_tokens=1)
    with pytest.raises(BadTaskSpec, match=f"at most {MAX_SPEC_BYTES}"):
        parse_spec(encode_spec(long_spec))
    whole = encode_transcript(TRANSCRIPT)
    assert parse_transcript(whole + b" " * (MAX_TRANSCRIPT_BYTES - len(whole))) == TRANSCRIPT
    with pytest.raises(BadTranscript, match=f"at most {MAX_TRANSCRIPT_BYTES}"):
        parse_transcript(whole + b" " * (MAX_TRANSCRIPT_BYTES - len(whole) + 1))


def read_spec(rng: Random) -> str:
    try:
        spec = parse_spec(mutate_json(encode_spec(CHAT), rng))
    except BadTaskSpec as error:
        assert "\n" not in str(error)
        return "refused"
    assert parse_spec(encode_spec(spec)) == spec
    return "read"


def read_transcript(rng: Random) -> str:
    try:
        transcript = parse_transcript(mutate_json(encode_transcript(TRANSCRIPT), rng))
    except BadTranscript as error:
        assert "\n" not in str(error)
        return "refused"
    assert parse_transcript(encode_transcript(transcript)) == transcript
    return "read"


@amounts
@pytest.mark.parametrize("case", [read_spec, read_transcript])
def test_damaged_bytes_are_refused_or_well_formed(case: Any, num_cases: int) -> None:
    outcomes = run_cases(case, num_cases)
    assert outcomes["refused"] > num_cases // 2 and outcomes["read"] > num_cases // 100
