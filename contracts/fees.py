"""What to offer for gas: pure decisions under a ceiling. All fees are wei per gas (EIP-1559)."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9
# A chain's nodes take a replacement when both fields rise by a tenth; some ask for an eighth.
_BUMP = (9, 8)


@dataclass(frozen=True, slots=True)
class Fees:
    """``max_fee_wei`` in all, of which up to ``tip_wei`` for the block's maker."""

    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """``ceiling_wei``: never more than this in all. ``bump_after_blocks``: how many blocks the next transaction in line
    may be left out of before it offers more. ``gas_margin_percent``, at least ``gas_margin``: gas above the estimate,
    for a state that moves on; what is not used costs nothing. Where a word of storage was emptied since the estimate,
    writing it takes 17,100 more (EIP-2200, EIP-2929); no call here writes more than two such words.
    """

    ceiling_wei: int = 500 * GWEI
    tip_floor_wei: int = 1
    tip_ceiling_wei: int = 3 * GWEI  # of a first offer; endpoints without an opinion suggest too much
    bump_after_blocks: int = 3
    gas_margin_percent: int = 25
    gas_margin: int = 40_000

    def gas_limit(self, estimate: int) -> int:
        return estimate + max(self.gas_margin, -(-estimate * self.gas_margin_percent // 100))


def first_fees(policy: FeePolicy, base_fee_wei: int, suggested_tip_wei: int) -> Fees | None:
    """Room for the base fee to double (six full blocks). None if the ceiling does not allow the next block."""
    tip = min(max(suggested_tip_wei, policy.tip_floor_wei), policy.tip_ceiling_wei)
    if base_fee_wei + tip > policy.ceiling_wei:
        return None
    return Fees(min(2 * base_fee_wei + tip, policy.ceiling_wei), tip)


def replacement_fees(policy: FeePolicy, old: Fees, base_fee_wei: int, suggested_tip_wei: int) -> Fees | None:
    """At least an eighth more than ``old`` in both fields, so that nodes take it in its place. None if the ceiling does
    not allow it."""
    fresh = first_fees(policy, base_fee_wei, suggested_tip_wei)
    if fresh is None:
        return None
    fees = Fees(max(fresh.max_fee_wei, raised(old.max_fee_wei)), max(fresh.tip_wei, raised(old.tip_wei)))
    return fees if fees.max_fee_wei <= policy.ceiling_wei else None


def raised(fee_wei: int) -> int:
    """An eighth more, rounded up, and at least 1."""
    return max(-(-fee_wei * _BUMP[0] // _BUMP[1]), fee_wei + 1)
