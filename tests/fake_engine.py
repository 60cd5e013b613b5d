"""The scheduler without a model: cache slots remember which prefix they hold, and the next token follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Sequence_
from dataclasses import dataclass, replace

from moray.errors import MorayError
from moray.router.kv_cache import KV_PAGE_SIZE, PagePool
from moray.router.scheduler import Batch, Scheduler, SchedulerLimits
from moray.router.sequence import Sequence
from moray.types import GeneratedToken, GenerationRequest, RequestId, SamplingParams

VOCAB = 3  # few tokens: prompts and answers have many prefixes in common
GARBAGE = 0


def prefix_ids(tokens: Sequence_[int]) -> list[int]:
    """What each token's cache entry depends on: the token and all before it, as one number."""
    ids, last = [], 1
    for token in tokens:
        last = hash((last, token)) | 1
        ids.append(last)
    return ids


def next_token(tokens: Sequence_[int]) -> int:
    return prefix_ids(tokens)[-1] // 2 % VOCAB


def answer(request: GenerationRequest) -> list[int]:
    """What a request says when it is alone."""
    tokens = list(request.prompt)
    for _ in range(request.sampling.max_tokens):
        tokens.append(next_token(tokens))
    return tokens[len(request.prompt) :]


def request(prompt: Sequence_[int], max_tokens: int = 4) -> GenerationRequest:
    return GenerationRequest(RequestId("r"), tuple(prompt), SamplingParams(max_tokens=max_tokens))


@dataclass(slots=True)
class Asked:
    sequence: Sequence
    heard: list[GeneratedToken | MorayError]

    @property
    def said(self) -> list[int]:
        return [item.token_id for item in self.heard if isinstance(item, GeneratedToken)]

    @property
    def has_failed(self) -> bool:
        return any(isinstance(item, MorayError) for item in self.heard)

    @property
    def is_finished(self) -> bool:
        return self.has_failed or any(item.finish_reason for item in self.heard if isinstance(item, GeneratedToken))


class FakeEngine:
    """Does in ``step`` what the engine does, and checks before every step that no page is lost, shared for writing or
    holds anything but what its readers expect."""

    def __init__(self, num_pages: int, limits: SchedulerLimits | None = None) -> None:
        self.scheduler = Scheduler(PagePool(num_pages), limits or SchedulerLimits())
        self.asked: list[Asked] = []
        self.now = 0.0
        self._entries = [GARBAGE] * (num_pages * KV_PAGE_SIZE)

    def submit(self, asked: GenerationRequest) -> Asked:
        heard: list[GeneratedToken | MorayError] = []
        sequence = Sequence(asked, heard.append)
        self.scheduler.add(sequence)
        self.asked.append(Asked(sequence, heard))
        return self.asked[-1]

    def step(self, missing: frozenset[int] = frozenset(), *, is_broken: bool = False) -> Batch | None:
        """``is_broken`` fails the step after it wrote something; odd arrivals need expert 0."""
        self.now += 1
        batch = self.scheduler.schedule(self.now, missing)
        self._check_pages()
        if batch is None:
            return None
        self._check_batch(batch)
        lacking = [s for s in batch.sequences if s.arrival % 2 and 0 in missing]
        if is_broken or lacking:
            for slot in batch.inputs.slots.tolist():
                self._entries[slot] = GARBAGE
        if is_broken:
            for sequence in batch.sequences:
                self.scheduler.fail(sequence, MorayError("broken"))
        elif lacking:
            self.scheduler.hold(lacking, frozenset({0}), self.now)
        else:
            self._write(batch)
            for sequence in self.scheduler.advance(batch):
                self._say(sequence)
        return batch

    def finish(self, max_steps: int) -> None:
        while self.scheduler.has_work:
            max_steps -= 1
            assert max_steps, "requests do not come to an end"
            assert self.step() is not None, "nobody moves"

    def _say(self, sequence: Sequence) -> None:
        token = GeneratedToken(next_token(sequence.tokens))
        reason = sequence.finish_reason_of(token.token_id)
        sequence.tokens.append(token.token_id)
        if reason is not None:
            self.scheduler.remove(sequence)
        sequence.emit(replace(token, finish_reason=reason))

    def _write(self, batch: Batch) -> None:
        start = 0
        slots = batch.inputs.slots.tolist()
        for sequence, count in zip(batch.sequences, batch.num_tokens, strict=True):
            ids = prefix_ids(sequence.tokens)[sequence.num_cached : sequence.num_cached + count]
            for slot, entry in zip(slots[start : start + count], ids, strict=True):
                self._entries[slot] = entry
            start += count

    def _check_batch(self, batch: Batch) -> None:
        """What the step reads is what was written for these very tokens; what it writes belongs to one request."""
        for sequence in batch.sequences:
            ids = prefix_ids(sequence.tokens[: sequence.num_cached])
            read = [self._slot(sequence, position) for position in range(sequence.num_cached)]
            assert [self._entries[slot] for slot in read] == ids
        holders = Counter(page for sequence in self.scheduler.running for page in sequence.pages)
        assert {holders[slot // KV_PAGE_SIZE] for slot in batch.inputs.slots.tolist()} == {1}
        assert len(batch.inputs.slots) <= self.scheduler.limits.max_step_tokens

    def _check_pages(self) -> None:
        scheduler = self.scheduler
        held = [page for sequence in scheduler.running for page in sequence.pages]
        assert not any(sequence.pages for sequence in scheduler.waiting)
        assert len(set(held)) + scheduler.pool.num_free == scheduler.pool.num_pages
        assert len(scheduler.running) <= scheduler.limits.max_running
        arrivals = [sequence.arrival for sequence in scheduler.running]
        assert arrivals == sorted(arrivals)

    def _slot(self, sequence: Sequence, position: int) -> int:
        return sequence.pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE
