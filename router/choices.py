"""The choices of one HTTP request, generated side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from moray.router.choice_text import ChoiceText, Piece, join_pieces
from moray.router.gateway_metrics import GatewayMetrics
from moray.router.generator import Generator, close_tokens
from moray.types import GenerationRequest

PieceOrError = tuple[int, Piece] | Exception  # (choice index, its next piece)


async def generate_choices(
    generator: Generator,
    requests: Sequence[GenerationRequest],
    texts: Sequence[ChoiceText],
    metrics: GatewayMetrics,
) -> AsyncGenerator[dict[int, Piece], None]:
    """Yield what is ready, per choice index, until all have finished.

    Raises the first error of any choice, after what came before it. Closing this generator, or cancelling the
    task that awaits it, cancels all choices and waits until their token streams are closed.
    """
    ready: asyncio.Queue[PieceOrError] = asyncio.Queue()
    tasks = [
        asyncio.create_task(_run_choice(index, generator, request, text, ready, metrics))
        for index, (request, text) in enumerate(zip(requests, texts, strict=True))
    ]
    num_unfinished = len(tasks)
    try:
        while num_unfinished:
            pieces, error = await _take_ready(ready)
            if pieces:
                yield pieces
            if error is not None:
                raise error
            num_unfinished -= sum(piece.finish_reason is not None for piece in pieces.values())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def collect_choices(batches: AsyncGenerator[dict[int, Piece], None], num_choices: int) -> list[Piece]:
    """Each choice as one piece, in index order; raises as ``generate_choices``."""
    collected: list[list[Piece]] = [[] for _ in range(num_choices)]
    async with aclosing(batches):
        async for batch in batches:
            for index, piece in batch.items():
                collected[index].append(piece)
    return [join_pieces(pieces) for pieces in collected]


async def _take_ready(ready: asyncio.Queue[PieceOrError]) -> tuple[dict[int, Piece], Exception | None]:
    """Wait for one item, take all that are there; pieces of one choice become one."""
    pieces: dict[int, list[Piece]] = {}
    error: Exception | None = None
    item = await ready.get()
    while True:
        if isinstance(item, Exception):
            error = item
            break
        pieces.setdefault(item[0], []).append(item[1])
        if ready.empty():
            break
        item = ready.get_nowait()
    return {index: join_pieces(parts) for index, parts in pieces.items()}, error


async def _run_choice(
    index: int,
    generator: Generator,
    request: GenerationRequest,
    text: ChoiceText,
    ready: asyncio.Queue[PieceOrError],
    metrics: GatewayMetrics,
) -> None:
    """Put the choice's pieces on the queue, or the error that ended it, and close its token stream."""
    previous, histogram = time.perf_counter(), metrics.first_token_s
    tokens = generator.generate(request)
    try:
        async for token in tokens:
            now = time.perf_counter()
            histogram.observe(now - previous)
            previous, histogram = now, metrics.between_tokens_s
            metrics.generated_tokens.inc()
            piece = text.push(token)
            if piece is not None:
                ready.put_nowait((index, piece))
                if piece.finish_reason is not None:
                    return
        raise RuntimeError("the token stream ended without a finish reason")
    except Exception as error:
        ready.put_nowait(error)
    finally:
        await close_tokens(tokens)
