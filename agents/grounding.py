"""Does every amount, asset, address and name of an action stand in the user's own words? No model is asked.

It cannot be talked round, and it errs by asking back: what is said in words that it does not know counts as unsaid.
What it cannot see is who gets what; ``objections`` look at some of that, a second model (``assistant``) and the user at
all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from moray.actions import Action
from moray.agents.words.names import ALL, has_asset, has_chain, has_name
from moray.agents.words.numerals import Quantity, Unit, quantities
from moray.agents.words.own import own_words, plain_text
from moray.agents.words.times import clocks, dates, durations
from moray.quoting import quoted


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A value of the action that the user did not say. ``is_quoted``: somebody whom they quote did."""

    field: str
    value: str
    is_quoted: bool

    @property
    def code(self) -> str:
        return "quoted" if self.is_quoted else "unsaid"

    def __str__(self) -> str:
        where = "stands only in text that is quoted" if self.is_quoted else "is not in what was said"
        return f"{self.field} {quoted(self.value)} {where}; say it in your own words"


def ungrounded(action: Action, said: Sequence[str]) -> tuple[Ungrounded, ...]:
    """What of ``action`` stands in none of the user's own messages ``said``; empty where all of it does."""
    own = "\n".join(map(own_words, said))
    whole = "\n".join(map(plain_text, said))
    found = []
    for field, value in _values(action, ""):
        test = _TESTS.get(field.rpartition(".")[2], _never)
        if not test(own, value):
            found.append(Ungrounded(field, str(value), test(whole, value)))
    return tuple(found)


def _values(part: BaseModel, path: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of every field that money depends on, those of inner parts too."""
    for field in type(part).model_fields:
        value = getattr(part, field)
        if value is None or field in NOT_GROUNDED:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from _values(one, f"{path}{field}.")
            else:
                yield f"{path}{field}", one


def _has_amount(text: str, amount: str) -> bool:
    if amount == "all":
        return ALL.search(text) is not None or Quantity(Decimal(100), "%") in quantities(text)
    if amount.startswith("$"):
        return Quantity(Decimal(amount[1:]), "$") in quantities(text)
    return _has_level(text, amount, ("",))


def _has_level(text: str, level: str, units: tuple[Unit, ...] = ("", "$")) -> bool:
    if level.endswith("%"):
        return Quantity(Decimal(level[:-1]), "%") in quantities(text)
    return any(Quantity(Decimal(level), unit) in quantities(text) for unit in units)


def _has_slippage(text: str, bps: int) -> bool:
    said = quantities(text)
    return Quantity(Decimal(bps), "bps") in said or Quantity(Decimal(bps) / 100, "%") in said


def _never(text: str, value: object) -> bool:
    return False


_TESTS: Mapping[str, Callable[[str, Any], bool]] = {
    **dict.fromkeys(("amount", "other_amount", "total", "liquid"), _has_amount),
    **dict.fromkeys(("pay", "get", "asset", "other"), has_asset),
    **dict.fromkeys(("to", "vault", "venue", "source", "exclude", "name"), has_name),
    **dict.fromkeys(("every", "horizon"), lambda text, value: value in durations(text)),
    **dict.fromkeys(("date", "until"), lambda text, value: value in dates(text)),
    **dict.fromkeys(("value", "gas"), _has_level),
    "runs": lambda text, value: _has_level(text, str(value)),
    "at": lambda text, value: value in clocks(text),
    "chain": has_chain,
    "slippage": _has_slippage,
}
GROUNDED = frozenset(_TESTS)
# One of few words each, said in too many ways to look for; they name neither an amount nor a place for money to go.
NOT_GROUNDED = frozenset({"do", "on", "goes", "topic", "risk", "day", "why", "want", "missing", "amount_of"})
