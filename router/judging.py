"""Whether a task's result stands: pure decisions. The figures behind the two limits: docs/decisions/0011.

What is exact is judged exactly: the model, the specification, the prompt's tokens, where and why the answer ends, its
text. Only the choice of each token has a tolerance, since two machines' logits differ in their last bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from moray.contracts.tasks import Outcome
from moray.router.replay import ReplayedToken
from moray.router.task_answer import Answer
from moray.transcript import Transcript
from moray.types import ModelId

MARGIN = 0.002  # nats; up to here a difference between honest machines explains a token
FAR = 0.02  # nats; from here on none does


@dataclass(frozen=True, slots=True)
class Judgement:
    """``worst_gap``: of the tokens that were compared, nats (see ``deviation``)."""

    outcome: Outcome
    reason: str  # one line
    worst_gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What the judge knows without the transcript."""

    model_id: ModelId
    spec_hash: bytes
    prompt: tuple[int, ...]
    vocab_size: int


def find_fault(claimed: Transcript, expected: Expected) -> str | None:
    """What is wrong with the transcript, before its tokens are read."""
    if claimed.model_id != expected.model_id:
        return f"the transcript is of model {claimed.model_id}, not of {expected.model_id}"
    if claimed.spec_hash != expected.spec_hash.hex():
        return "the transcript is of another specification"
    if claimed.prompt_token_ids != expected.prompt:
        return "the transcript's prompt is not what the model's tokenizer makes of the specification"
    if max(claimed.output_token_ids) >= expected.vocab_size:
        return f"token {max(claimed.output_token_ids)} is not one of the model's {expected.vocab_size}"
    return None


def find_wrong_end(claimed: Transcript, answer: Answer, result: bytes) -> str | None:
    """What is wrong with the way the answer ends, or with its text."""
    num_tokens = len(claimed.output_token_ids)
    if answer.finish_reason is None:
        return f"the answer breaks off after {num_tokens} tokens, before its length is reached and without a stop"
    if answer.num_tokens != num_tokens:
        return f"the answer ends with token {answer.num_tokens}, and the transcript goes on to {num_tokens}"
    if answer.finish_reason != claimed.finish_reason:
        return f"the answer ends by {answer.finish_reason}, not by {claimed.finish_reason}"
    if answer.text.encode() != result:
        return "the result is not the text of the transcript's tokens"
    return None


def judge_tokens(replayed: Iterable[ReplayedToken]) -> Judgement:
    """Of a transcript that is in order but for its tokens; those after one that is far off need not be there."""
    worst = max(replayed, key=lambda token: token.gap)
    if worst.gap <= MARGIN:
        return Judgement(Outcome.VALID, "every token is what the model chooses", worst.gap)
    where = f"token {worst.index} ({worst.token_id}) is {worst.gap:.3g} nats from what the model chooses"
    if worst.gap >= FAR:
        return Judgement(Outcome.INVALID, f"{where}, and no honest machine is {FAR:g} off", worst.gap)
    return Judgement(Outcome.INCONCLUSIVE, f"{where}: more than {MARGIN:g} and less than {FAR:g}", worst.gap)
