"""When a node is paid, and that no voucher promises what its channel does not hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.contracts.channels import ChannelState
from moray.errors import ClusterError
from moray.pay_terms import amount_of
from moray.router.pay_decisions import Debt, Deposit, PayLimits, Promise, Stop, next_payment
from moray.router.pay_store import PAY_FILE, Bill, Ledger, read_ledger, write_ledger

LIMITS = PayLimits(row_price=500, deposit=1000, budget=5000)
OPEN = ChannelState(1000, 0, 0)
DEBT = Debt(rows=50, promised=0, promised_rows=0, max_unpaid_rows=100, is_refusing=False)


def test_a_node_is_paid_when_it_has_given_half_of_what_it_gives_or_asks_for_pay() -> None:
    assert next_payment(DEBT, OPEN, LIMITS) == Promise(25, 50)
    assert next_payment(replace(DEBT, rows=49), OPEN, LIMITS) is None
    assert next_payment(replace(DEBT, rows=49, is_refusing=True), OPEN, LIMITS) == Promise(25, 49)
    paid = replace(DEBT, rows=99, promised=25, promised_rows=50)
    assert next_payment(paid, OPEN, LIMITS) is None
    assert next_payment(replace(paid, rows=100), OPEN, LIMITS) == Promise(50, 100)
    assert next_payment(replace(DEBT, rows=50, promised=25, promised_rows=50, is_refusing=True), OPEN, LIMITS) is None


def test_a_channel_is_filled_before_it_is_promised_from_and_the_budget_is_the_end() -> None:
    empty = ChannelState(0, 0, 0)
    assert next_payment(DEBT, empty, LIMITS) == Deposit(1000)
    assert next_payment(DEBT, empty, replace(LIMITS, budget=7)) == Deposit(7)
    assert next_payment(replace(DEBT, rows=10**4), empty, LIMITS) == Deposit(5000)
    assert isinstance(next_payment(DEBT, empty, replace(LIMITS, budget=0)), Stop)
    assert next_payment(DEBT, replace(OPEN, deposited=10), replace(LIMITS, budget=0)) == Promise(10, 20)
    assert isinstance(next_payment(DEBT, replace(OPEN, closes_at=1), LIMITS), Stop)


@given(
    price=st.integers(1, 10**6),
    deposit=st.integers(1, 10**6),
    budget=st.integers(0, 10**7),
    caps=st.integers(1, 10**4),
    computed=st.lists(st.integers(0, 10**4), max_size=20),
)
def test_whatever_is_computed_promises_stay_within_deposits_and_deposits_within_the_budget(
    price: int, deposit: int, budget: int, caps: int, computed: list[int]
) -> None:
    channel, spent, debt = ChannelState(0, 0, 0), 0, replace(DEBT, rows=0, max_unpaid_rows=caps)
    for rows in computed:
        debt, was_stopped = replace(debt, rows=debt.rows + rows), False
        while not was_stopped:
            match next_payment(debt, channel, PayLimits(price, deposit, budget - spent)):
                case Deposit(amount):
                    assert amount > 0
                    channel, spent = replace(channel, deposited=channel.deposited + amount), spent + amount
                case Promise(cumulative, for_rows):
                    assert debt.promised < cumulative <= amount_of(debt.rows, price) and for_rows <= debt.rows
                    debt = replace(debt, promised=cumulative, promised_rows=for_rows)
                case _:
                    was_stopped = True
        assert debt.promised <= channel.deposited == spent <= budget
        if spent < budget:
            assert (debt.rows - debt.promised_rows) * 2 < caps or amount_of(debt.rows, price) == debt.promised


def test_rows_are_counted_once_over_lives_of_the_router(tmp_path: Path) -> None:
    bill = Bill(signer="s", node_id="n", payee="p", channel=b"c")
    ledger = Ledger().in_life("a").having(bill.counted(30))
    ledger = ledger.having(ledger.bills["63"].counted(40))
    assert ledger.bills["63"].rows == 40
    write_ledger(tmp_path, ledger)
    ledger = read_ledger(tmp_path).in_life("a")
    assert ledger.having(ledger.bills["63"].counted(40)).bills["63"].rows == 40
    ledger = ledger.in_life("b")
    assert ledger.having(ledger.bills["63"].counted(7)).bills["63"].rows == 47
    (tmp_path / PAY_FILE).write_text("{")
    with pytest.raises(ClusterError, match="restore"):
        read_ledger(tmp_path)
