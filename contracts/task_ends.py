"""What a task's state allows its client to take, and the line that says why not."""

from __future__ import annotations

from datetime import UTC, datetime

from moray.contracts.market import TaskState
from moray.contracts.tasks import Status
from moray.errors import NoResult, NothingToRefund, TaskNotReady

_RUNNING = {
    Status.FUNDED: "may be accepted",
    Status.ACCEPTED: "may be delivered",
    Status.SUBMITTED: "may be challenged",
    Status.CHALLENGED: "waits for its resolver",
}
_HAS_RESULT = (Status.VALID, Status.INCONCLUSIVE)


def require_result(state: TaskState, is_early: bool) -> None:
    """``is_early``: a result that can still be found wrong will do. Raises TaskNotReady, NoResult."""
    if state.status in _HAS_RESULT or (is_early and state.status in (Status.SUBMITTED, Status.CHALLENGED)):
        return
    if state.status is Status.INVALID:
        raise NoResult("the result was judged wrong; take the fee back with `moray task refund`")
    if state.status.is_final:
        raise NoResult(f"the task ended without a result ({show_status(state.status)}); `moray task refund` pays back")
    raise TaskNotReady(f"{what_runs(state)}; wait, or read what was submitted with --early")


def require_refundable(state: TaskState) -> None:
    """The client gets something back now or as soon as a clock has run out. Raises NothingToRefund."""
    if state.status in (Status.SUBMITTED, Status.VALID):
        raise NothingToRefund("the provider delivered, so nothing is refunded; read it with `moray task result`")


def what_runs(state: TaskState) -> str:
    """``state`` is none of the ends."""
    return f"the task {_RUNNING[state.status]} until {show_time(state.until)}"


def show_status(status: Status) -> str:
    return status.name.lower()


def show_time(seconds: int) -> str:
    """Unix seconds as people read them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
