"""Amounts are exact, keys are of one wish, bounds are kept: the pure half of planning."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution_kit import book_of
from moray.actions import Action, Automation, Clarify, Mandate, Notify, Quote, TimeTrigger, Transfer
from moray.agents.plan import Allowance, Bound, Plan, allowances, parse_plan, plan_key, plan_text
from moray.agents.planning.amounts import base_units, less_bps, more_bps, resolve, shown
from moray.agents.planning.leave import approvals
from moray.agents.planning.planner import plan
from moray.agents.planning.world import PlanSettings, World
from moray.agents.simulation import outside
from moray.contracts.erc20 import approve, transfer
from moray.errors import BadSetting, FundsTooLow, NotPlanned, PriceDoubtful
from moray.ethereum import to_checksum_address
from sender_kit import SIGNER, payee

TOKEN = to_checksum_address("0x" + "7c" * 20)
SPENDER = to_checksum_address("0x" + "5b" * 20)
numbers = st.integers(1, 10**30)
decimals = st.integers(0, 18)


def world(held: int = 10**9) -> World:
    return World(31337, SIGNER.address, book_of(TOKEN), 7, 1000, PlanSettings(), {TOKEN: held, "native": held})


def paid(amount: str = "1.5", to: str = payee(1), asset: str = "MTEST") -> Transfer:
    return Transfer(asset=asset, amount=amount, to=to)


@given(numbers, decimals)
def test_an_amount_is_the_same_after_it_was_shown(units: int, places: int) -> None:
    assert base_units(shown(units, places), places) == units


@given(st.integers(0, 10**30), st.integers(1, 999_999))
def test_a_percentage_is_never_rounded_up(held: int, ten_thousandths: int) -> None:
    percent = f"{Decimal(ten_thousandths) / 10_000}"
    exact = Fraction(held) * Fraction(percent) / 100
    if exact >= 1:
        found = resolve(f"{percent}%", 6, held, None)
        assert found <= exact < found + 1
    else:
        with pytest.raises(FundsTooLow):
            resolve(f"{percent}%", 6, held, None)


@given(numbers, st.fractions(Fraction(1, 10**9), 10**9))
def test_dollars_buy_no_more_than_they_are_worth(dollars: int, price: Fraction) -> None:
    found = resolve(f"${dollars}", 18, 0, price)
    assert Fraction(found, 10**18) * price <= dollars < Fraction(found + 1, 10**18) * price


@given(numbers, st.integers(0, 9_999))
def test_slippage_is_rounded_against_the_market(amount: int, bps: int) -> None:
    assert less_bps(amount, bps) * 10_000 >= amount * (10_000 - bps)
    assert more_bps(amount, bps) * 10_000 <= amount * (10_000 + bps)


def test_amounts_that_cannot_be_are_refused() -> None:
    with pytest.raises(NotPlanned):
        base_units("0.0000001", 6)
    with pytest.raises(PriceDoubtful):
        resolve("$5", 6, 10**6, None)
    for nothing in ("all", "50%"):
        with pytest.raises(FundsTooLow):
            resolve(nothing, 6, 0, None)


def test_a_key_is_of_the_action_the_account_the_chain_and_the_wish() -> None:
    key = plan_key(paid(), SIGNER.address, 1, "a")
    assert key == plan_key(paid(), SIGNER.address, 1, "a") and len(key) == 64
    others = [
        plan_key(paid("1.6"), SIGNER.address, 1, "a"),
        plan_key(paid(), payee(1), 1, "a"),
        plan_key(paid(), SIGNER.address, 2, "a"),
        plan_key(paid(), SIGNER.address, 1, "b"),
    ]
    assert len({key, *others}) == 5


def test_the_same_world_gives_the_same_plan_which_survives_its_text() -> None:
    first, second = plan(paid(), world(), "a"), plan(paid(), world(), "a")
    assert first == second == parse_plan(plan_text(first))
    assert first.deadline == 1000 + 120 and first.recipients == (payee(1),)
    assert first.calls[0].data == transfer(TOKEN, SIGNER.address, payee(1), 1_500_000).data
    assert first.bounds == (Bound(TOKEN, -1_500_000, -1_500_000),)
    later = plan(paid(), replace(world(), timestamp=1001), "a")
    assert later.key == first.key and later != first
    native = plan(paid("0.5", asset="ETH"), world(10**18), "a").calls[0]
    assert (native.to, native.data, native.value_wei) == (payee(1), b"", 5 * 10**17)


def test_more_than_there_is_and_another_chain_are_refused() -> None:
    with pytest.raises(FundsTooLow):
        plan(paid("1001"), world(), "a")
    assert plan(paid("all"), world(), "a").bounds[0].min_change == -(10**9)
    with pytest.raises(BadSetting):
        plan(paid(), replace(world(), chain_id=1), "a")
    with pytest.raises(NotPlanned):
        plan(paid().model_copy(update={"chain": "base"}), world(), "a")


@pytest.mark.parametrize(
    "action",
    [
        Automation(when=TimeTrigger(every="1d"), then=Notify()),
        Mandate(risk="low", horizon="1y"),
        Quote(pay="ETH"),
        Clarify(missing=("action",)),
    ],
)
def test_what_is_not_carried_out_is_refused_in_one_line(action: Action) -> None:
    with pytest.raises(NotPlanned) as caught:
        plan(action, world(), "a")
    assert "\n" not in str(caught.value)


def test_what_is_approved_is_known_and_a_token_with_an_old_leave_is_reset_first() -> None:
    made = approvals(TOKEN, SIGNER.address, SPENDER, 5, 3)
    assert [int.from_bytes(call.data[-32:]) for call in made] == [0, 5]
    assert len(approvals(TOKEN, SIGNER.address, SPENDER, 5, 0)) == 1
    calls = (*made, transfer(TOKEN, SIGNER.address, payee(1), 1), approve(SPENDER, SIGNER.address, TOKEN, 1))
    assert allowances(calls) == (Allowance(TOKEN, SPENDER), Allowance(SPENDER, TOKEN))


changes = st.dictionaries(st.sampled_from([TOKEN, SPENDER, "native"]), st.integers(-5, 5))


@given(changes, st.integers(-5, 5), st.integers(0, 5))
def test_changes_lie_within_the_plan_exactly_if_every_one_does(found: dict[str, int], low: int, width: int) -> None:
    bounded: Plan = replace(plan(paid(), world(), "a"), bounds=(Bound(TOKEN, low, low + width),))
    is_within = low <= found.get(TOKEN, 0) <= low + width
    is_still = all(change == 0 for asset, change in found.items() if asset != TOKEN)
    assert (outside(bounded, found) is None) == (is_within and is_still)


def test_settings_have_caps() -> None:
    for deadline_s in (0, 121):
        with pytest.raises(BadSetting):
            PlanSettings(deadline_s=deadline_s)
    with pytest.raises(BadSetting):
        PlanSettings(slippage_bps=301)
