"""The one question of this folder: may this be signed?

Deny by default: what no rule names is refused, what cannot be read in exactly one way is refused, and what the limits
do not hold is refused. Pure: the policy, the request, what was signed before and read from the chain, and the clock are
all there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from moray.agents.policy.amounts import show_amount
from moray.agents.policy.decision import Decision, Refusal
from moray.agents.policy.decoding import Decoded, Part, Spend, parts
from moray.agents.policy.ledger import DAY_S, HOUR_S, NATIVE, Entry, LedgerView, Reserve
from moray.agents.policy.meaning import RECEIVE
from moray.agents.policy.policy import Asset, CallRule, ChainTerms, Policy, Terms
from moray.agents.policy.request import SignRequest, TransactionRequest, TypedDataRequest, checked_transaction
from moray.agents.policy.rules import match_call, match_typed
from moray.agents.policy.typed import read_typed
from moray.ethereum import keccak

CANCELLATION = "cancellation"  # nothing sent to oneself, to use a tx_nonce up: needs no rule, costs only gas
_ENDLESS = frozenset({2**bits - 1 for bits in (96, 128, 160, 255, 256)})


@dataclass(frozen=True, slots=True)
class _Found:
    """What a request does, by rules that allow it; ``asks``: why a person must agree."""

    rules: tuple[str, ...]
    reserves: tuple[Reserve, ...]
    asks: tuple[str, ...] = ()


def decide(policy: Policy, request: SignRequest, ledger: LedgerView, now: float) -> Decision:
    """``now``: unix s. It returns for whatever comes in; codes are listed in docs/policy.md."""
    try:
        if ledger.halted:
            raise Refusal("halted", f"nothing is signed now: {ledger.halted}")
        if isinstance(request, TransactionRequest):
            return _decide_transaction(policy, checked_transaction(request), ledger, now)
        if isinstance(request, TypedDataRequest):
            return _decide_typed(policy, request, ledger, now)
        raise Refusal("unknown_request", "only transactions and EIP-712 data are ever signed")
    except Refusal as refusal:
        return refusal.as_decision()


# -- transactions -----------------------------------------------------------------------------------------------------


def _decide_transaction(policy: Policy, request: TransactionRequest, ledger: LedgerView, now: float) -> Decision:
    chain = _chain(policy, request.chain_id)
    _check_gas(chain, request)
    before = ledger.at((request.chain_id, request.tx_nonce))
    if _is_cancellation(policy, request):
        found = _Found((CANCELLATION,), ())
    elif before is not None and before.digest != request.digest:
        raise Refusal(
            "tx_nonce_taken", f"tx_nonce {request.tx_nonce} was signed for another call; only its fees may rise"
        )
    elif request.to is None:
        found = _creation(policy, request)
    else:
        found = _calls(policy, request, request.to, ledger, now)
    gas = Reserve("gas", chain.id, NATIVE, request.max_cost_wei, "")
    found = _Found(found.rules, (*found.reserves, gas), found.asks)
    was_signed = before is not None and before.digest == request.digest
    entry = Entry(chain.id, request.tx_nonce, request.digest, now, True, found.reserves)
    return _within_limits(policy, chain, found, entry, ledger, now, was_signed)


def _is_cancellation(policy: Policy, request: TransactionRequest) -> bool:
    return request.to == policy.owner and not request.data and not request.value_wei


def _check_gas(chain: ChainTerms, request: TransactionRequest) -> None:
    if request.max_fee_wei > chain.max_fee_wei:
        raise Refusal("fee_too_high", f"{request.max_fee_wei} wei per gas, the cap is {chain.max_fee_wei}")
    if request.tip_wei > chain.max_tip_wei:
        raise Refusal("fee_too_high", f"a tip of {request.tip_wei} wei per gas, the cap is {chain.max_tip_wei}")
    if request.max_cost_wei > chain.max_gas_cost_wei:
        raise Refusal("gas_too_high", f"gas for up to {request.max_cost_wei} wei, the cap is {chain.max_gas_cost_wei}")


def _creation(policy: Policy, request: TransactionRequest) -> _Found:
    init_code_hash = keccak(request.data).hex()
    for rule in policy.creations:
        if (rule.chain_id, rule.init_code_hash) == (request.chain_id, init_code_hash) and not request.value_wei:
            return _Found((rule.name,), ())
    raise Refusal("creation_refused", "no rule names the contract that this would create")


def _calls(policy: Policy, request: TransactionRequest, to: str, ledger: LedgerView, now: float) -> _Found:
    here = [rule for rule in policy.calls if rule.terms.chain_id == request.chain_id and rule.to in (to, "anyone")]
    if not any(rule.to == to or not request.data for rule in here):
        raise Refusal("contract_unknown", f"no rule names {to}")
    try:
        pieces = tuple(parts(request.data))
    except ValueError as error:
        raise Refusal("bad_calldata", f"the call is refused: {error}") from None
    value = request.value_wei
    matched = [_best(policy, here, piece, to, 0 if place else value, ledger, now) for place, piece in enumerate(pieces)]
    does = [each for _, each in matched]
    if value:  # with data, the contract that the rule names takes it; without, it is a payment to somebody
        does.append(Decoded(spends=(Spend(NATIVE, value, to, is_pulled=bool(request.data)),)))
    names = tuple(dict.fromkeys(rule.terms.name for rule, _ in matched))
    asks = _asks_of_rules(rule.terms for rule, _ in matched)
    return _Found(names, _reserves(policy, request.chain_id, does), asks)


def _best(
    policy: Policy, rules: list[CallRule], part: Part, to: str, value_wei: int, ledger: LedgerView, now: float
) -> tuple[CallRule, Decoded]:
    """Of the rules that allow the part one that asks nobody, so that no rule takes away what another gives."""
    selector = part.data[:4]
    named = [rule for rule in rules if _is_of(rule, part.data)]
    if not named:
        what = f"the function 0x{selector.hex()}" if part.data else "a plain payment"
        raise Refusal("function_unknown", f"no rule names {what} of {policy.names.get(to, to)}")
    allowing, refusals = list[tuple[CallRule, Decoded]](), list[Refusal]()
    for rule in named:
        try:
            allowing.append((rule, match_call(policy, rule, part, to, value_wei, ledger, now)))
        except Refusal as refusal:
            refusals.append(refusal)
    if not allowing:
        raise _nearest(refusals)
    return min(allowing, key=lambda each: each[0].terms.needs_approval)


def _nearest(refusals: list[Refusal]) -> Refusal:
    """Of several rules that refuse, of one that is meant: the arguments of another rule's say nothing of this call."""
    return ([each for each in refusals if each.code != "argument_refused"] or refusals)[-1]


