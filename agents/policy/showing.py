"""A policy in words, and what its limits still leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moray.agents.policy.amounts import show_amount
from moray.agents.policy.ledger import DAY_S, HOUR_S, LedgerView, Reserve
from moray.agents.policy.policy import Asset, Policy, Terms


@dataclass(frozen=True, slots=True)
class Headroom:
    """Of one limit, in whole units: "USD in a day"."""

    limit: str
    left: str
    of: str


def headroom(policy: Policy, ledger: LedgerView, reserves: tuple[Reserve, ...], now: float) -> tuple[Headroom, ...]:
    """What the assets of ``reserves`` have left before they are signed."""
    touched = dict.fromkeys((each.chain_id, each.asset) for each in reserves if each.kind != "gas")
    return tuple(each for key in touched for each in _of_asset(policy.assets[key], ledger, now))


def _of_asset(asset: Asset, ledger: LedgerView, now: float) -> Iterator[Headroom]:
    limits = asset.limits
    for what, limit, window_s in (("an hour", limits.per_hour, HOUR_S), ("a day", limits.per_day, DAY_S)):
        left = max(limit - ledger.used(asset.chain_id, asset.address, now, window_s), 0)
        yield Headroom(f"{asset.name} in {what}", show_amount(asset, left), show_amount(asset, limit))


def rows(policy: Policy) -> list[tuple[str, str, str, str]]:
    """Of each rule: its name, its chain, whose function or type it is, and what it allows."""
    shown = []
    for call in policy.calls:
        what = [call.function.signature, *_terms(policy, call.terms)]
        what += ["value may be sent along"] if call.is_payable else []
        what += [f"at most {call.max_slippage_bps} bps of slippage"] if call.max_slippage_bps is not None else []
        shown.append((call.terms.name, _chain(policy, call.terms.chain_id), _name(policy, call.to), "; ".join(what)))
    for typed in policy.typed_data:
        what = [typed.type_text, *_terms(policy, typed.terms)]
        shown.append(
            (typed.terms.name, _chain(policy, typed.terms.chain_id), _name(policy, typed.contract), "; ".join(what))
        )
    for creation in policy.creations:
        what = [f"creates the contract of init code 0x{creation.init_code_hash}"]
        shown.append((creation.name, _chain(policy, creation.chain_id), "-", "; ".join(what)))
    return shown


def _terms(policy: Policy, terms: Terms) -> Iterator[str]:
    yield from (f"{check.path} {check.text}" for check in terms.checks)
    if terms.recipients == "anyone":
        yield "to anyone"
    elif others := terms.recipients - {policy.owner}:
        yield f"to {', '.join(sorted(_name(policy, each) for each in others))}"
    if terms.spenders:
        yield f"spenders {', '.join(sorted(_name(policy, each) for each in terms.spenders))}"
    if terms.meaning.is_uncounted:
        yield "NO LIMIT COUNTS WHAT THIS MOVES"
    if terms.needs_approval:
        yield "with an approval"


def _chain(policy: Policy, chain_id: int) -> str:
    chain = policy.chains[chain_id]
    return f"{chain.name} ({'live' if chain.is_live else 'dry run'})"


def _name(policy: Policy, address: str) -> str:
    return policy.names.get(address, address)
