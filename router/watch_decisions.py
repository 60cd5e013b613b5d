"""What a watcher and a judge do about submitted results: pure functions of what is known of the tasks."""

from __future__ import annotations

from collections.abc import Iterable, Set

from moray.contracts.tasks import Outcome, Status
from moray.router.judging import Judgement
from moray.router.task_log import KnownTask

Submission = tuple[bytes, bytes, bytes]  # task, result's hash, transcript's hash


def submission_of(known: KnownTask) -> Submission:
    """What there is to judge of a task that something was submitted for."""
    assert known.submitted is not None
    return known.id, known.submitted.result.hash, known.submitted.transcript.hash


def to_judge(
    tasks: Iterable[KnownTask], status: Status, model_id: bytes, judged: Set[Submission], now_s: int
) -> list[KnownTask]:
    """Those of ``status`` whose clock still runs and which are not in ``judged``, the most urgent first."""
    found = [
        known
        for known in tasks
        if known.status is status
        and known.submitted is not None
        and known.task.model_id == model_id
        and now_s <= known.until
        and submission_of(known) not in judged
    ]
    return sorted(found, key=lambda known: (known.until, known.id))


def is_last_try(known: KnownTask, now_s: int) -> bool:
    """Half of the time to decide is over: what nobody has given until now counts as missing."""
    window_s = known.task.challenge_window if known.status is Status.SUBMITTED else known.task.resolve_within
    return 2 * (known.until - now_s) <= window_s


def refusal_to_challenge(known: KnownTask, judgement: Judgement, max_bond: int, balance: int) -> str:
    """Why a watcher leaves a result alone; empty: it challenges it. Only what is surely wrong is worth a bond."""
    if judgement.outcome is not Outcome.INVALID:
        return "not judged invalid"
    if known.task.bond > max_bond:
        return f"its bond of {known.task.bond} is above the highest allowed, {max_bond}"
    if known.task.bond > balance:
        return f"its bond of {known.task.bond} is more than the account has, {balance}"
    return ""
