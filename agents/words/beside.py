"""Which asset an amount is said of: the one that stands right behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from moray.agents.words.names import ALL, ASSETS
from moray.agents.words.numerals import Quantity, Unit, placed_quantities

_BETWEEN = r"\s*(?:worth\s+)?(?:of\s+)?(?:my\s+|the\s+)?[的个枚]?\s*"


def is_said_of_another(own_words: str, amount: str, asset: str, other: str) -> bool:
    """Whether ``amount`` (as moray.actions has it) stands before ``other`` and nowhere before ``asset``."""
    behind = [own_words[end:] for end in _ends(own_words, amount)]
    return any(_begins(text, other) for text in behind) and not any(_begins(text, asset) for text in behind)


def _ends(text: str, amount: str) -> Iterator[int]:
    if amount == "all":
        yield from (match.end() for match in ALL.finditer(text))
        return
    unit: Unit = "%" if amount.endswith("%") else "$" if amount.startswith("$") else ""
    wanted = Quantity(Decimal(amount.strip("$%")), unit)
    yield from (end for quantity, end in placed_quantities(text) if quantity == wanted)


def _begins(text: str, asset: str) -> bool:
    names = "|".join(map(re.escape, (asset, *ASSETS.get(asset, ()))))
    return re.match(rf"{_BETWEEN}(?:{names})(?![0-9A-Za-z_])", text, re.IGNORECASE) is not None
