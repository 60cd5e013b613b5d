"""What is offered for gas: never above the ceiling, and a replacement always enough more."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from moray.contracts.fees import FeePolicy, Fees, first_fees, replacement_fees

WEI = st.integers(0, 10**12)
POLICIES = st.builds(
    FeePolicy, ceiling_wei=WEI, tip_floor_wei=st.integers(0, 10), tip_ceiling_wei=st.integers(10, 10**10)
)


@given(policy=POLICIES, base_fee=WEI, tip=WEI)
def test_a_first_offer_is_within_the_policy_and_pays_the_next_block(policy: FeePolicy, base_fee: int, tip: int) -> None:
    fees = first_fees(policy, base_fee, tip)
    if fees is None:
        assert base_fee + min(max(tip, policy.tip_floor_wei), policy.tip_ceiling_wei) > policy.ceiling_wei
    else:
        assert base_fee + fees.tip_wei <= fees.max_fee_wei <= policy.ceiling_wei
        assert policy.tip_floor_wei <= fees.tip_wei <= policy.tip_ceiling_wei


@given(policy=POLICIES, base_fee=WEI, tip=WEI, old_tip=WEI, above=WEI)
def test_a_replacement_is_an_eighth_more_in_both_fields(
    policy: FeePolicy, base_fee: int, tip: int, old_tip: int, above: int
) -> None:
    old = Fees(old_tip + above, old_tip)
    fees = replacement_fees(policy, old, base_fee, tip)
    if fees is None:
        dearest = max(Fraction(9, 8) * old.max_fee_wei, Fraction(old.max_fee_wei + 1))
        fresh = first_fees(policy, base_fee, tip)
        assert fresh is None or dearest > policy.ceiling_wei - 1
        return
    for new_wei, old_wei in ((fees.max_fee_wei, old.max_fee_wei), (fees.tip_wei, old.tip_wei)):
        assert new_wei > old_wei and new_wei >= Fraction(9, 8) * old_wei
    assert fees.tip_wei <= fees.max_fee_wei <= policy.ceiling_wei


@given(estimate=st.integers(21_000, 30_000_000), margin=st.integers(0, 100))
def test_the_gas_limit_has_its_margin(estimate: int, margin: int) -> None:
    limit = FeePolicy(gas_margin_percent=margin, gas_margin=0).gas_limit(estimate)
    assert 0 <= limit - estimate * Fraction(100 + margin, 100) < 1
    assert FeePolicy(gas_margin_percent=margin).gas_limit(estimate) == max(limit, estimate + 40_000)
