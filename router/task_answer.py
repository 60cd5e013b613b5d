"""A task's answer: out of the gateway's reply, and anew from its tokens."""

from __future__ import annotations

from collections.abc import Sequence as Sequence_
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from moray.errors import BadTranscript
from moray.faults import first_fault
from moray.router.choice_text import ChoiceText
from moray.router.sequence import Sequence
from moray.router.task_request import PlannedTask
from moray.router.tokenizer import ModelTokenizer
from moray.transcript import Transcript
from moray.types import FinishReason, GeneratedToken, ModelId


@dataclass(frozen=True, slots=True)
class FinishedTask:
    result: bytes
    transcript: Transcript


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    text: str | None = None  # of a completion
    message: _Message | None = None  # of a chat
    token_ids: tuple[int, ...]
    finish_reason: FinishReason


class _Reply(BaseModel):
    prompt_token_ids: tuple[int, ...]
    choices: tuple[_Choice, ...] = Field(min_length=1, max_length=1)


def finished_task(reply: bytes, model_id: ModelId, spec_hash: bytes) -> FinishedTask:
    """What to submit after the gateway answered ``completion_body`` with ``reply``. Raises BadTranscript when it is no
    whole answer with token ids."""
    try:
        read = _Reply.model_validate_json(reply)
        (choice,) = read.choices
        said = choice.text if choice.message is None else choice.message.content
        transcript = Transcript(
            model_id=model_id,
            spec_hash=spec_hash.hex(),
            prompt_token_ids=read.prompt_token_ids,
            output_token_ids=choice.token_ids,
            finish_reason=choice.finish_reason,
        )
    except ValidationError as error:
        raise BadTranscript(f"the gateway's reply is no whole answer: {first_fault(error)}; look at its log") from None
    if said is None:
        raise BadTranscript("the gateway's reply has no text; look at its log")
    return FinishedTask(said.encode(), transcript)


@dataclass(frozen=True, slots=True)
class Answer:
    """``finish_reason`` is None where the tokens end before the answer does."""

    text: str
    finish_reason: FinishReason | None
    num_tokens: int  # how many it took


def answer_of(task: PlannedTask, tokenizer: ModelTokenizer, output_token_ids: Sequence_[int]) -> Answer:
    """What the gateway says when the engine chooses these tokens."""
    sequence, choice_text, said = Sequence(task.request, lambda _: None), ChoiceText(tokenizer, task.stops), ""
    for num_tokens, token_id in enumerate(output_token_ids, start=1):
        piece = choice_text.push(sequence.append(GeneratedToken(token_id)))
        if piece is not None:
            said += piece.text
            if piece.finish_reason is not None:
                return Answer(said, piece.finish_reason, num_tokens)
    return Answer(said, None, len(output_token_ids))
