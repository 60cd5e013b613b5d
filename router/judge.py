"""The judge of results: it has the whole model and does the work again, a few times faster than it was done."""

from __future__ import annotations

import asyncio
from pathlib import Path

from moray.contracts.tasks import Outcome
from moray.errors import BadRequest, BadTaskSpec, BadTranscript
from moray.experts.keccak import keccak
from moray.experts.source import ModelSource
from moray.router.backbone import load_backbone
from moray.router.judging import FAR, Expected, Judgement, find_fault, find_wrong_end, judge_tokens
from moray.router.replay import ReplayedToken, ReplayOverflowed, replay
from moray.router.task_answer import answer_of
from moray.router.task_request import PlannedTask, plan_task
from moray.router.tokenizer import ModelTokenizer
from moray.router.transport import LocalExperts
from moray.task_spec import parse_spec
from moray.transcript import Transcript, parse_transcript


class Judge:
    """For tasks of one model. Raises BadCheckpoint as loading the model does."""

    def __init__(self, source: ModelSource) -> None:
        self.model_id, self._architecture = source.model_id, source.architecture
        self._tokenizer = ModelTokenizer.load(Path(source.folder))
        self._backbone = load_backbone(source, source.architecture.max_position)
        self._experts = LocalExperts(source)

    def judge(self, spec: bytes | None, result: bytes | None, transcript: bytes | None) -> Judgement:
        """The bytes are of the hashes that the task and its submission commit to; None: nobody has such bytes.

        Computes for as long as it takes, so call it in a thread where others wait. A result that can be had and is
        right stands on its own; whoever accepts a task has read its specification and keeps it: so one that nobody can
        serve is the provider's mistake, and one that is gone is nobody's."""
        return asyncio.run(self._judge(spec, result, transcript))

    async def _judge(self, spec: bytes | None, result: bytes | None, transcript: bytes | None) -> Judgement:
        if spec is None:
            return Judgement(Outcome.INCONCLUSIVE, "nobody has the specification any more")
        try:
            task = await plan_task(parse_spec(spec), self._tokenizer, self._architecture)
        except (BadTaskSpec, BadRequest) as error:
            return _invalid(f"nobody can serve this, so nobody should have accepted it: {error}")
        if result is None or transcript is None:
            return _invalid(f"the {'result' if result is None else 'transcript'} is missing")
        try:
            claimed = parse_transcript(transcript)
        except BadTranscript as error:
            return _invalid(str(error))
        prompt, vocab_size = task.request.prompt, self._architecture.vocab_size
        fault = find_fault(claimed, Expected(self.model_id, keccak(spec), prompt, vocab_size))
        fault = fault or find_wrong_end(claimed, answer_of(task, self._tokenizer, claimed.output_token_ids), result)
        return await self._replayed(task, claimed) if fault is None else _invalid(fault)

    async def _replayed(self, task: PlannedTask, claimed: Transcript) -> Judgement:
        replayed: list[ReplayedToken] = []
        try:
            async for token in replay(self._backbone, self._experts, task.request, claimed.output_token_ids):
                replayed.append(token)
                if token.gap >= FAR:
                    break
        except ReplayOverflowed as error:
            return Judgement(Outcome.INCONCLUSIVE, str(error))
        return judge_tokens(replayed)


def _invalid(reason: str) -> Judgement:
    return Judgement(Outcome.INVALID, reason)
