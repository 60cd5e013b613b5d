"""What a provider shows with a task's result, so that anyone with the model can check it: the tokens.

A result is the answer's text, as UTF-8 bytes. The task commits to the Keccak-256 of the result and of the transcript.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.canonical_json import canonical_json
from moray.errors import BadTranscript
from moray.faults import first_fault
from moray.types import FinishReason

MAX_TRANSCRIPT_BYTES = 4 << 20  # at seven bytes for a token that is half a million of them

TokenId = Annotated[int, Field(ge=0, lt=1 << 32)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Transcript(BaseModel):
    """``prompt_token_ids`` is what the provider made of the specification. ``output_token_ids`` has every token that
    was generated: the stop token, and those of a stop string, which the result is without."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    model_id: Digest
    spec_hash: Digest  # Keccak-256 of the specification's bytes
    prompt_token_ids: Annotated[tuple[TokenId, ...], Field(min_length=1)]
    output_token_ids: Annotated[tuple[TokenId, ...], Field(min_length=1)]
    finish_reason: FinishReason


def encode_transcript(transcript: Transcript) -> bytes:
    """The same bytes for the same transcript."""
    return canonical_json(transcript.model_dump(mode="json"))


def parse_transcript(content: bytes) -> Transcript:
    """Raises BadTranscript."""
    if len(content) > MAX_TRANSCRIPT_BYTES:
        raise BadTranscript(f"the transcript has {len(content)} bytes, at most {MAX_TRANSCRIPT_BYTES} are read")
    try:
        return Transcript.model_validate_json(content)
    except ValidationError as error:
        raise BadTranscript(f"no transcript: {first_fault(error)}") from None
