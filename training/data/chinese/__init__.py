"""Chinese: every template and synonym (``grammar`` explains the marks)."""

from __future__ import annotations

from moray.training.data.chinese import (
    automations,
    deposits,
    frames,
    hidden,
    mandates,
    moves,
    questions,
    refusals,
    triggers,
    words,
)
from moray.training.data.grammar import Wording

_PURPOSES = (automations, deposits, frames, hidden, mandates, moves, questions, refusals, triggers)
CHINESE = Wording("zh", {k: v for part in _PURPOSES for k, v in part.TEMPLATES.items()}, words.WORDS)
