"""Templates and words to say things with, and how a sentence is made of them.

A template is a line of text with slots ``{amount}`` and words ``<verb>``; a word stands for any of its synonyms. Lines
and synonyms that begin with ``~`` are held out: they never occur in training and are what evaluation speaks with. A
line that begins with ``=`` is a whole sentence, which no frame ("could you ...") is put around.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
Split = Literal["train", "heldout"]

HELD_WORD_SHARE = 0.6  # in held-out templates, of the words that have held-out synonyms

MADE_UP_SHARE = 0.08  # of the words that the rest of the sentence gives away: so a new word is no riddle

_SMALL_TALK = frozenset({"pls", "thanks", "hey", "soon", "want"})
# A word is given away by slots beside it.
_GUESSABLE_VERBS: Mapping[str, frozenset[str]] = {
    "swap": frozenset({"pay", "get"}),
    "send": frozenset({"to", "asset"}),
}
_GUESSABLE: Mapping[Language, Mapping[str, frozenset[str]]] = {
    "en": {
        **_GUESSABLE_VERBS,
        **dict.fromkeys(("pls", "thanks", "hey", "soon"), frozenset()),
        "manage": frozenset({"risk", "horizon"}),
        "pool": frozenset({"asset", "other"}),
        "slippage": frozenset({"slippage"}),
        "portfolio": frozenset({"risk"}),
        "when": frozenset({"trigger", "then"}),
    },
    "zh": _GUESSABLE_VERBS,
}
_ONSETS = ("bl", "cr", "d", "fl", "gr", "j", "k", "pl", "sn", "spl", "tr", "v", "w", "z", "br", "h")
_CODAS = ("b", "ck", "ft", "g", "lk", "mp", "nk", "p", "rb", "sh", "st", "x", "zz", "ble", "nter")
_PART = re.compile(r"\{([a-z_]+)\}|<([a-z_.]+)>")


class Piece(NamedTuple):
    """A run of text. What a slot gave is not ``is_wording``: no typo or change of case may touch it."""

    text: str
    is_wording: bool = True


@dataclass(frozen=True)
class Template:
    """``parts``: text, ("slot", name) or ("word", name), in order."""

    source: str
    parts: tuple[str | tuple[str, str], ...]
    is_held: bool
    is_whole: bool

    @cached_property
    def slots(self) -> frozenset[str]:
        return frozenset(
            name for kind, name in (part for part in self.parts if isinstance(part, tuple)) if kind == "slot"
        )


@dataclass(frozen=True)
class Synonyms:
    train: tuple[str, ...]
    held: tuple[str, ...]


def parse_template(line: str) -> Template:
    marks = re.match("[~=]*", line)
    prefix = marks.group() if marks else ""
    parts: list[str | tuple[str, str]] = []
    text, end = line[len(prefix) :], 0
    for match in _PART.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        slot, word = match.groups()
        parts.append(("slot", slot) if slot else ("word", word))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return Template(text, tuple(parts), "~" in prefix, "=" in prefix)


def parse_synonyms(line: str) -> Synonyms:
    words = line.split("|")
    held = tuple(word[1:] for word in words if word.startswith("~"))
    return Synonyms(tuple(word for word in words if not word.startswith("~")), held)


class Wording:
    """All that one language says. ``templates`` by intent or purpose, one a line; ``words`` by name, split by ``|``."""

    def __init__(self, language: Language, templates: Mapping[str, str], words: Mapping[str, str]) -> None:
        self.language = language
        self.words = {name: parse_synonyms(line) for name, line in words.items()}
        lines = {name: [line.strip() for line in text.splitlines() if line.strip()] for name, text in templates.items()}
        parsed = {name: [parse_template(line) for line in listed] for name, listed in lines.items()}
        self._by_split: dict[Split, dict[str, tuple[Template, ...]]] = {
            "train": {name: tuple(t for t in listed if not t.is_held) for name, listed in parsed.items()},
            "heldout": {name: tuple(t for t in listed if t.is_held) for name, listed in parsed.items()},
        }
        self.held_words = frozenset(word for synonyms in self.words.values() for word in synonyms.held)

    def templates(self, name: str, split: Split) -> tuple[Template, ...]:
        return self._by_split[split].get(name, ())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_split["train"])

    def with_held_words(self, name: str) -> tuple[Template, ...]:
        """Templates of training that say something new when each of their words is a held-out synonym."""
        return tuple(
            template
            for template in self.templates(name, "train")
            if any(
                isinstance(part, tuple) and part[0] == "word" and self._is_telling(part[1]) for part in template.parts
            )
        )

    def _is_telling(self, word: str) -> bool:
        return word not in _SMALL_TALK and bool(self.words[word].held)

    def word(self, name: str, split: Split, rng: random.Random, held_share: float = HELD_WORD_SHARE) -> str:
        synonyms = self.words[name]
        wants_held = split == "heldout" and synonyms.held and rng.random() < held_share
        return rng.choice(synonyms.held if wants_held else synonyms.train)


def _made_up(language: Language, rng: random.Random) -> str:
    """A word that nobody knows; in Chinese a verb."""
    if language == "zh":
        return "".join(rng.sample("弄挪搞拨移倒调递送腾搬捎抬拎翻绕", 2))
    return rng.choice(_ONSETS) + rng.choice("aeiou") + rng.choice(_CODAS)


def fill(
    template: Template, wording: Wording, split: Split, rng: random.Random, slot: Callable[[str], Sequence[Piece]]
) -> list[Piece]:
    """The template's text; ``slot`` gives what stands for a name. In held-out text, a template of training speaks with
    held-out words only."""
    held_share = HELD_WORD_SHARE if template.is_held else 1.0
    pieces: list[Piece] = []
    for part in template.parts:
        if isinstance(part, str):
            pieces.append(Piece(part))
        elif part[0] == "slot":
            pieces.extend(slot(part[1]))
        else:
            word = wording.word(part[1], split, rng, held_share)
            given_away = _GUESSABLE[wording.language].get(part[1])
            is_guessable = given_away is not None and given_away <= template.slots
            if split == "train" and is_guessable and rng.random() < MADE_UP_SHARE:
                made_up = _made_up(wording.language, rng)
                word = word if made_up in wording.held_words else made_up
            pieces.append(Piece(word))
    return pieces
