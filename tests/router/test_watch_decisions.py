"""What a watcher does about submitted results."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain_kit import plain_task
from moray.contracts.anvil import DEVELOPMENT_KEYS
from moray.contracts.log import Log
from moray.contracts.market import TaskSubmitted
from moray.contracts.tasks import Content, Outcome, Status
from moray.router.judging import Judgement
from moray.router.task_log import KnownTask
from moray.router.watch_decisions import is_last_try, refusal_to_challenge, submission_of, to_judge

PROVIDER = DEVELOPMENT_KEYS[2].address
NOW_S = 10**9
TASK = plain_task(DEVELOPMENT_KEYS[8].address, NOW_S)
LOG = Log(PROVIDER, (), b"", 1, bytes(32), bytes(32), 0)


def submitted(number: int, until: int = NOW_S + 300, result: bytes = b"x", **changes: object) -> KnownTask:
    id = number.to_bytes(32)
    event = TaskSubmitted(id, PROVIDER, until, Content.of(result), Content.of(b"{}"), LOG)
    known = KnownTask(id, TASK, b"spec", 1, Status.SUBMITTED, until, PROVIDER, event)
    return replace(known, **changes)  # type: ignore[arg-type]


def ids(found: list[KnownTask]) -> list[int]:
    return [int.from_bytes(known.id) for known in found]


def test_the_most_urgent_result_is_judged_first_and_each_once() -> None:
    tasks = [submitted(1, NOW_S + 30), submitted(2, NOW_S + 10), submitted(3, NOW_S + 20)]
    judged = {submission_of(tasks[2])}
    assert ids(to_judge(tasks, Status.SUBMITTED, TASK.model_id, set(), NOW_S)) == [2, 3, 1]
    assert ids(to_judge(tasks, Status.SUBMITTED, TASK.model_id, judged, NOW_S)) == [2, 1]


def test_another_result_of_a_task_is_judged_again() -> None:
    """After a reorganisation there may be one."""
    judged = {submission_of(submitted(1))}
    assert ids(to_judge([submitted(1, result=b"y")], Status.SUBMITTED, TASK.model_id, judged, NOW_S)) == [1]


def test_only_open_results_of_the_right_model_are_judged() -> None:
    others = [
        submitted(1, NOW_S - 1),
        submitted(2, status=Status.CHALLENGED),
        submitted(3, submitted=None),
        submitted(4, task=replace(TASK, model_id=bytes(32))),
    ]
    assert to_judge(others, Status.SUBMITTED, TASK.model_id, set(), NOW_S) == []
    assert ids(to_judge(others, Status.CHALLENGED, TASK.model_id, set(), NOW_S)) == [2]


@pytest.mark.parametrize(
    ("left_s", "status", "is_last"), [(151, 3, False), (150, 3, True), (451, 4, False), (450, 4, True)]
)
def test_after_half_of_the_time_what_is_not_there_is_missing(left_s: int, status: int, is_last: bool) -> None:
    """The challenge window is 300 s, the resolver has 900 s."""
    assert is_last_try(submitted(1, NOW_S + left_s, status=Status(status)), NOW_S) is is_last


def test_only_what_is_surely_wrong_and_affordable_is_challenged() -> None:
    known, bond = submitted(1), TASK.bond
    invalid = Judgement(Outcome.INVALID, "wrong")
    assert refusal_to_challenge(known, invalid, bond, bond) == ""
    for outcome in (Outcome.VALID, Outcome.INCONCLUSIVE):
        assert refusal_to_challenge(known, Judgement(outcome, ""), bond, bond) == "not judged invalid"
    assert "above the highest allowed" in refusal_to_challenge(known, invalid, bond - 1, bond)
    assert "more than the account has" in refusal_to_challenge(known, invalid, bond, bond - 1)
