"""A transfer: one call, to somebody whom the user's address book or words name."""

from __future__ import annotations

from moray.actions import Transfer
from moray.agents.plan import NATIVE, Bound
from moray.agents.planning.amounts import check_held, resolve, shown
from moray.agents.planning.drafts import Draft
from moray.agents.planning.erc20_calls import transfer
from moray.agents.planning.world import World
from moray.contracts.calls import Call


def plan_transfer(action: Transfer, world: World) -> Draft:
    """Of the chain's own currency, "all" leaves nothing for gas, so it is refused there by whoever sends it."""
    token = world.book.token("asset", action.asset)
    recipient = world.book.recipient("to", action.to, world.owner)
    held = world.balance(token.address)
    symbol = world.book.symbol(token)
    amount = resolve(action.amount, token.decimals, held, world.dollars.get(token.address))
    check_held(amount, held, token.decimals, symbol)
    line = f"send {shown(amount, token.decimals)} {symbol} to {recipient}"
    if token.address == NATIVE:
        call = Call(recipient, b"", None, line, amount)
    else:
        call = transfer(token.address, world.owner, recipient, amount, line)
    return Draft((call,), (Bound(token.address, -amount, -amount),), (recipient,), (line,))
