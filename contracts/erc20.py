"""Any ERC-20, and ether wrapped as one: questions for a snapshot, and the calls that move or allow.

``moray.contracts.currency`` is what the network pays with, with the signatures that only that one needs.
"""

from __future__ import annotations

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.contract import address_topic
from moray.contracts.outside import Read, outside_call, topic

TRANSFER = topic("Transfer(address,address,uint256)")
APPROVAL = topic("Approval(address,address,uint256)")
_WRAPPED = topic("Deposit(address,uint256)")
_UNWRAPPED = topic("Withdrawal(address,uint256)")


def balance_of(token: str, account: str) -> Read:
    return Read(token, "balanceOf(address) returns (uint256)", (account,))


def allowance(token: str, owner: str, spender: str) -> Read:
    return Read(token, "allowance(address,address) returns (uint256)", (owner, spender))


def decimals(token: str) -> Read:
    return Read(token, "decimals() returns (uint8)")


def symbol(token: str) -> Read:
    """Anybody can name a token anything: an address says which it is, a symbol does not."""
    return Read(token, "symbol() returns (string)")


def transfer(token: str, owner: str, recipient: str, amount: int) -> Call:
    return outside_call(
        token,
        "transfer(address,uint256)",
        recipient,
        amount,
        summary=f"send {amount} of {token} to {recipient}",
        proof=ExpectedEvent(token, (TRANSFER, address_topic(owner), address_topic(recipient))),
    )


def approve(token: str, owner: str, spender: str, amount: int) -> Call:
    """Exactly what is needed: whoever is approved for more can take more. An ``amount`` of 0 takes the leave back."""
    return outside_call(
        token,
        "approve(address,uint256)",
        spender,
        amount,
        summary=f"approve {spender} for {amount} of {token}",
        proof=ExpectedEvent(token, (APPROVAL, address_topic(owner), address_topic(spender))),
    )


def wrap(weth: str, owner: str, amount_wei: int) -> Call:
    """Ether into WETH9."""
    proof = ExpectedEvent(weth, (_WRAPPED, address_topic(owner)))
    return outside_call(weth, "deposit()", summary=f"wrap {amount_wei} wei", proof=proof, value_wei=amount_wei)


def unwrap(weth: str, owner: str, amount_wei: int) -> Call:
    """WETH9 into ether."""
    proof = ExpectedEvent(weth, (_UNWRAPPED, address_topic(owner)))
    return outside_call(weth, "withdraw(uint256)", amount_wei, summary=f"unwrap {amount_wei} wei", proof=proof)
