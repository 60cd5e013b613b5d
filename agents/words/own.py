"""Which of the words in a message are its sender's own: what they quote, forward or read out is somebody else's.

It errs to one side: the user's words taken for a stranger's cost a question back, the other way round money.
So a quotation reaches from its first mark to the last, for what is quoted may have such marks itself, and a header
("memo:") claims all that follows it.
"""

from __future__ import annotations

import re
import unicodedata

MAX_SAID_CHARS = 8192  # of one message
GAP = "\n"  # stands for what was taken out, so that what is left on either side does not grow together
QUOTED = ' "…" '  # the same where a model reads it

_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("‘", "’"), ("`", "`"))
_PAIRS = (*_QUOTES, ("{", "}"), ("/*", "*/"))  # the last are what programs write and people do not
# An apostrophe stands behind a letter or before one; a quotation opens before a word and behind none.
_SINGLE = re.compile(r"(?<![0-9A-Za-z])'(?=\S).*(?:(?<=\S)'(?![0-9A-Za-z])|$)", re.DOTALL)
_HEADER = (
    "memo|note|invoice|subject(?! to)|description|(?:token|contract|file)(?:'s)? name|nft|website|web ?page|"
    "(?:tool|search) (?:result|output)s?|message(?! me)|email(?! me)|tweet|comment|document|attach(?:ment|ed)|pasted|"
    "forwarded|quoted|备注|附言|代币名称?|网站|发票|(?:[一-鿿]{1,4}的)?(?:简介|描述)|主题|消息|留言|邮件|工具结果"
)
_BRACKETS = re.compile(rf"\([^()]*(?:{_HEADER})[^()]*:.*\)|\([^()]*(?:{_HEADER})[^()]*:.*$", re.DOTALL | re.IGNORECASE)
_TAGGED = re.compile(r"<[a-z/!|].*(?:>|$)|\[.{32,}(?:\]|$)", re.DOTALL | re.IGNORECASE)  # not "<2000", not "[base]"
_HEADED = re.compile(
    rf"(?:-{{2,}}[^-\n]*(?:forwarded|转发)[^-\n]*-{{2,}}|(?<![0-9A-Za-z])(?:{_HEADER})[^:.。,\n]{{0,24}}(?:\.[a-z]{{2,4}})?:"
    rf"|\[[^][]*(?:{_HEADER})[^][]*\]|begin(?:ning)? of (?:the )?(?:{_HEADER}|text|file)).*$",
    re.DOTALL | re.IGNORECASE,
)


def plain_text(said: str) -> str:
    """One spelling of what looks the same: full-width digits and marks become narrow, invisible characters go."""
    apart = re.sub("[，：；。、]", lambda mark: f"{mark[0]} ", said[:MAX_SAID_CHARS])  # "5，10" is no number
    text = unicodedata.normalize("NFKC", apart)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def own_words(said: str, gap: str = GAP) -> str:
    """``said`` in plain text, without what is quoted in it or stands behind the name of a stranger's text."""
    text = plain_text(said)
    for opening, closing in _PAIRS:
        text = _without_quoted(text, opening, closing, gap)
    for pattern in (_SINGLE, _TAGGED, _BRACKETS, _HEADED):
        text = pattern.sub(lambda _: gap, text)
    return text


def shown_words(said: str) -> str:
    """What a model is shown: the message itself or, where somebody is quoted in it, the sender's own words in one line.
    What it does not read cannot talk it round. Empty where nothing of the message is its sender's."""
    own = own_words(said)
    if own == plain_text(said):
        return said
    return " ".join(own_words(said, QUOTED).split()) if own.strip() else ""


def _without_quoted(text: str, opening: str, closing: str, gap: str) -> str:
    first = text.find(opening)
    if first < 0:
        return text
    last = text.rfind(closing)
    return text[:first] + gap + (text[last + 1 :] if last > first else "")
