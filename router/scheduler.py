"""Which tokens run next. Requests enter and leave between any two steps; long prompts are read in chunks."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence as Sequence_
from dataclasses import asdict, dataclass
from itertools import chain

from moray.errors import ContextTooLong, ExpertUnavailable, MorayError
from moray.router.fairness import mean_service_s, retry_after_s, share_tokens
from moray.router.kv_cache import KV_PAGE_SIZE, PagePool, pages_needed
from moray.router.page_tables import PageTables
from moray.router.prefix_cache import PrefixCache
from moray.router.sequence import Sequence
from moray.router.step import StepInputs, build_step
from moray.router.waiting import BY_ARRIVAL, WaitingLine


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    max_running: int = 64  # requests in one step
    max_waiting: int = 256  # requests that queue for pages or a place; more are refused
    max_step_tokens: int = 256  # prompt tokens and decoded tokens of one step
    expert_wait_s: float = 30.0  # how long a request waits for an expert that nobody serves
    prefix_cache: bool = True  # whether requests take over each other's pages
    max_waiting_per_user: int = 128  # of those that queue


@dataclass(frozen=True, slots=True)
class Batch:
    sequences: tuple[Sequence, ...]
    num_tokens: tuple[int, ...]  # of each sequence in this step
    inputs: StepInputs

    def wanting(self) -> list[Sequence]:
        """Sequences whose next token this step makes known."""
        pairs = zip(self.sequences, self.num_tokens, strict=True)
        return [sequence for sequence, count in pairs if sequence.num_remaining == count]

    def owners(self, rows: frozenset[int]) -> list[Sequence]:
        """Sequences that any of the step's ``rows`` belong to."""
        owners, end = [], 0
        for sequence, count in zip(self.sequences, self.num_tokens, strict=True):
            start, end = end, end + count
            if any(start <= row < end for row in rows):
                owners.append(sequence)
        return owners


@dataclass(slots=True)
class SchedulerCounters:
    """Since the start."""

    num_preemptions: int = 0
    num_prefix_tokens: int = 0  # not read, since their pages were in the prefix cache
    num_prompt_tokens_read: int = 0  # read, some of them again after a preemption


