"""A transfer: one call, to somebody whom the user's address book or words name."""

from __future__ import annotations

from moray.actions import Transfer
from moray.agents.plan import NATIVE, Bound
from moray.agents.planning.drafts import Draft
from moray.agents.planning.world import World
from moray.contracts.calls import Call
from moray.contracts.erc20 import transfer


def plan_transfer(action: Transfer, world: World) -> Draft:
    """Of the chain's own currency, "all" leaves nothing for gas, so it is refused there by whoever sends it."""
    token = world.book.token("asset", action.asset)
    recipient = world.book.recipient("to", action.to, world.owner)
    amount = world.held_amount(action.amount, token, world.balance(token.address))
    line = f"send {world.said(amount, token)} to {recipient}"
    if token.address == NATIVE:
        call = Call(recipient, b"", None, line, amount)
    else:
        call = transfer(token.address, world.owner, recipient, amount)
    return Draft((call,), (Bound(token.address, -amount, -amount),), (recipient,), (line,))
