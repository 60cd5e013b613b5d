"""From the YAML to the ``Policy`` that decides: every name is resolved and every rule understood now, so that nothing
is left to be misread when money moves."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from moray.agents.policy.function import parse_function
from moray.agents.policy.ledger import NATIVE
from moray.agents.policy.meaning import (
    CALLS,
    NOTHING,
    RECEIVE,
    TYPED,
    UNCOUNTED_TYPES,
    AllowRole,
    Meaning,
    SpendRole,
)
from moray.agents.policy.policy import (
    Asset,
    CallRule,
    ChainTerms,
    Check,
    CreationRule,
    Limits,
    Operator,
    Policy,
    Terms,
    TypedRule,
    WorstPrice,
)
from moray.agents.policy.policy_file import (
    MAX_POLICY_BYTES,
    AssetInFile,
    BoundInFile,
    CallInFile,
    ChainInFile,
    CreationInFile,
    LimitsInFile,
    MarketInFile,
    PolicyFile,
    TermsInFile,
    TypedInFile,
    base_units,
    parse_policy_file,
)
from moray.agents.policy.readings import MarketTerms
from moray.agents.policy.typed import field_kind, parse_type_text
from moray.agents.prices import PriceRules
from moray.canonical_json import canonical_json
from moray.errors import BadPolicy, UnsafeFile
from moray.ethereum import is_checksum_address, keccak
from moray.quoting import quoted

_GWEI_DECIMALS, _ETHER_DECIMALS = 9, 18


def read_policy(path: Path) -> Policy:
    """Raises UnsafeFile for a file that others than root and this user could change, BadPolicy for a wrong one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadPolicy(f"cannot read {path}: {error.strerror}; give a policy") from None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFile(f"{path} is not a regular file; give one that is")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnsafeFile(f"{path} may be changed by other users; run `chmod go-w` on it")
        if status.st_uid not in (0, os.geteuid()):
            raise UnsafeFile(f"{path} belongs to another user, who may change it; give a copy of your own")
        return parse_policy(file.read(MAX_POLICY_BYTES + 1))


def parse_policy(text: bytes) -> Policy:
    """Raises BadPolicy."""
    written = parse_policy_file(text)
    try:
        return _Reading(written).policy()
    except ValueError as error:
        raise BadPolicy(f"the policy is wrong: {error}") from None


