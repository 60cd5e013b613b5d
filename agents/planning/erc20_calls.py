"""Calls of an ERC-20, made without a chain."""

from __future__ import annotations

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.contract import address_topic
from moray.contracts.interface import interface

_ERC20 = interface("TestCurrency")  # its interface is every ERC-20's, and more


def transfer(token: str, owner: str, recipient: str, amount: int, summary: str) -> Call:
    topics = (_ERC20.events["Transfer"].topic, address_topic(owner), address_topic(recipient))
    data = _ERC20.functions["transfer"].encode(recipient, amount)
    return Call(token, data, ExpectedEvent(token, topics), summary)


def approve(token: str, owner: str, spender: str, amount: int, summary: str) -> Call:
    """Exactly ``amount``, whatever was approved before."""
    topics = (_ERC20.events["Approval"].topic, address_topic(owner), address_topic(spender))
    data = _ERC20.functions["approve"].encode(spender, amount)
    return Call(token, data, ExpectedEvent(token, topics), summary)


def approvals(token: str, owner: str, spender: str, amount: int, approved: int) -> tuple[Call, ...]:
    """What makes the allowance ``amount`` where it is ``approved``. Some tokens refuse to change one that is not 0."""
    reset = (revoke(token, owner, spender),) if approved else ()
    return (*reset, approve(token, owner, spender, amount, f"let {spender} take {amount} base units of {token}"))


def revoke(token: str, owner: str, spender: str) -> Call:
    return approve(token, owner, spender, 0, f"let {spender} take nothing of {token}")
