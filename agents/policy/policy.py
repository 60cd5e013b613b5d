"""A policy as ``decide`` uses it: names resolved, amounts in base units, each rule with what it means for the owner's
money. ``policy_file.py`` reads it from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from moray.agents.policy.function import Function
from moray.agents.policy.meaning import Meaning
from moray.agents.policy.readings import MarketTerms, Questions

Operator = Literal["equal", "at_most", "at_least", "within_s"]
Anyone = Literal["anyone"]


@dataclass(frozen=True, slots=True)
class Check:
    """Of one argument. ``values``: the admitted ones of "equal", else the one bound. "within_s": a time in unix s that
    lies ahead, by at most so much."""

    path: str
    operator: Operator
    values: tuple[Any, ...]
    text: str  # as the policy says it, for messages


@dataclass(frozen=True, slots=True)
class Limits:
    """Base units. ``allowance``: the most that one approval may grant. Above ``approval_above`` a person must agree to
    a transaction, above ``new_recipient_above`` to what somebody gets in a day to whom nobody agreed yet; None: never.
    """

    per_transaction: int
    per_hour: int
    per_day: int
    per_counterparty_per_day: int
    allowance: int
    approval_above: int | None
    new_recipient_above: int | None


@dataclass(frozen=True, slots=True)
class Asset:
    name: str
    chain_id: int
    address: str  # EIP-55, or ledger.NATIVE
    decimals: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class ChainTerms:
    """Fees in wei per gas, costs in wei. Not ``is_live``: all is decided and nothing signed."""

    name: str
    id: int
    is_live: bool
    max_fee_wei: int
    max_tip_wei: int
    max_gas_cost_wei: int
    max_gas_cost_per_day_wei: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What every rule may ask for. ``recipients``: who may get what is paid or comes out, beside the owner."""

    name: str
    chain_id: int
    meaning: Meaning
    checks: tuple[Check, ...]
    recipients: frozenset[str] | Anyone
    spenders: frozenset[str]
    max_deadline_s: int
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class CallRule:
    """``to``: the contract; "anyone" only where the chain's own asset is sent without data."""

    terms: Terms
    to: str | Anyone
    function: Function
    code_hash: str | None  # keccak of the contract's code, hex
    is_payable: bool
    max_slippage_bps: int | None
    unsafe_any_price: bool
    unsafe_no_deadline: bool


@dataclass(frozen=True, slots=True)
class TypedRule:
    """``type_text``: what EIP-712 hashes as the type (encodeType); ``contract``: the domain's."""

    terms: Terms
    contract: str
    type_text: str


@dataclass(frozen=True, slots=True)
class CreationRule:
    name: str
    chain_id: int
    init_code_hash: str  # keccak of the transaction's whole data, hex


@dataclass(frozen=True, slots=True)
class WorstPrice:
    """At least ``get`` base units for ``pay`` base units."""

    pay: int
    get: int


@dataclass(frozen=True, slots=True)
class Policy:
    """``version``: hash of all it says. ``approvers``: whose signatures are approvals, ``approvals_needed`` of them."""

    version: str
    owner: str
    chains: Mapping[int, ChainTerms]
    assets: Mapping[tuple[int, str], Asset]
    names: Mapping[str, str]  # of addresses, for messages
    calls: tuple[CallRule, ...]
    typed_data: tuple[TypedRule, ...]
    creations: tuple[CreationRule, ...]
    worst_prices: Mapping[tuple[int, str, str], WorstPrice]
    markets: tuple[MarketTerms, ...]
    approvers: frozenset[str]
    approvals_needed: int

    def questions(self, chain_id: int) -> Questions:
        """What must be read there for these rules to allow anything. ``code_hash`` is never of "anyone"."""
        rules = [rule for rule in self.calls if rule.terms.chain_id == chain_id]
        is_priced = any(rule.max_slippage_bps is not None for rule in rules)
        return Questions(
            contracts=frozenset(rule.to for rule in rules if rule.code_hash is not None),
            markets=tuple(each for each in self.markets if is_priced and each.chain_id == chain_id),
        )
