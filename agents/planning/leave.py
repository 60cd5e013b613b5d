"""Leave to take tokens: exactly as much as a plan's next call takes, and none afterwards."""

from __future__ import annotations

from moray.contracts.calls import Call
from moray.contracts.erc20 import approve


def approvals(token: str, owner: str, spender: str, amount: int, approved: int) -> tuple[Call, ...]:
    """What makes the allowance ``amount`` where it is ``approved``. Some tokens refuse to change one that is not 0."""
    reset = (revoke(token, owner, spender),) if approved else ()
    return (*reset, approve(token, owner, spender, amount))


def revoke(token: str, owner: str, spender: str) -> Call:
    return approve(token, owner, spender, 0)
