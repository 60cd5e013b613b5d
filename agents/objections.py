"""All that can be said against an action by the user's own words alone: no model is asked, and none can answer back.

Its values must stand in them (``grounding``), an amount before its own asset, its kind must be sayable by them, and
what they name must be in it. It errs by asking back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moray.actions import Action, AddLiquidity, Automation, Notify, Swap, canonical
from moray.agents.grounding import ungrounded
from moray.agents.words.beside import is_said_of_another
from moray.agents.words.kinds import is_said
from moray.agents.words.left_out import chain_left_out, names_left_out
from moray.agents.words.own import own_words
from moray.quoting import quoted

_MOVES = frozenset(["swap", "add_liquidity", "remove_liquidity", "stake", "unstake", "deposit", "withdraw", "transfer"])
_MUST_DIFFER = (("pay", "get"), ("asset", "other"), ("asset", "to"))


def objections(action: Action, said: Sequence[str]) -> tuple[str, ...]:
    """One line each; empty where there is nothing against ``action``. ``said``: the user's messages."""
    lines = [str(value) for value in ungrounded(action, said)]
    move = action.then if isinstance(action, Automation) else action
    if not isinstance(move, Notify) and move.do in _MOVES:
        lines += _against_move(move, canonical(action), "\n".join(map(own_words, said)))
    return tuple(lines)


def _against_move(move: Action, held: str, own: str) -> Iterator[str]:
    for one, other in _MUST_DIFFER:
        value = getattr(move, one, None)
        if value is not None and value.lower() == str(getattr(move, other, None)).lower():
            yield f"{one} and {other} are the same, {quoted(value)}; say both"
    for amount, of, other in _amounts(move):
        if is_said_of_another(own, amount, of, other):
            yield f"{quoted(amount)} was said of {quoted(other)}, and the action takes it of {quoted(of)}; say it again"
    if not is_said(move.do, own):
        yield f"what was said does not sound like {move.do}; say it in plain words"
    left_out = [*names_left_out(own, held)]
    if (chain := chain_left_out(own, held)) is not None:
        left_out.append(chain)
    for name in left_out:
        yield f"{quoted(name)} was said and is not in the action; say it another way, or leave it out"


def _amounts(move: Action) -> Iterator[tuple[str, str, str]]:
    """Each amount of a move of two assets, the asset that it is of, the other one."""
    if isinstance(move, Swap):
        pair = (move.pay, move.get)
        yield (move.amount, *(pair[::-1] if move.amount_of == "get" else pair))
    elif isinstance(move, AddLiquidity):
        yield move.amount, move.asset, move.other
        if move.other_amount is not None:
            yield move.other_amount, move.other, move.asset
