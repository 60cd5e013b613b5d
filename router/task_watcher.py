"""An eye on a market: tells what happens, judges what is submitted and, if it may, challenges what is invalid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from moray.contracts.currency import Currency
from moray.contracts.market import TaskMarket
from moray.contracts.sender import Sender
from moray.contracts.tasks import Status
from moray.errors import CallFailed
from moray.router.judging import Judgement
from moray.router.task_examiner import Examiner
from moray.router.task_following import Moment
from moray.router.task_log import KnownTask
from moray.router.watch_decisions import Submission, is_last_try, refusal_to_challenge, submission_of, to_judge


class Tell(Protocol):
    """Called with each thing that happened; ``facts`` go with it."""

    def __call__(self, known: KnownTask, what: str, **facts: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Challenging:
    """What challenging takes. ``max_bond``: the most to put up for one, in base units."""

    sender: Sender
    market: TaskMarket
    currency: Currency
    max_bond: int


class TaskWatcher:
    """``examiner`` None: it only tells. ``challenging`` None: it judges and leaves it at that. ``of_client``: whose
    tasks alone count; empty: everybody's."""

    def __init__(
        self, examiner: Examiner | None, challenging: Challenging | None, tell: Tell, of_client: str = ""
    ) -> None:
        self._examiner, self._challenging, self._tell, self._of_client = examiner, challenging, tell, of_client
        self._judged: set[Submission] = set()

    async def see(self, moment: Moment) -> None:
        tasks = {id: known for id, known in moment.tasks.items() if self._of_client in ("", known.task.client)}
        for id in moment.changed:
            if id in tasks:
                self._tell(tasks[id], tasks[id].status.name.lower(), until=tasks[id].until)
        if self._examiner is None:
            return
        for known in to_judge(tasks.values(), Status.SUBMITTED, self._examiner.model_id, self._judged, moment.now_s):
            judgement = await self._examiner.examine(known, is_last_try(known, moment.now_s))
            if judgement is None:
                continue  # to be had later, perhaps
            self._tell(known, f"judged {judgement.outcome.name.lower()}", reason=judgement.reason)
            if self._challenging is not None:
                await self._challenge(self._challenging, known, judgement)
            self._judged.add(submission_of(known))

    async def _challenge(self, means: Challenging, known: KnownTask, judgement: Judgement) -> None:
        balance = await means.currency.balance(means.sender.address)
        refusal = refusal_to_challenge(known, judgement, means.max_bond, balance)
        if refusal:
            self._tell(known, "not challenged", reason=refusal)
            return
        name, bond = f"0x{known.id.hex()} by {means.sender.address}", known.task.bond
        _, result_hash, transcript_hash = submission_of(known)
        try:
            await means.sender.send(f"approve bond of {name}", means.currency.approve(means.market.address, bond))
            call = means.market.challenge(known.task, result_hash, transcript_hash)
            await means.sender.send(f"challenge {result_hash.hex()} of {name}", call)
        except CallFailed as error:  # somebody was faster, or the window is over
            self._tell(known, "not challenged", reason=str(error))
        else:
            self._tell(known, "challenged", bond=bond)
