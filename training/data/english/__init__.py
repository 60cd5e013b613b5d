"""English: every template and synonym (``grammar`` explains the marks)."""

from __future__ import annotations

from moray.training.data.english import (
    automations,
    frames,
    hidden,
    limits,
    mandates,
    moves,
    off_topic,
    questions,
    quotes,
    refusals,
    triggers,
    words,
)
from moray.training.data.grammar import Wording

_PURPOSES = (automations, frames, hidden, limits, mandates, moves, off_topic, questions, quotes, refusals, triggers)
ENGLISH = Wording("en", {k: v for part in _PURPOSES for k, v in part.TEMPLATES.items()}, words.WORDS)
