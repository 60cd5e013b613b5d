"""Requests that wait for pages or a place: a bounded queue, and ahead of it those that lost their pages."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from moray.errors import Overloaded, UserQueueFull
from moray.router.fairness import next_in_line
from moray.router.sequence import Sequence

BY_ARRIVAL: Callable[[Sequence], int] = attrgetter("arrival")


class WaitingLine:
    """Preempted requests first: they have been admitted before, and their clients have tokens of them already."""

    def __init__(self, max_waiting: int, max_waiting_per_user: int) -> None:
        """These bound the new ones; a preempted request is never turned away."""
        self.max_waiting, self.max_waiting_per_user = max_waiting, max_waiting_per_user
        self._preempted: list[Sequence] = []  # both in order of arrival
        self._new: deque[Sequence] = deque()

    def __len__(self) -> int:
        return len(self._preempted) + len(self._new)

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._preempted
        yield from self._new

    def add(self, sequence: Sequence, retry_after_s: int) -> None:
        """Raises Overloaded when the queue is full, UserQueueFull when the user has its part of it already."""
        if len(self._new) >= self.max_waiting:
            raise Overloaded(f"{len(self._new)} requests are waiting already; try again later", retry_after_s)
        num_own = sum(waiting.user == sequence.user for waiting in self._new)
        if num_own >= self.max_waiting_per_user:
            raise UserQueueFull(f"{num_own} of your requests are waiting already; try again later", retry_after_s)
        self._new.append(sequence)

    def put_back(self, sequence: Sequence) -> None:
        """Of a preempted request."""
        insort(self._preempted, sequence, key=BY_ARRIVAL)

    def held(self, missing: frozenset[int]) -> list[Sequence]:
        """Preempted ones that could not go on if they were let in, for want of ``missing`` experts."""
        return [sequence for sequence in self._preempted if sequence.waits_for & missing]

    def first(self, num_running: Mapping[str, int], missing: frozenset[int]) -> Sequence | None:
        """Who is let in next, given each user's running requests; not those who are held, since they would only keep
        pages from others."""
        for sequence in self._preempted:
            if not sequence.waits_for & missing:
                return sequence
        return next_in_line(self._new, num_running)

    def remove(self, sequence: Sequence) -> None:
        if sequence in self._preempted:
            self._preempted.remove(sequence)
        else:
            self._new.remove(sequence)

    def drop_cancelled(self) -> None:
        self._preempted = [sequence for sequence in self._preempted if not sequence.is_cancelled]
        self._new = deque(sequence for sequence in self._new if not sequence.is_cancelled)
