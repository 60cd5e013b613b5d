"""What fingers do to a sentence: case, typos, full stops. It touches wording only, never what a slot gave."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from moray.training.data.grammar import Language, Piece

TYPO_SHARE = 0.15  # of English sentences
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_WORD = re.compile("[a-z]{4,}")


def roughen(pieces: Sequence[Piece], language: Language, held_words: frozenset[str], rng: random.Random) -> str:
    """The sentence's text. A typo never makes one of ``held_words``."""
    if language == "zh":
        text = "".join(piece.text for piece in pieces).strip()
        return text + rng.choice(("", "", "。", "！")) if text[-1:] not in "。？！?" else text
    if rng.random() < TYPO_SHARE:
        pieces = _with_typo(pieces, held_words, rng)
    style = rng.random()
    if style < 0.04:
        pieces = [Piece(piece.text.upper()) if piece.is_wording else piece for piece in pieces]
    text = re.sub(r" +([,.?!;:](?!\d)|$)", r"\1", re.sub(" {2,}", " ", "".join(piece.text for piece in pieces))).strip()
    if 0.04 <= style < 0.5 and pieces and pieces[0].is_wording:
        text = text[:1].upper() + text[1:]
    return text + rng.choice(("", "", ".", "!" if style < 0.1 else ".")) if text[-1:] not in ".?!" else text


def _with_typo(pieces: Sequence[Piece], held_words: frozenset[str], rng: random.Random) -> Sequence[Piece]:
    places = [
        (index, match) for index, piece in enumerate(pieces) if piece.is_wording for match in _WORD.finditer(piece.text)
    ]
    if not places:
        return pieces
    index, match = rng.choice(places)
    word = _misspelt(match.group(), rng)
    if word in held_words:
        return pieces
    text = pieces[index].text
    changed = list(pieces)
    changed[index] = Piece(text[: match.start()] + word + text[match.end() :])
    return changed


def _misspelt(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    way = rng.randrange(4)
    if way == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if way == 1:
        return word[:place] + word[place + 1 :]
    if way == 2:
        return word[:place] + word[place] + word[place:]
    return word[:place] + rng.choice(_NEIGHBOURS[word[place]]) + word[place + 1 :]