def _is_of(rule: CallRule, data: bytes) -> bool:
    is_receive = rule.function.signature == RECEIVE.signature
    return is_receive if not data else not is_receive and rule.function.selector == data[:4]


# -- typed data -------------------------------------------------------------------------------------------------------


def _decide_typed(policy: Policy, request: TypedDataRequest, ledger: LedgerView, now: float) -> Decision:
    try:
        typed = read_typed(request.data)
    except ValueError as error:
        raise Refusal("bad_typed_data", f"the typed data is refused: {error}") from None
    chain = _chain(policy, typed.chain_id)
    place = (typed.chain_id, typed.contract, typed.type_text)
    rules = [rule for rule in policy.typed_data if (rule.terms.chain_id, rule.contract, rule.type_text) == place]
    if not rules:
        name = policy.names.get(typed.contract, typed.contract)
        raise Refusal("type_unknown", f"no rule names {typed.primary_type} of {name} with these fields")
    found, refusals = list[_Found](), list[Refusal]()
    for rule in rules:
        try:
            does = [match_typed(policy, rule, typed, now)]
            reserves = _reserves(policy, chain.id, does)
            found.append(_Found((rule.terms.name,), reserves, _asks_of_rules([rule.terms])))
        except Refusal as refusal:
            refusals.append(refusal)
    if not found:
        raise _nearest(refusals)
    best = min(found, key=lambda each: len(each.asks))
    entry = Entry(chain.id, None, typed.digest, now, True, best.reserves)
    was_signed = ledger.at(entry.place) is not None
    return _within_limits(policy, chain, best, entry, ledger, now, was_signed)


# -- both -------------------------------------------------------------------------------------------------------------


def _chain(policy: Policy, chain_id: int) -> ChainTerms:
    chain = policy.chains.get(chain_id)
    if chain is None:
        raise Refusal("wrong_chain", f"the policy names no chain {chain_id}")
    return chain


def _asset(policy: Policy, chain_id: int, address: str) -> Asset:
    asset = policy.assets.get((chain_id, address))
    if asset is None:
        raise Refusal("asset_unknown", f"{address} is no asset of the policy")
    return asset