class _Reading:
    """Of one file. Every method raises ValueError with what is wrong."""

    def __init__(self, written: PolicyFile) -> None:
        self._file = written
        self._assets = {name: self._asset(name, asset) for name, asset in written.assets.items()}
        addresses = {name: asset.address for name, asset in self._assets.items() if asset.address != NATIVE}
        if twice := (addresses.keys() & written.parties.keys()) | ({"owner", "anyone", "target"} & self._assets.keys()):
            raise ValueError(f"{min(twice)} is the name of two things; give each its own")
        if reserved := {"owner", "anyone", "target"} & written.parties.keys():
            raise ValueError(f"{min(reserved)} has a meaning of its own; name the party otherwise")
        self._places = {**addresses, **written.parties, "owner": written.owner}

    def policy(self) -> Policy:
        written = self._file
        every: tuple[TermsInFile | CreationInFile, ...] = (*written.calls, *written.typed_data, *written.creations)
        names = [rule.name for rule in every]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two rules are named {twice[0]}; give each its own name")
        calls, typed_data = tuple(map(self._call, written.calls)), tuple(map(self._typed, written.typed_data))
        _check_agreement([((rule.terms.chain_id, rule.to, rule.function.selector), rule.terms) for rule in calls])
        _check_agreement([((rule.terms.chain_id, rule.contract, rule.type_text), rule.terms) for rule in typed_data])
        chains = {chain.id: _chain(name, chain) for name, chain in written.chains.items()}
        assets = {(asset.chain_id, asset.address): asset for asset in self._assets.values()}
        if len(chains) != len(written.chains) or len(assets) != len(self._assets):
            raise ValueError("two chains or two assets are the same; write each once")
        if written.owner in written.approvers:
            raise ValueError("the owner cannot approve what it proposes; name other approvers")
        if written.approvers and written.approvals_needed > len(set(written.approvers)):
            raise ValueError("more approvals are needed than there are approvers")
        return Policy(
            version=keccak(canonical_json(written.model_dump(mode="json"))).hex(),
            owner=written.owner,
            chains=chains,
            assets=assets,
            names={address: name for name, address in self._places.items()},
            calls=calls,
            typed_data=typed_data,
            creations=tuple(map(self._creation, written.creations)),
            worst_prices=dict(map(self._price, written.prices)),
            markets=self._markets(),
            approvers=frozenset(written.approvers),
            approvals_needed=written.approvals_needed,
        )

    # -- names --------------------------------------------------------------------------------------------------------

    def _chain_id(self, name: str) -> int:
        if name not in self._file.chains:
            raise ValueError(f"{name} is no chain of the file")
        return self._file.chains[name].id

    def _place(self, text: str) -> str:
        if text in self._places:
            return self._places[text]
        if is_checksum_address(text):
            return text
        raise ValueError(f"{quoted(text)} is neither a name of the file nor an address with its checksum")

    def _asset(self, name: str, asset: AssetInFile) -> Asset:
        limits = _limits(asset.limits, asset.decimals)
        return Asset(name, self._chain_id(asset.chain), asset.address, asset.decimals, limits)

    def _price(self, price: Any) -> tuple[tuple[int, str, str], WorstPrice]:
        pay, get = self._pair(price.pay, price.get)
        fine = 18  # decimals of the written price, beside those of the asset that it is in
        worst = WorstPrice(pay=10 ** (pay.decimals + fine), get=base_units(price.at_least, fine) * 10**get.decimals)
        if not worst.get:
            raise ValueError(f"a worst price of 0 bounds nothing; write what {pay.name} is worth in {get.name}")
        return (pay.chain_id, pay.address, get.address), worst

    def _markets(self) -> tuple[MarketTerms, ...]:
        found = tuple(map(self._market, self._file.markets))
        sides = [frozenset((each.chain_id, each.asset, each.other)) for each in found]
        if len(set(sides)) != len(sides):
            raise ValueError("two markets are of the same two assets; write the one to be believed")
        chain_ids = {each.chain_id for each in found}
        for rule in self._file.calls:
            if rule.max_slippage_bps is not None and self._chain_id(rule.chain) not in chain_ids:
                raise ValueError(f"{rule.name}: max_slippage_bps needs a price; name its market in `markets`")
        return found

    def _market(self, market: MarketInFile) -> MarketTerms:
        asset, other = self._pair(market.asset, market.other)
        if NATIVE in (asset.address, other.address) or asset == other:
            raise ValueError(f"{asset.name} and {other.name} are no two ERC-20 currencies; a pool has two")
        if not (min_depth := base_units(market.min_depth, other.decimals)):
            raise ValueError(f"a min_depth of 0 believes an empty pool; write how much {other.name} must lie in it")
        rules = PriceRules(market.window_s, market.max_apart_bps)
        return MarketTerms(asset.chain_id, asset.address, other.address, market.pool, market.pair, min_depth, rules)

    def _pair(self, one: str, other: str) -> tuple[Asset, Asset]:
        """Two assets of one chain."""
        for name in (one, other):
            if name not in self._assets:
                raise ValueError(f"{name} is no asset of the file")
        if self._assets[one].chain_id != self._assets[other].chain_id:
            raise ValueError(f"{one} and {other} are on two chains")
        return self._assets[one], self._assets[other]

    # -- rules --------------------------------------------------------------------------------------------------------

    def _call(self, rule: CallInFile) -> CallRule:
        function = parse_function(rule.call)
        is_native = function.signature == RECEIVE.signature
        known = NOTHING if is_native else None
        if function.selector in CALLS and not is_native:
            named, known = CALLS[function.selector]
            if function.signature != named.signature:
                raise ValueError(f"{rule.name}: {function.signature} has the selector of {named.signature}")
            if wrong := [path for path, place in function.places.items() if named.places.get(path, place) != place]:
                raise ValueError(f"{rule.name}: {wrong[0]} is another argument of {function.entry.name}")
            function = replace(function, places={**named.places, **function.places})
        if rule.to == "anyone" and not is_native:
            raise ValueError(f"{rule.name}: only receive() may go to anyone; name the contract")
        if rule.to == "anyone" and rule.code_hash is not None:
            raise ValueError(f"{rule.name}: code_hash is of one contract, and `to` is anyone; name the contract")
        terms = self._terms(rule, known, function.kind)
        if is_native and terms.recipients != frozenset({self._file.owner}):
            raise ValueError(f"{rule.name}: the recipient of receive() is its `to`")
        to = "anyone" if rule.to == "anyone" else self._place(rule.to)
        return CallRule(
            terms=terms
            if not is_native
            else replace(terms, recipients="anyone" if to == "anyone" else frozenset({to})),
            to=to,
            function=function,
            code_hash=rule.code_hash and rule.code_hash[2:],
            is_payable=rule.payable or is_native,
            max_slippage_bps=rule.max_slippage_bps,
            unsafe_any_price=rule.unsafe_any_price,
            unsafe_no_deadline=rule.unsafe_no_deadline,
        )

    def _typed(self, rule: TypedInFile) -> TypedRule:
        primary, structs = parse_type_text(rule.type)
        known = TYPED.get(rule.type) or (Meaning(is_uncounted=True) if primary in UNCOUNTED_TYPES else None)
        terms = self._terms(rule, known, lambda path: field_kind(path, primary, structs))
        return TypedRule(terms, self._place(rule.contract), rule.type)

    def _creation(self, rule: CreationInFile) -> CreationRule:
        return CreationRule(rule.name, self._chain_id(rule.chain), rule.init_code_hash[2:])

    def _terms(self, rule: TermsInFile, known: Meaning | None, kind_of: Any) -> Terms:
        if rule.recipients == "anyone":
            recipients: Any = "anyone"
        else:
            recipients = frozenset({self._file.owner, *map(self._place, rule.recipients)})
        chain_id = self._chain_id(rule.chain)
        return Terms(
            name=rule.name,
            chain_id=chain_id,
            meaning=self._meaning(rule, known, kind_of),
            checks=tuple(
                check for path, bound in rule.where.items() for check in self._checks(rule, path, bound, kind_of)
            ),
            recipients=recipients,
            spenders=frozenset(map(self._place, rule.spenders)),
            max_deadline_s=rule.max_deadline_s,
            needs_approval=rule.approval,
        )

    def _meaning(self, rule: TermsInFile, known: Meaning | None, kind_of: Any) -> Meaning:
        if known is not None and not known.is_uncounted:
            return self._known(rule, known, kind_of)
        if known is not None and not rule.unsafe_uncounted:
            raise ValueError(
                f"{rule.name}: no limit bounds what this can move; leave it out, or write unsafe_uncounted: true"
            )
        if rule.spends is None and rule.allows is None and not rule.unsafe_uncounted:
            raise ValueError(f"{rule.name}: say what it spends (spends: [] for nothing)")
        meaning = Meaning(
            spends=self._spends(rule, kind_of),
            allows=tuple(
                AllowRole(self._asset_role(rule, each.asset, kind_of), each.amount, each.spender)
                for each in rule.allows or ()
            ),
            receivers=rule.receivers,
            deadline=rule.deadline,
            is_uncounted=rule.unsafe_uncounted,
        )
        numbers = [*(s.amount for s in meaning.spends), *(a.amount for a in meaning.allows)]
        numbers += [rule.deadline] if rule.deadline else []
        people = [*meaning.receivers, *(s.to for s in meaning.spends if s.to), *(a.spender for a in meaning.allows)]
        for path, prefix in [*((path, "uint") for path in numbers), *((path, "address") for path in people)]:
            if not re.fullmatch(rf"{prefix}[0-9]*", kind_of(path) or ""):
                raise ValueError(f"{rule.name}: {path} is no argument of type {prefix}")
        return meaning

    def _known(self, rule: TermsInFile, known: Meaning, kind_of: Any) -> Meaning:
        """What a well-known function does, with what a rule must say of it."""
        says = rule.allows is not None or bool(rule.receivers) or rule.deadline is not None or rule.unsafe_uncounted
        if says or (rule.spends is not None and not known.pays):
            raise ValueError(f"{rule.name}: what this does is known; leave spends, allows, receivers, deadline out")
        for path in known.pinned:
            bound = rule.where.get(path)
            if bound is None or (not isinstance(bound, str) and bound.equal is None and bound.one_of is None):
                raise ValueError(f"{rule.name}: say in `where` which {path} it may be: a value, or one_of")
        if not known.pays:
            return known
        spends = self._spends(rule, kind_of)
        if sorted((each.amount, each.to) for each in spends) != [(path, None) for path in known.pays]:
            raise ValueError(f"{rule.name}: say in `spends` of which asset {' and '.join(known.pays)} are")
        return replace(known, spends=spends)

    def _spends(self, rule: TermsInFile, kind_of: Any) -> tuple[SpendRole, ...]:
        return tuple(
            SpendRole(self._asset_role(rule, each.asset, kind_of), each.amount, each.to) for each in rule.spends or ()
        )

    def _asset_role(self, rule: TermsInFile, text: str, kind_of: Any) -> str:
        """An asset's address, or the path of an argument that names it."""
        is_path = kind_of(text) == "address"
        if text in self._assets and not is_path:
            if self._assets[text].chain_id != self._chain_id(rule.chain):
                raise ValueError(f"{rule.name}: {text} is on another chain")
            return self._assets[text].address
        if text == "target" or (is_path and text not in self._assets):
            return text
        raise ValueError(f"{rule.name}: {quoted(text)} must be either an asset of the file or an address argument")

    def _checks(self, rule: TermsInFile, path: str, bound: str | BoundInFile, kind_of: Any) -> list[Check]:
        kind = kind_of(path)
        if kind is None:
            raise ValueError(f"{rule.name}: {path} is no argument of it")
        bound = BoundInFile(equal=bound) if isinstance(bound, str) else bound
        checks = []
        for operator in ("equal", "one_of", "at_most", "at_least", "within_s"):
            written = getattr(bound, operator)
            if written is None:
                continue
            if operator not in ("equal", "one_of") and not re.fullmatch("u?int[0-9]+", kind):
                raise ValueError(f"{rule.name}: {path} is of type {kind}, which has no {operator}")
            texts = written if operator == "one_of" else (str(written),)
            name: Operator = "equal" if operator == "one_of" else operator  # type: ignore[assignment] # one of them
            values = tuple(self._value(rule, kind, text) for text in texts)
            checks.append(Check(path, name, values, f"{operator.replace('_', ' ')} {', '.join(texts)}"))
        if not checks:
            raise ValueError(f"{rule.name}: {path} has no bound; write one, as at_most")
        return checks

    def _value(self, rule: TermsInFile, kind: str, text: str) -> Any:
        """As the ABI's decoder, or a JSON of typed data, gives it."""
        if kind == "address":
            return self._place(text)
        if kind == "bool" and text in ("true", "false"):
            return text == "true"
        if kind == "string":
            return text
        if kind.startswith("bytes") and "[" not in kind and re.fullmatch("0x([0-9a-f]{2})*", text):
            return bytes.fromhex(text[2:])
        if re.fullmatch("u?int[0-9]+", kind):
            if re.fullmatch("-?(0|[1-9][0-9]{0,77})", text):
                return int(text)
            amount, _, unit = text.partition(" ")
            if unit in self._assets and self._assets[unit].chain_id == self._chain_id(rule.chain):
                return base_units(amount, self._assets[unit].decimals)
        raise ValueError(f"{rule.name}: {quoted(text)} is no value of type {kind}; amounts are written as `500 USD`")


