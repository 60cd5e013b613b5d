"""The masks of a step's next tokens, computed in a thread while the experts work.

A grammar's state is known as soon as its last token is. Computing its mask takes microseconds to milliseconds without
the GIL, a step as long or longer, most of it in kernels or waiting.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Sequence_
from concurrent.futures import Future, ThreadPoolExecutor

from moray.errors import GrammarStuck
from moray.router.sequence import Sequence
from moray.types import Grammar, Mask

Masks = dict[Sequence, Mask | GrammarStuck]
NO_MASKS: Future[Masks] = Future()
NO_MASKS.set_result({})


def rows_masks(sequences: Sequence_[Sequence], masks: Masks) -> dict[int, Mask]:
    """By their place among ``sequences``."""
    places = {row: masks.get(sequence) for row, sequence in enumerate(sequences)} if masks else {}
    return {row: mask for row, mask in places.items() if isinstance(mask, bytes)}


class MaskThread:
    """One thread, so that a step which failed has let go of its grammars before the next one looks at them."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "masks")  # starts with its first work

    def begin(self, sequences: Iterable[Sequence]) -> Future[Masks]:
        """Of those that have a grammar, which nobody else may touch until the result is there."""
        grammars = {sequence: sequence.grammar for sequence in sequences if sequence.grammar is not None}
        return self._thread.submit(_masks, grammars) if grammars else NO_MASKS

    def stop(self) -> None:
        self._thread.shutdown()


def _masks(grammars: dict[Sequence, Grammar]) -> Masks:
    return {sequence: _mask(grammar) for sequence, grammar in grammars.items()}


def _mask(grammar: Grammar) -> Mask | GrammarStuck:
    try:
        return grammar.mask()
    except GrammarStuck as stuck:
        return stuck
