"""An answer's tokens read again by somebody else's model, to see what it would have chosen at each place.

Teacher-forced: every place is judged given the tokens that the transcript has before it, so one early difference is one
difference. The answer is read like a prompt, many tokens a step, which gives the bits of generating it one by one
(batch invariance).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from moray.errors import MorayError
from moray.router.backbone import Backbone
from moray.router.deviation import token_gaps
from moray.router.forward import forward
from moray.router.kv_cache import LayerCache, pages_needed
from moray.router.step import Chunk, build_step
from moray.router.timings import Timings
from moray.router.transport import ExpertTransport
from moray.types import GenerationRequest

CHUNK_TOKENS = 64  # read in one step; with a vocabulary of 128K their logits take 33 MB


class ReplayOverflowed(MorayError):
    """The model's numbers are no numbers on this prompt, here at least."""

    code = "replay_overflowed"


@dataclass(frozen=True, slots=True)
class ReplayedToken:
    index: int  # in the answer
    token_id: int
    gap: float  # nats, see ``deviation``


async def replay(
    backbone: Backbone, experts: ExpertTransport, request: GenerationRequest, output_token_ids: Sequence[int]
) -> AsyncIterator[ReplayedToken]:
    """Each token of the answer in turn; leaving early saves the rest. All ids must be of the model's vocabulary, and
    prompt and answer within its context. Raises ReplayOverflowed, and what ``experts`` raises."""
    tokens, num_prompt = [*request.prompt, *output_token_ids], len(request.prompt)
    pages = range(pages_needed(len(tokens)))
    caches = [LayerCache(layer.attention.cache_spec(), len(pages)) for layer in backbone.layers]
    timings = Timings()
    for start in range(0, len(tokens) - 1, CHUNK_TOKENS):
        chunk = Chunk(tokens[start : min(start + CHUNK_TOKENS, len(tokens) - 1)], start, pages, wants_logits=False)
        first = max(start, num_prompt - 1)  # the first row whose next token is the answer's
        rows = np.arange(first - start, chunk.end - start, dtype=np.int64)
        output = await forward(backbone, caches, experts, replace(build_step([chunk]), logit_rows=rows), timings)
        if output.unsound_rows:
            raise ReplayOverflowed("the model's numbers overflow on this prompt")
        if not len(rows):
            continue
        claimed = tokens[first + 1 : chunk.end + 1]
        for index, gap in enumerate(token_gaps(output.logits, claimed, request.sampling, first + 1)):
            yield ReplayedToken(first + 1 - num_prompt + index, claimed[index], gap)
