"""Whether one call, or one piece of typed data, is what a rule says. Every function raises Refusal where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moray.agents.policy.decision import Refusal
from moray.agents.policy.decoding import Decoded, Part, Swap, decoded
from moray.agents.policy.function import argument
from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.policy import CallRule, Check, Policy, Terms, TypedRule
from moray.agents.policy.readings import Unknown, known_code, known_price
from moray.agents.policy.typed import Typed

_BPS = 10_000


def match_call(
    policy: Policy, rule: CallRule, part: Part, target: str, value_wei: int, ledger: LedgerView, now: float
) -> Decoded:
    """What ``part`` does, if the rule allows it."""
    name = rule.terms.name
    if value_wei and not rule.is_payable:
        raise Refusal("value_refused", "the rule lets no value be sent along (payable)", name)
    if rule.code_hash is not None:
        found = known_code(ledger.readings, rule.terms.chain_id, target, now)
        if found != rule.code_hash:
            what = f"is unknown: {found.reason}" if isinstance(found, Unknown) else f"is 0x{found}, not the rule's"
            raise Refusal("code_changed", f"the code of {_name(policy, target)} {what}", name)
    if not part.data:  # the chain's own asset alone
        return decoded(rule.terms.meaning, _nothing, target)
    try:
        values = rule.function.read(part.data)
        does = decoded(rule.terms.meaning, lambda path: argument(rule.function, values, path), target)
    except ValueError as error:
        raise Refusal("bad_calldata", f"the call of {rule.function.entry.name} is refused: {error}", name) from None
    _check_terms(policy, rule.terms, does, lambda path: argument(rule.function, values, path), now)
    if does.swap is not None:
        if does.deadline is None and part.deadline is None and not rule.unsafe_no_deadline:
            raise Refusal("no_deadline", "a swap needs a deadline: wrap it in multicall(uint256,bytes[])", name)
        _check_price(policy, rule, does.swap, ledger, now)
    return does


def match_typed(policy: Policy, rule: TypedRule, typed: Typed, now: float) -> Decoded:
    does = decoded(rule.terms.meaning, typed.value, typed.contract)
    _check_terms(policy, rule.terms, does, typed.value, now)
    return does


def _check_terms(policy: Policy, terms: Terms, does: Decoded, read: Callable[[str], Any], now: float) -> None:
    for check in terms.checks:
        if not _holds(check, read(check.path), now):
            raise Refusal("argument_refused", f"{check.path} must be {check.text}", terms.name)
    for payer in does.payers:
        if payer != policy.owner:
            raise Refusal("not_the_owner", f"it takes from {payer}, who is not the owner", terms.name)
    if terms.recipients != "anyone":
        for recipient in (*does.receivers, *(spend.to for spend in does.spends if not spend.is_pulled)):
            if recipient not in terms.recipients:
                raise Refusal("recipient_refused", f"{recipient} is no recipient that the rule names", terms.name)
    for allowance in does.allowances:
        if allowance.amount and allowance.spender not in terms.spenders:
            raise Refusal("spender_refused", f"{allowance.spender} is no spender that the rule names", terms.name)
    if does.minimums and not any(does.minimums):
        raise Refusal("no_minimum", "it accepts any price; at least one of its minimums must be above 0", terms.name)
    if does.deadline is not None and not now < does.deadline <= now + terms.max_deadline_s:
        raise Refusal("deadline_refused", f"the deadline must be within {terms.max_deadline_s} s from now", terms.name)


def _holds(check: Check, value: Any, now: float) -> bool:
    if check.operator == "equal":
        if isinstance(value, str) and value.startswith("0x") and any(isinstance(each, bytes) for each in check.values):
            value = bytes.fromhex(value[2:])  # bytes in the JSON of typed data
        return bool(value in check.values)
    if check.operator == "at_most":
        return bool(value <= check.values[0])
    if check.operator == "at_least":
        return bool(value >= check.values[0])
    return bool(now < value <= now + check.values[0])


def _check_price(policy: Policy, rule: CallRule, swap: Swap, ledger: LedgerView, now: float) -> None:
    """The minimum that a swap asks for binds on the chain, so it is held against prices that no model wrote."""
    name, pair = rule.terms.name, (rule.terms.chain_id, swap.pay, swap.get)
    if (rule.terms.chain_id, swap.get) not in policy.assets:
        raise Refusal("asset_unknown", f"{swap.get} is no asset of the policy", name)
    if swap.get_min == 0:
        raise Refusal("no_minimum", "a swap that accepts nothing in return loses all it pays", name)
    worst = policy.worst_prices.get(pair)
    if worst is None and rule.max_slippage_bps is None and not rule.unsafe_any_price:
        raise Refusal("price_unbounded", "neither a worst price nor max_slippage_bps bounds this swap", name)
    if worst is not None and swap.get_min * worst.pay < swap.pay_max * worst.get:
        raise Refusal("price_too_low", "the swap accepts less than the policy's worst price", name)
    if rule.max_slippage_bps is not None:
        price = known_price(ledger.readings, *pair, now)
        if isinstance(price, Unknown):
            raise Refusal("price_missing", f"no price to hold the swap against: {price.reason}", name)
        if swap.get_min * price.pay * _BPS < swap.pay_max * price.get * (_BPS - rule.max_slippage_bps):
            raise Refusal("slippage_too_high", f"the swap accepts more than {rule.max_slippage_bps} bps of loss", name)


def _name(policy: Policy, address: str) -> str:
    return policy.names.get(address, address)


def _nothing(path: str) -> Any:
    raise ValueError(f"{path}: there are no arguments")
