"""When a router's operator pays a node, and how much: pure, over the router's counts and the channel on the chain."""

from __future__ import annotations

from dataclasses import dataclass

from moray.contracts.channels import ChannelState
from moray.pay_terms import amount_of, rows_of

PAY_AT = 2  # a part of what a node allows: unpaid rows reach one in so many


@dataclass(frozen=True, slots=True)
class Debt:
    """One node's account."""

    rows: int  # computed by it, since it was first seen
    promised: int  # base units, by the last voucher
    promised_rows: int  # that these were for
    max_unpaid_rows: int
    is_refusing: bool  # it waits for pay


@dataclass(frozen=True, slots=True)
class PayLimits:
    row_price: int  # base units for pay_terms.ROWS_PER_PRICE rows
    deposit: int  # base units that a channel is opened or filled with
    budget: int  # base units that may still be deposited, in all channels together


@dataclass(frozen=True, slots=True)
class Promise:
    """Sign a voucher."""

    cumulative: int
    rows: int  # that are paid for then


@dataclass(frozen=True, slots=True)
class Deposit:
    amount: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Something is due and cannot be paid."""

    reason: str


Payment = Promise | Deposit | Stop


def is_due(debt: Debt, row_price: int) -> bool:
    """Asked before the chain is: most of the time nothing is."""
    unpaid_rows = debt.rows - debt.promised_rows
    return amount_of(debt.rows, row_price) > debt.promised and (
        debt.is_refusing or unpaid_rows * PAY_AT >= debt.max_unpaid_rows
    )


def next_payment(debt: Debt, channel: ChannelState, limits: PayLimits) -> Payment | None:
    """None: nothing is due. A voucher never promises more than the channel holds: the node would not count it."""
    if not is_due(debt, limits.row_price):
        return None
    if channel.closes_at:
        return Stop("its channel closes: it is paid again when that is settled")
    wanted = amount_of(debt.rows, limits.row_price)
    if wanted <= channel.deposited:
        return Promise(wanted, debt.rows)
    if limits.budget > 0:
        return Deposit(min(max(limits.deposit, wanted - channel.deposited), limits.budget))
    if channel.deposited > debt.promised:  # what is left of it
        return Promise(channel.deposited, rows_of(channel.deposited, limits.row_price))
    return Stop("the budget is used up: give a larger --budget, or it is cut off at what it allows")
