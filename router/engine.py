"""The token loop: schedule -> forward -> sample -> emit, until nobody waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from time import perf_counter

from moray.errors import ContextTooLong, EngineStopped, GrammarStuck, MorayError
from moray.experts.compiled import Rows
from moray.router.backbone import Backbone
from moray.router.forward import forward
from moray.router.kv_cache import LayerCache, PagePool
from moray.router.masks import Masks, MaskThread, rows_masks
from moray.router.overlap import Overlap
from moray.router.sampling import next_tokens
from moray.router.scheduler import Scheduler, SchedulerLimits
from moray.router.sequence import Sequence
from moray.router.timings import Timings
from moray.router.transport import ExpertsMissing, ExpertTransport
from moray.types import OverlapMode

logger = logging.getLogger(__name__)

HELD_POLL_S = 0.02  # how often a loop whose requests all wait for experts looks again


class Engine:
    """One event loop owns it: every method but ``run`` returns without waiting and is called from that loop."""

    def __init__(
        self,
        backbone: Backbone,
        experts: ExpertTransport,
        *,
        num_pages: int,
        context_length: int,
        limits: SchedulerLimits | None = None,
        overlap: OverlapMode = "auto",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backbone, self.experts, self.clock = backbone, experts, clock
        self.context_length = context_length
        self.caches = [LayerCache(layer.attention.cache_spec(), num_pages) for layer in backbone.layers]
        self.scheduler = Scheduler(PagePool(num_pages), limits or SchedulerLimits())
        self.timings, self.overlap = Timings(), Overlap(overlap)
        self._mask_thread = MaskThread()
        self._has_work = asyncio.Event()
        self._is_stopped = False

    def submit(self, sequence: Sequence) -> None:
        """Raises ContextTooLong, Overloaded or EngineStopped; otherwise ``sequence.emit`` hears the outcome."""
        wanted = len(sequence.request.prompt) + sequence.request.sampling.max_tokens
        if wanted > self.context_length:
            raise ContextTooLong(
                f"prompt and max_tokens make {wanted} tokens, the context holds {self.context_length}; lower one"
            )
        if self._is_stopped:
            raise EngineStopped("the router is going down; try again later")
        self.scheduler.add(sequence)
        self._has_work.set()

    def cancel(self, sequence: Sequence) -> None:
        sequence.is_cancelled = True
        self._has_work.set()

    def stop(self) -> None:
        self._is_stopped = True
        self._has_work.set()

    async def run(self) -> None:
        while not self._is_stopped:
            if not self.scheduler.has_work:
                self._has_work.clear()
                await self._has_work.wait()
            elif await self.step():
                await asyncio.sleep(0)  # let sockets and submissions in between two steps
            else:
                await asyncio.sleep(HELD_POLL_S)
        self.scheduler.fail_all(EngineStopped("the router is going down; try again later"))
        self._mask_thread.stop()

    async def step(self) -> bool:
        """Move every request that can move; False when none could."""
        batch = self.scheduler.schedule(self.clock(), self.experts.missing())
        if batch is None:
            return False
        num_rows, started = len(batch.inputs.token_ids), perf_counter()
        num_parts = self.overlap.choose(num_rows)
        masks = self._mask_thread.begin(batch.wanting())
        try:
            output = await forward(self.backbone, self.caches, self.experts, batch.inputs, self.timings, num_parts)
        except ExpertsMissing as missing:
            self.scheduler.hold(batch.owners(missing.rows), missing.experts, self.clock())
        except Exception:
            logger.exception("a step failed; its requests are ended")
            self._fail(batch.sequences, "the router failed to compute this request; see its log")
        else:
            self.overlap.note(num_rows, num_parts, perf_counter() - started)
            unsound = batch.owners(output.unsound_rows) if output.unsound_rows else []
            self._emit(self.scheduler.advance(batch, unsound), output.logits, unsound, masks)
            self._fail(unsound, "the model's numbers overflowed on this request; change the prompt")
        return True

    def _emit(self, sequences: list[Sequence], logits: Rows, unsound: list[Sequence], masks: Future[Masks]) -> None:
        """Sample one token for each sequence from logits [B, V] and hand it over, but to ``unsound`` ones and to those
        whose grammar is stuck."""
        if not sequences:  # a step that only read prompts
            return
        started, ready = perf_counter(), masks.result()
        params = [sequence.request.sampling for sequence in sequences]
        positions = [len(sequence.tokens) for sequence in sequences]
        tokens = next_tokens(logits, params, positions, rows_masks(sequences, ready))
        for sequence, token in zip(sequences, tokens, strict=True):
            if sequence in unsound:
                continue
            try:
                if isinstance(mask := ready.get(sequence), GrammarStuck):
                    raise mask
                token = sequence.append(token)
            except GrammarStuck as stuck:
                self.scheduler.fail(sequence, stuck)
                continue
            if token.finish_reason is not None:
                self.scheduler.finish(sequence, self.clock())
            sequence.emit(token)
        self.timings.sample_s += perf_counter() - started

    def _fail(self, sequences: Iterable[Sequence], message: str) -> None:
        for sequence in sequences:
            self.scheduler.fail(sequence, MorayError(message))