def _reserves(policy: Policy, chain_id: int, does: list[Decoded]) -> tuple[Reserve, ...]:
    """One per kind, asset and counterparty: a multicall that pays twice pays the sum."""
    amounts: dict[Reserve, int] = defaultdict(int)
    for each in does:
        for spend in each.spends:
            _asset(policy, chain_id, spend.asset)
            amounts[Reserve("spend", chain_id, spend.asset, 0, spend.to, spend.is_pulled)] += spend.amount
        for allowance in each.allowances:
            asset = _asset(policy, chain_id, allowance.asset)
            if allowance.amount in _ENDLESS or allowance.amount >= 2**255:
                raise Refusal("unlimited_approval", f"an unlimited approval of {asset.name}, which is never signed")
            key = Reserve("allowance", chain_id, allowance.asset, 0, allowance.spender, is_shown=allowance.is_shown)
            amounts[key] += allowance.amount
    return tuple(replace(key, amount=amount) for key, amount in amounts.items() if amount)


def _within_limits(
    policy: Policy, chain: ChainTerms, found: _Found, entry: Entry, ledger: LedgerView, now: float, was_signed: bool
) -> Decision:
    """``was_signed``: the same was signed before and can happen only once, so nobody is asked again."""
    rule = found.rules[-1]
    after = ledger.signed(entry)
    assets = {reserve.asset for reserve in found.reserves if reserve.kind != "gas"}
    asks = list(found.asks)
    for asset in sorted((policy.assets[chain.id, address] for address in assets), key=lambda each: each.name):
        asks += _check_asset(asset, found.reserves, after, now, rule)
        asks += _asks_for_recipients(policy.owner, asset, found.reserves, after, now)
    if any(reserve.kind == "gas" for reserve in found.reserves):
        gas = after.gas_used(chain.id, now, DAY_S)
        if gas > chain.max_gas_cost_per_day_wei:
            raise Refusal(
                "gas_limit", f"gas of a day would reach {gas} wei, the limit is {chain.max_gas_cost_per_day_wei}", rule
            )
    names = ", ".join(found.rules)
    if asks and not was_signed:
        return Decision(False, "approval_needed", "; ".join(dict.fromkeys(asks)), names, True, found.reserves)
    if not chain.is_live:
        reason = f"allowed by {names}, but {chain.name} is not live in the policy"
        return Decision(False, "dry_run", reason, names, False, found.reserves)
    return Decision(True, "allowed", f"allowed by {names}", names, False, found.reserves)


def _check_asset(asset: Asset, reserves: tuple[Reserve, ...], after: LedgerView, now: float, rule: str) -> list[str]:
    """Why a person must agree; raises Refusal beyond a limit."""
    limits = asset.limits
    mine = [each for each in reserves if each.asset == asset.address and each.kind != "gas"]
    spent = sum(each.amount for each in mine if each.kind == "spend")
    allowed = sum(each.amount for each in mine if each.kind == "allowance")
    key = asset.chain_id, asset.address
    sums = [
        ("transaction_limit", "one transaction", spent, limits.per_transaction),
        ("allowance_too_high", "one approval", allowed, limits.allowance),
        ("hour_limit", "an hour", after.used(*key, now, HOUR_S), limits.per_hour),
        ("day_limit", "a day", after.used(*key, now, DAY_S), limits.per_day),
    ]
    for counterparty in sorted({each.counterparty for each in mine}):
        used = after.used(*key, now, DAY_S, counterparty)
        sums.append(("counterparty_limit", f"{counterparty} in a day", used, limits.per_counterparty_per_day))
    for code, of_what, amount, limit in sums:
        if amount > limit:
            shown, most = show_amount(asset, amount), show_amount(asset, limit)
            raise Refusal(code, f"{shown} of {of_what} would be above the limit of {most}", rule)
    above, largest = limits.approval_above, max(spent, allowed)
    if above is not None and largest > above:
        return [f"{show_amount(asset, largest)} is above {show_amount(asset, above)}: an approver must agree"]
    return []


def _asks_of_rules(terms: Iterable[Terms]) -> tuple[str, ...]:
    return tuple(f"the rule {each.name} asks for an approval" for each in terms if each.needs_approval)


def _asks_for_recipients(
    owner: str, asset: Asset, reserves: tuple[Reserve, ...], after: LedgerView, now: float
) -> list[str]:
    """For payments to people whom no approver agreed to pay, all of a day together, so that no small payment opens the
    way for large ones. A protocol's contract is named by its rule, and gets nothing as a gift."""
    above = asset.limits.new_recipient_above
    if above is None:
        return []
    asks = []
    for to in sorted({each.counterparty for each in reserves if each.is_payment and each.asset == asset.address}):
        used = after.used(asset.chain_id, asset.address, now, DAY_S, to)
        if used > above and to != owner and (asset.chain_id, to) not in after.known:
            asks.append(f"{to} is new and would get {show_amount(asset, used)} in a day: an approver must agree")
    return asks
