"""The scheduler without a model: cache slots remember which prefix they hold, and the next token follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Sequence_
from dataclasses import dataclass

from moray.errors import MorayError
from moray.router.kv_cache import KV_PAGE_SIZE, PagePool
from moray.router.scheduler import Batch, Scheduler, SchedulerLimits
from moray.router.sequence import Sequence
from moray.types import GeneratedToken, GenerationRequest, RequestId, SamplingParams

VOCAB = 3  # few tokens: prompts and answers have many prefixes in common
GARBAGE = 0


def request(prompt: Sequence_[int], max_tokens: int = 4, *, user: str = "", salt: str = "") -> GenerationRequest:
    return GenerationRequest(RequestId("r"), tuple(prompt), SamplingParams(max_tokens=max_tokens), user, salt)


def entries(tokens: Sequence_[int], salt: str) -> list[int]:
    """What is cached of each token, as a number: it depends on the token and all before it, and on the salt, so that a
    request which got another's entries is found out."""
    ids, last = [], len(salt) + 1
    for token in tokens:
        last = hash((last, token)) | 1
        ids.append(last)
    return ids


def next_token(tokens: Sequence_[int]) -> int:
    return entries(tokens, "")[-1] // 2 % VOCAB


def answer(asked: GenerationRequest) -> list[int]:
    """What a request says when it is alone."""
    tokens = list(asked.prompt)
    for _ in range(asked.sampling.max_tokens):
        tokens.append(next_token(tokens))
    return tokens[len(asked.prompt) :]


@dataclass(slots=True)
class Asked:
    sequence: Sequence
    heard: list[GeneratedToken | MorayError]

    @property
    def tokens(self) -> list[GeneratedToken]:
        return [item for item in self.heard if isinstance(item, GeneratedToken)]

    @property
    def said(self) -> list[int]:
        return [token.token_id for token in self.tokens]

    @property
    def has_failed(self) -> bool:
        return len(self.tokens) < len(self.heard)

    @property
    def is_finished(self) -> bool:
        return self.has_failed or any(token.finish_reason for token in self.tokens)


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

    def step(
        self, missing: frozenset[int] = frozenset(), *, is_broken: bool = False, is_unsound: bool = False
    ) -> Batch | None:
        """Odd arrivals need expert 0. ``is_broken``: the step fails after it wrote something; ``is_unsound``: the last
        request of the step overflows."""
        self.now += 1
        batch = self.scheduler.schedule(self.now, missing)
        self._check_pages()
        if batch is None:
            return None
        self._check_batch(batch)
        lacking = [sequence for sequence in batch.sequences if sequence.arrival % 2 and 0 in missing]
        unsound = list(batch.sequences[-1:]) if is_unsound else []
        self._write(batch, list(batch.sequences) if is_broken or lacking else unsound)
        if is_broken:
            self._fail(batch.sequences)
        elif lacking:
            self.scheduler.hold(lacking, frozenset({0}), self.now)
        else:
            for sequence in self.scheduler.advance(batch, unsound):
                if sequence not in unsound:
                    self._say(sequence)
            self._fail(unsound)
        return batch

    def finish(self, max_steps: int) -> None:
        while self.scheduler.has_work:
            max_steps -= 1
            assert max_steps, "requests do not come to an end"
            assert self.step() is not None, "nobody moves"

    def _say(self, sequence: Sequence) -> None:
        token = sequence.append(GeneratedToken(next_token(sequence.tokens)))
        if token.finish_reason is not None:
            self.scheduler.finish(sequence, self.now)
        sequence.emit(token)

    def _fail(self, sequences: Sequence_[Sequence]) -> None:
        for sequence in sequences:
            self.scheduler.fail(sequence, MorayError("broken"))

    def _write(self, batch: Batch, spoilt: list[Sequence]) -> None:
        slots = iter(batch.inputs.slots.tolist())
        for sequence, count in zip(batch.sequences, batch.num_tokens, strict=True):
            end = sequence.num_cached + count
            for entry in entries(sequence.tokens[:end], sequence.request.cache_salt)[sequence.num_cached :]:
                self._entries[next(slots)] = GARBAGE if sequence in spoilt else entry

    def _check_batch(self, batch: Batch) -> None:
        """What the step reads is what was written for these very tokens; what it writes belongs to one request."""
        for sequence in batch.sequences:
            cached = sequence.tokens[: sequence.num_cached]
            read = [
                self._entries[sequence.pages[position // KV_PAGE_SIZE] * KV_PAGE_SIZE + position % KV_PAGE_SIZE]
                for position in range(len(cached))
            ]
            assert read == entries(cached, sequence.request.cache_salt)
        written = {slot // KV_PAGE_SIZE for slot in batch.inputs.slots.tolist()}
        assert {self.scheduler.pages.num_holders[page] for page in written} == {1}
        assert len(batch.inputs.slots) <= self.scheduler.limits.max_step_tokens

    def _check_pages(self) -> None:
        scheduler, pages = self.scheduler, self.scheduler.pages
        held = Counter(page for sequence in scheduler.running for page in sequence.pages)
        assert pages.num_holders == [held[page] for page in range(pages.num_pages)]
        assert len(held) + pages.num_available == pages.num_pages
        assert not any(sequence.pages for sequence in scheduler.waiting)
        assert len(scheduler.running) <= scheduler.limits.max_running
        arrivals = [sequence.arrival for sequence in scheduler.running]
        assert arrivals == sorted(arrivals)