class Scheduler:
    """Pages are taken as requests grow; when none is left, the request that arrived last gives its own back and waits.

    Its tokens stay, and are read again when there is room. So the oldest running request always moves. Pages are
    published when the step that filled them is done, and not written any more.
    """

    def __init__(self, pool: PagePool, limits: SchedulerLimits) -> None:
        if limits.max_running > limits.max_step_tokens:
            raise ValueError("max_step_tokens must hold one token of each of max_running requests")
        self.limits = limits
        self.pages = PrefixCache(pool)
        self.tables = PageTables(self.pages, limits.prefix_cache)
        self.waiting = WaitingLine(limits.max_waiting, limits.max_waiting_per_user)
        self.running: list[Sequence] = []  # in order of arrival
        self.num_arrived = 0
        self.counters = SchedulerCounters()
        self.mean_service_s: float | None = None  # how long requests keep their places

    def snapshot(self) -> dict[str, int]:
        """For those who watch; may be called from any thread."""
        return {
            "running": len(self.running),
            "waiting": len(self.waiting),
            "kv_pages": self.pages.num_pages,
            "kv_pages_free": self.pages.num_available,
            "kv_pages_idle": self.pages.num_idle,
            **asdict(self.counters),
        }

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Raises Overloaded when the queue is full or the user's part of it, ContextTooLong when the request can never
        fit."""
        if sequence.max_pages > self.pages.num_pages:
            raise ContextTooLong("prompt and max_tokens exceed this router's KV cache; lower max_tokens")
        self.waiting.add(sequence, retry_after_s(self.mean_service_s, len(self.waiting), self.limits.max_running))
        self.num_arrived += 1
        sequence.arrival = self.num_arrived

    def schedule(self, now: float, missing: frozenset[int]) -> Batch | None:
        """The next step, or None when nobody can move. ``missing`` are the experts without a live replica."""
        self._drop_cancelled(now)
        self._give_up(now, missing)
        if self.waiting and len(self.running) < self.limits.max_running:
            self._admit(now, missing)
        movable = [sequence for sequence in self.running if not sequence.waits_for & missing]
        chosen = self._take_pages(movable, self._share_tokens(movable))
        if not chosen:
            return None
        sequences, counts = zip(*chosen, strict=True)
        return Batch(sequences, counts, build_step([s.next_chunk(n) for s, n in chosen]))

    def advance(self, batch: Batch, unsound: Sequence_[Sequence] = ()) -> list[Sequence]:
        """The step is done: its tokens are cached. Returns the sequences that now want their next token, in order.
        Nobody else gets to see the pages of ``unsound`` ones, whose numbers overflowed in this step."""
        wanting = []
        for sequence, count in zip(batch.sequences, batch.num_tokens, strict=True):
            start = sequence.num_cached
            sequence.num_cached = end = start + count
            if sequence.gives_up_at is not None:
                sequence.waits_for, sequence.gives_up_at = frozenset(), None
            if start < sequence.num_prompt:
                self.counters.num_prompt_tokens_read += min(end, sequence.num_prompt) - start
            if end % KV_PAGE_SIZE < count and sequence not in unsound:  # it filled a page
                self.tables.publish(sequence, start)
            if end == len(sequence.tokens):
                wanting.append(sequence)
        return wanting

    def hold(self, sequences: list[Sequence], experts: frozenset[int], now: float) -> None:
        """These cannot go on without ``experts``; their clock started when they first stopped."""
        for sequence in sequences:
            sequence.waits_for = experts
            if sequence.gives_up_at is None:
                sequence.gives_up_at = now + self.limits.expert_wait_s

    def finish(self, sequence: Sequence, now: float) -> None:
        """A running request has got what it wanted, or its client has left."""
        if sequence.admitted_at is not None:
            self.mean_service_s = mean_service_s(self.mean_service_s, now - sequence.admitted_at)
        self.remove(sequence)

    def remove(self, sequence: Sequence) -> None:
        """A request ends, running or waiting."""
        where = self.running if sequence in self.running else self.waiting
        where.remove(sequence)
        self.tables.clear(sequence)

    def fail(self, sequence: Sequence, error: MorayError) -> None:
        self.remove(sequence)
        sequence.emit(error)

    def fail_all(self, error: MorayError) -> None:
        for sequence in [*self.running, *self.waiting]:
            self.fail(sequence, error)

    def _drop_cancelled(self, now: float) -> None:
        for sequence in [s for s in self.running if s.is_cancelled]:
            self.finish(sequence, now)
        if self.waiting:
            self.waiting.drop_cancelled()

    def _give_up(self, now: float, missing: frozenset[int]) -> None:
        """A held request's clock runs on while it is preempted."""
        held = chain(self.running, self.waiting.held(missing))
        for sequence in [s for s in held if s.gives_up_at is not None and now >= s.gives_up_at]:
            names = ", ".join(str(expert) for expert in sorted(sequence.waits_for))
            waited = f"{self.limits.expert_wait_s:g} s"
            message = f"no replica of expert {names} answered within {waited}; try again later"
            self.fail(sequence, ExpertUnavailable(sequence.waits_for, message))

    def _admit(self, now: float, missing: frozenset[int]) -> None:
        """Let in who fits with all tokens it has, once all that run have theirs and a page more each: whoever is let in
        with less is soon preempted, and all it read is lost."""
        num_promised = sum(sequence.num_lacking_pages for sequence in self.running)
        num_running = Counter(sequence.user for sequence in self.running)
        while len(self.running) < self.limits.max_running:
            sequence = self.waiting.first(num_running, missing)
            if sequence is None:
                return
            num_wanted = num_promised + self.tables.num_wanted(sequence)
            if num_wanted + len(self.running) > self.pages.num_available:
                return
            self.waiting.remove(sequence)
            insort(self.running, sequence, key=BY_ARRIVAL)
            num_running[sequence.user] += 1
            sequence.admitted_at = now if sequence.admitted_at is None else sequence.admitted_at
            self._reuse_pages(sequence)
            num_promised += sequence.num_lacking_pages

    def _share_tokens(self, movable: list[Sequence]) -> list[int]:
        """Tokens of each in the next step."""
        remaining = [sequence.num_remaining for sequence in movable]
        if max(remaining, default=0) <= 1:  # the usual step
            return remaining
        for sequence in movable:  # others may have written since what it reads next
            self._reuse_pages(sequence)
        remaining = [sequence.num_remaining for sequence in movable]
        return share_tokens(remaining, [sequence.user for sequence in movable], self.limits.max_step_tokens)

    def _reuse_pages(self, sequence: Sequence) -> None:
        num_tokens = self.tables.reuse(sequence)
        self.counters.num_prefix_tokens += num_tokens
        if sequence.num_preemptions == 0:  # what it finds later may be its own
            sequence.num_prefix_tokens += num_tokens

    def _take_pages(self, movable: list[Sequence], shares: list[int]) -> list[tuple[Sequence, int]]:
        """Sequences and their numbers of tokens in the next step, each with pages for them."""
        chosen = []
        for sequence, share in zip(movable, shares, strict=True):
            if not share:
                continue
            if sequence.num_cached + share > len(sequence.pages) * KV_PAGE_SIZE:
                count = pages_needed(sequence.num_cached + share) - len(sequence.pages)
                if not self._make_room(sequence, count):
                    break  # it has lost its own pages, and so have all that arrived after it
                self.tables.extend(sequence, count)
            chosen.append((sequence, share))
        return chosen

    def _make_room(self, sequence: Sequence, num_pages: int) -> bool:
        """Preempt those that arrived last, down to ``sequence`` itself. False when it does not run (any more)."""
        while self.running and self.running[-1].arrival >= sequence.arrival:
            if self.pages.num_available >= num_pages:
                return True
            self._preempt(self.running.pop())
        return False

    def _preempt(self, sequence: Sequence) -> None:
        self.tables.clear(sequence)
        sequence.num_preemptions += 1
        self.counters.num_preemptions += 1
        self.waiting.put_back(sequence)
