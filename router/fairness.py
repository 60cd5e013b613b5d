"""Who gets how much when there is not enough for all. Pure functions over snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Protocol, TypeVar

SHORTEST_RETRY_S, LONGEST_RETRY_S = 1, 60
NEWEST_WEIGHT = 0.1  # of the last request in the mean service time


class InLine(Protocol):
    """A waiting request."""

    @property
    def user(self) -> str: ...

    @property
    def arrival(self) -> int: ...


W = TypeVar("W", bound=InLine)


def fill_evenly(wants: Sequence[int], budget: int) -> list[int]:
    """Shares of ``budget``, at most what each wants: nobody could get more without taking from one who has no more than
    one unit above (max-min fairness in whole units). What cannot be divided goes to the first."""
    shares = [0] * len(wants)
    hungry = [index for index, want in enumerate(wants) if want]
    while hungry and budget:
        part = max(1, budget // len(hungry))
        for index in hungry:
            given = min(part, wants[index] - shares[index], budget)
            shares[index] += given
            budget -= given
        hungry = [index for index in hungry if shares[index] < wants[index]]
    return shares


def share_tokens(remaining: Sequence[int], users: Sequence[str], max_step_tokens: int) -> list[int]:
    """Tokens of each running request in the next step, given how many each has to read, in order of arrival.

    Every decoding one gets its token. What is left is filled up evenly between the users who have prompts to read, so
    that a long prompt cannot keep another user's short one waiting; a user's prompts get it in order of arrival.
    """
    shares = [1 if count == 1 else 0 for count in remaining]
    wants: dict[str, int] = {}
    for count, user in zip(remaining, users, strict=True):
        if count > 1:
            wants[user] = wants.get(user, 0) + count
    left = dict(zip(wants, fill_evenly(list(wants.values()), max_step_tokens - sum(shares)), strict=True))
    for index, count in enumerate(remaining):
        if count > 1:
            shares[index] = min(count, left[users[index]])
            left[users[index]] -= shares[index]
    return shares


def next_in_line(waiting: Iterable[W], num_running: Mapping[str, int]) -> W | None:
    """The request of the user with the fewest running ones, the earliest among equals."""
    return min(waiting, key=lambda one: (num_running.get(one.user, 0), one.arrival), default=None)


def mean_service_s(mean: float | None, latest: float) -> float:
    """Exponential mean of how long requests keep their places; ``mean`` is None before the first."""
    return latest if mean is None else mean + NEWEST_WEIGHT * (latest - mean)


def retry_after_s(mean: float | None, num_waiting: int, max_running: int) -> int:
    """After how many seconds a request that is refused now would find a place: ``num_waiting`` come before it, and of
    ``max_running`` places one gets free every ``mean / max_running`` seconds."""
    expected = (mean or 0.0) * (num_waiting + 1) / max_running
    return min(max(ceil(expected), SHORTEST_RETRY_S), LONGEST_RETRY_S)
