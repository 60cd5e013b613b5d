"""What a client may take in each state of a task."""

from __future__ import annotations

import pytest

from moray.contracts.market import TaskState
from moray.contracts.task_ends import require_refundable, require_result, what_runs
from moray.contracts.tasks import NOBODY, Status
from moray.errors import NoResult, NothingToRefund, TaskNotReady

RUNNING = [Status.FUNDED, Status.ACCEPTED, Status.SUBMITTED, Status.CHALLENGED]


def state(status: Status) -> TaskState:
    return TaskState(status, 1_800_000_000, NOBODY, bytes(32), NOBODY, False)


@pytest.mark.parametrize(
    ("status", "plain", "early"),
    [
        (Status.FUNDED, TaskNotReady, TaskNotReady),
        (Status.ACCEPTED, TaskNotReady, TaskNotReady),
        (Status.SUBMITTED, TaskNotReady, None),
        (Status.CHALLENGED, TaskNotReady, None),
        (Status.CANCELLED, NoResult, NoResult),
        (Status.EXPIRED, NoResult, NoResult),
        (Status.VALID, None, None),
        (Status.INVALID, NoResult, NoResult),
        (Status.INCONCLUSIVE, None, None),
    ],
)
def test_a_result_is_read_where_there_is_one_that_stands(
    status: Status, plain: type[Exception] | None, early: type[Exception] | None
) -> None:
    for is_early, refused in ((False, plain), (True, early)):
        if refused is None:
            require_result(state(status), is_early)
            continue
        with pytest.raises(refused):
            require_result(state(status), is_early)


def test_nothing_is_refunded_exactly_where_the_provider_delivered_and_nobody_objected() -> None:
    refused = set()
    for status in Status:
        try:
            require_refundable(state(status))
        except NothingToRefund:
            refused.add(status)
    assert refused == {Status.SUBMITTED, Status.VALID}


def test_a_running_clock_is_told_with_its_end() -> None:
    lines = [what_runs(state(status)) for status in RUNNING]
    assert len(set(lines)) == 4 and all(line.endswith("until 2027-01-15 08:00:00 UTC") for line in lines)