def _check_agreement(rules: list[tuple[object, Terms]]) -> None:
    """Two rules of one function must mean the same by it: else the milder could hide behind the stricter."""
    meanings: dict[object, Terms] = {}
    for key, terms in rules:
        first = meanings.setdefault(key, terms)
        if first.meaning != terms.meaning:
            raise ValueError(f"{first.name} and {terms.name} say two things of one function; say the same")


def _limits(written: LimitsInFile, decimals: int) -> Limits:
    per_transaction, per_day = base_units(written.per_transaction, decimals), base_units(written.per_day, decimals)

    def units(text: str | None, otherwise: int) -> int:
        return otherwise if text is None else base_units(text, decimals)

    is_new_free = written.new_recipient_above == "never"
    return Limits(
        per_transaction=per_transaction,
        per_hour=units(written.per_hour, per_day),
        per_day=per_day,
        per_counterparty_per_day=units(written.per_counterparty_per_day, per_day),
        allowance=units(written.allowance, per_transaction),
        approval_above=None if written.approval_above is None else base_units(written.approval_above, decimals),
        new_recipient_above=None if is_new_free else base_units(written.new_recipient_above, decimals),
    )


def _chain(name: str, written: ChainInFile) -> ChainTerms:
    gas = written.gas
    return ChainTerms(
        name=name,
        id=written.id,
        is_live=written.live,
        max_fee_wei=base_units(gas.max_fee_gwei, _GWEI_DECIMALS),
        max_tip_wei=base_units(gas.max_tip_gwei, _GWEI_DECIMALS),
        max_gas_cost_wei=base_units(gas.max_cost, _ETHER_DECIMALS),
        max_gas_cost_per_day_wei=base_units(gas.max_cost_per_day, _ETHER_DECIMALS),
    )
