"""The known-answer test: a replica gets work only once it has answered rows whose outputs the router has computed
itself. It proves an exact kernel and the right weights at that moment, not identity and not capacity.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from moray.errors import JoinRefused
from moray.experts.compiled import Array
from moray.experts.right_answers import fresh_rows, is_right
from moray.experts.row_format import row_format
from moray.experts.source import ModelSource
from moray.experts.weights import pack_expert
from moray.router.uplink import Answer, DispatchFailed, Uplink

TIMEOUT_S = 20.0  # of one answer


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    expert: int
    layer: int
    rows: Array  # [R, W] as they travel
    answer: Array  # [R, W]


class KnownAnswers:
    """Rows and layer are fresh for every join, so that no answer is of use a second time."""

    def __init__(self, source: ModelSource) -> None:
        self._source, self._rows = source, row_format(source.numeric_class)
        self._layers = sorted(source.architecture.moe_layers)
        self._pool = ThreadPoolExecutor(1, "known-answers")  # one expert's weights in memory at a time

    async def examine(self, uplink: Uplink) -> None:
        """Ask about every expert of the uplink's Join. Raises JoinRefused with ``wrong_answer`` or ``no_answer``."""
        assert uplink.join is not None
        for expert in uplink.join.experts:
            question = await asyncio.get_running_loop().run_in_executor(self._pool, self.question, expert)
            for start in range(0, len(question.rows), uplink.max_rows):  # in parts for who takes no more at once
                part = slice(start, start + uplink.max_rows)
                outputs = await _ask(uplink, question, part)
                if isinstance(outputs, DispatchFailed):
                    raise JoinRefused(
                        "no_answer", f"expert {expert} gave no answer to the known-answer test: {outputs}"
                    )
                if not is_right(outputs, question.answer[part]):
                    raise JoinRefused(
                        "wrong_answer",
                        f"expert {expert} of layer {question.layer} computes wrongly; "
                        "check the shard with `moray model inspect` and the machine's memory",
                    )

    def question(self, expert: int) -> Question:
        rng = np.random.default_rng(secrets.randbits(128))
        layer = int(rng.choice(self._layers))
        rows = self._rows.encode(fresh_rows(rng, self._source.architecture.hidden_size))
        compute = pack_expert({layer: self._source.expert(expert)[layer]})[layer]
        return Question(expert, layer, rows, compute(rows))


async def _ask(uplink: Uplink, question: Question, part: slice) -> Answer:
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def take(answer: Answer) -> None:
        if not answered.done():
            answered.set_result(answer)

    rows = question.rows[part]
    uplink.dispatch(question.layer, [(question.expert, len(rows))], list(range(len(rows))), rows, TIMEOUT_S, take)
    return await answered
