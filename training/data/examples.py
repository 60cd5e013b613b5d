"""Training examples without end: number ``index`` of a seed and split is one function of the three.

So a run that resumes needs to know no more than how many examples it has read, and several readers can share out the
numbers. Held-out examples speak with templates and synonyms that never occur in training (``grammar``).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from moray import actions as a
from moray.training.data import plain
from moray.training.data.explain import IGNORED, QUOTED, explain
from moray.training.data.grammar import Language, Split
from moray.training.data.noise import roughen
from moray.training.data.requests import REQUIRED, Said, Speaker

CHINESE_SHARE = 0.4
SYSTEM_SHARE = 0.05  # of the examples; most requests come without a system message
# Of 100 examples, so many are ...
KINDS: Mapping[str, int] = {
    "move": 36,
    "clarify": 9,
    "automation": 12,
    "automation_clarify": 4,
    "quote": 4,
    "mandate": 4,
    "question": 7,
    "refuse": 6,
    "unclear": 2,
    "noise": 1,
    "hidden": 6,
    "dialogue": 3,
    "plain": 6,
}
_MOVES = "swap swap swap transfer transfer stake unstake deposit withdraw add_liquidity remove_liquidity".split()
_TOPICS = "explain explain explain balance portfolio history health gas yield".split()
_REASONS = "secret theft evasion manipulation unlimited bypass off_topic".split()
_SYSTEM: Mapping[Language, tuple[str, ...]] = {
    "en": ("You turn requests into actions.", "Answer with an action and one sentence.", "You are Elver."),
    "zh": ("你把请求变成动作。", "用一个动作和一句话回答。"),
}


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # system, user or assistant
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation that ends with the assistant's answer, whose action is ``action``; or, of kind "plain", ``text``
    alone. ``template`` is the source of the last request's main template, ``injected`` the words in it that are not the
    user's own."""

    kind: str
    language: Language
    messages: tuple[Message, ...] = ()
    action: a.Action | None = None
    template: str = ""
    injected: str = ""
    text: str = ""


def example(seed: int, split: Split, index: int) -> Example:
    """Costs some 0.1 ms."""
    rng = random.Random(f"{seed}:{split}:{index}")
    language: Language = "zh" if rng.random() < CHINESE_SHARE else "en"
    (kind,) = rng.choices(tuple(KINDS), tuple(KINDS.values()))
    if kind == "plain":
        return Example(kind, language, text=plain.paragraph(language, split, rng))
    speaker = Speaker(language, split, rng)
    system = (Message("system", rng.choice(_SYSTEM[language])),) if rng.random() < SYSTEM_SHARE else ()
    said = _SPOKEN[kind](speaker)
    user = roughen(speaker.dressed(said), language, speaker.wording.held_words, rng)
    messages = (*system, Message("user", user), Message("assistant", answer(said, language)))
    action = said.action
    if kind == "dialogue" and isinstance(action, a.Clarify) and action.want is not None:
        pieces, action = speaker.reply(action.want, action.missing, said.values)
        reply = roughen(pieces, language, speaker.wording.held_words, rng)
        messages = (*messages, Message("user", reply), Message("assistant", _answer(action, explain(action, language))))
    return Example(kind, language, messages, action, said.template, said.injected)


def examples(seed: int, split: Split, start: int = 0, step: int = 1) -> Iterator[Example]:
    """Example ``start``, ``start + step``, and so on, without end."""
    return (example(seed, split, index) for index in itertools.count(start, step))


def answer(said: Said, language: Language) -> str:
    """What the assistant writes: the action's JSON, a line end, one sentence."""
    if said.term is not None:
        return _answer(said.action, plain.definition(said.term, language))
    if said.injected and isinstance(said.action, a.Question):
        return _answer(said.action, QUOTED[language])
    return _answer(said.action, explain(said.action, language) + (IGNORED[language] if said.injected else ""))


def _answer(action: a.Action, sentence: str) -> str:
    return f"{a.canonical(action)}\n{sentence}"


def _incomplete(speaker: Speaker) -> Said:
    return speaker.request(speaker.rng.choice((*_MOVES, "quote", "mandate")), is_complete=False)


def _dialogue(speaker: Speaker) -> Said:
    """Of intents whose missing fields a short reply can name."""
    return speaker.request(speaker.rng.choice([name for name in REQUIRED if name != "quote"]), is_complete=False)


_SPOKEN: Mapping[str, Callable[[Speaker], Said]] = {
    "move": lambda speaker: speaker.request(speaker.rng.choice(_MOVES)),
    "clarify": _incomplete,
    "automation": lambda speaker: speaker.automation(),
    "automation_clarify": lambda speaker: speaker.automation(speaker.rng.choice(("when", "value", "then", "move"))),
    "quote": lambda speaker: speaker.request("quote"),
    "mandate": lambda speaker: speaker.request("mandate"),
    "question": lambda speaker: speaker.question(speaker.rng.choice(_TOPICS)),
    "refuse": lambda speaker: speaker.refused(speaker.rng.choice(_REASONS)),
    "unclear": lambda speaker: speaker.unclear(),
    "noise": lambda speaker: speaker.noise(),
    "hidden": lambda speaker: speaker.hidden(speaker.rng.choice(("hidden", "hidden", "hidden.ask", "hidden.alone"))),
    "dialogue": _dialogue,
}
