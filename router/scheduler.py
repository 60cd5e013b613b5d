"""Which tokens run next. Requests enter and leave between any two steps; long prompts are read in chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence as Sequence_
from dataclasses import dataclass

from moray.errors import ContextTooLong, ExpertUnavailable, MorayError, Overloaded
from moray.router.kv_cache import PagePool
from moray.router.sequence import Sequence
from moray.router.step import StepInputs, build_step


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    max_running: int = 64  # requests in one step
    max_waiting: int = 256  # requests that queue for pages or a place; more are refused
    max_step_tokens: int = 256  # prompt tokens and decoded tokens of one step
    expert_wait_s: float = 30.0  # how long a request waits for an expert that nobody serves


@dataclass(frozen=True, slots=True)
class Batch:
    sequences: tuple[Sequence, ...]
    num_tokens: tuple[int, ...]  # of each sequence in this step
    inputs: StepInputs

    def owners(self, rows: frozenset[int]) -> list[Sequence]:
        """Sequences that any of the step's ``rows`` belong to."""
        owners, end = [], 0
        for sequence, count in zip(self.sequences, self.num_tokens, strict=True):
            start, end = end, end + count
            if any(start <= row < end for row in rows):
                owners.append(sequence)
        return owners


def share_tokens(remaining: Sequence_[int], max_step_tokens: int) -> list[int]:
    """Tokens of each sequence in the next step: every decoding one gets its token, then prompts in order of arrival
    share what is left. Pure."""
    shares = [1 if count == 1 else 0 for count in remaining]
    left = max_step_tokens - sum(shares)
    for index, count in enumerate(remaining):
        if count > 1:
            shares[index] = min(count, max(left, 0))
            left -= shares[index]
    return shares


class Scheduler:
    def __init__(self, pool: PagePool, limits: SchedulerLimits) -> None:
        if limits.max_running > limits.max_step_tokens:
            raise ValueError("max_step_tokens must hold one token of each of max_running requests")
        self.pool, self.limits = pool, limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Raises Overloaded when the queue is full, ContextTooLong when the request can never fit."""
        if sequence.pages_to_reserve > self.pool.num_pages:
            raise ContextTooLong("prompt and max_tokens exceed this router's KV cache; lower max_tokens")
        if len(self.waiting) >= self.limits.max_waiting:
            raise Overloaded(f"{len(self.waiting)} requests are waiting already; try again later")
        self.waiting.append(sequence)

    def schedule(self, now: float, missing: frozenset[int]) -> Batch | None:
        """The next step, or None when nobody can move. ``missing`` are the experts without a live replica."""
        self._drop_cancelled()
        self._admit()
        self._give_up(now, missing)
        movable = [sequence for sequence in self.running if not sequence.waits_for & missing]
        shares = share_tokens([sequence.num_remaining for sequence in movable], self.limits.max_step_tokens)
        chosen = [(sequence, share) for sequence, share in zip(movable, shares, strict=True) if share]
        if not chosen:
            return None
        sequences, counts = zip(*chosen, strict=True)
        return Batch(sequences, counts, build_step([s.next_chunk(n) for s, n in chosen]))

    def advance(self, batch: Batch) -> list[Sequence]:
        """The step is done: its tokens are cached. Returns the sequences that now want their next token, in order."""
        wanting = []
        for sequence, count in zip(batch.sequences, batch.num_tokens, strict=True):
            sequence.num_cached += count
            sequence.waits_for, sequence.gives_up_at = frozenset(), None
            if sequence.num_remaining == 0:
                wanting.append(sequence)
        return wanting

    def hold(self, sequences: list[Sequence], experts: frozenset[int], now: float) -> None:
        """These cannot go on without ``experts``; their clock started when they first stopped."""
        for sequence in sequences:
            sequence.waits_for = experts
            if sequence.gives_up_at is None:
                sequence.gives_up_at = now + self.limits.expert_wait_s

    def remove(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.pool.give_back(sequence.pages)
        sequence.pages = []

    def fail(self, sequence: Sequence, error: MorayError) -> None:
        self.remove(sequence)
        sequence.emit(error)

    def fail_all(self, error: MorayError) -> None:
        for sequence in list(self.running):
            self.fail(sequence, error)
        while self.waiting:
            self.waiting.popleft().emit(error)

    def _drop_cancelled(self) -> None:
        for sequence in [s for s in self.running if s.is_cancelled]:
            self.remove(sequence)
        self.waiting = deque(s for s in self.waiting if not s.is_cancelled)

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.limits.max_running:
            if self.waiting[0].pages_to_reserve > self.pool.num_free:
                break
            sequence = self.waiting.popleft()
            sequence.pages = self.pool.take(sequence.pages_to_reserve)
            self.running.append(sequence)

    def _give_up(self, now: float, missing: frozenset[int]) -> None:
        for sequence in list(self.running):
            if sequence.gives_up_at is not None and now >= sequence.gives_up_at:
                names = ", ".join(str(expert) for expert in sorted(sequence.waits_for))
                waited = f"{self.limits.expert_wait_s:g} s"
                message = f"no replica of expert {names} answered within {waited}; try again later"
                self.fail(sequence, ExpertUnavailable(sequence.waits_for, message))
