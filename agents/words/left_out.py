"""Names that the user wrote and an action does not hold: a recipient, a venue, a chain that fell by the way."""

from __future__ import annotations

import re

from moray.agents.words.names import ASSETS, CHAINS, OTHER_CHAINS, has_name

# A capital in the middle of a sentence, or Latin letters in a Chinese one. Who writes all in capitals names nothing so.
_ENGLISH = re.compile(r"(?<=[a-z0-9,;:] )[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*(?![A-Za-z0-9.'])")
_CHINESE = re.compile(r"(?<![0-9A-Za-z. ])[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*(?![0-9A-Za-z.])")
_CHAINS = (*CHAINS, *(name for names in CHAINS.values() for name in names), *OTHER_CHAINS)
_ON_CHAIN = re.compile(
    r"(?:(?<![a-z])(?:on|over|via|through|using|chain:?) (?:the )?|在|走|用|通过)"
    rf"(?P<name>{'|'.join(sorted(map(re.escape, _CHAINS), key=len, reverse=True))})(?![0-9A-Za-z/])",
    re.IGNORECASE,
)
_HAN = re.compile("[一-鿿]")
_NO_NAME = re.compile(
    "(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october|"
    "november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|am|pm|elver|ai",
    re.IGNORECASE,
)


def names_left_out(own_words: str, held: str) -> tuple[str, ...]:
    """``held``: all values of the action, as text."""
    pattern = _CHINESE if _HAN.search(own_words) else _ENGLISH
    known = " ".join((held, *(_also_called(held)))).lower()
    names = (match.group() for match in pattern.finditer(own_words))
    return tuple(dict.fromkeys(name for name in names if name.lower() not in known and not _NO_NAME.fullmatch(name)))


def chain_left_out(own_words: str, held: str) -> str | None:
    """A chain that the user asks to act on, and that the action does not hold."""
    known = " ".join((held, *_also_called(held))).lower()
    asked = (match["name"].lower() for match in _ON_CHAIN.finditer(own_words))
    return next((name for name in asked if name not in known), None)


def _also_called(held: str) -> list[str]:
    both = {**ASSETS, **CHAINS}
    return [name for value, names in both.items() if has_name(held, value) for name in (value, *names)]
