"""What was signed and may still happen, as the policy counts it. A snapshot: the signer keeps the book.

An amount is reserved when it is signed, not when it is mined. What was signed at one tx_nonce counts once, at the most
that any of it takes, since the chain takes only one. An allowance counts, whatever its age, until the signer saw it at
zero (``released``), because whoever holds it may draw it at any time. A spend that a contract pulls through an
allowance counted already is the same money, so that much of it is not counted again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from moray.agents.policy.readings import Readings

NATIVE = "native"  # the chain's own asset, where others have an address
HOUR_S = 3600
DAY_S = 24 * HOUR_S

Kind = Literal["spend", "allowance", "gas"]


@dataclass(frozen=True, slots=True)
class Reserve:
    """At most ``amount`` base units of ``asset`` leave the owner. ``counterparty``: who gets it (recipient, spender,
    protocol's contract). ``is_pulled``: the counterparty takes it through an allowance. ``is_shown``: an allowance of
    the currency's own, which its ``allowance`` shows; others (Permit2's) are kept where nobody looks."""

    kind: Kind
    chain_id: int
    asset: str  # EIP-55, or NATIVE
    amount: int
    counterparty: str  # EIP-55; "" of gas
    is_pulled: bool = False
    is_shown: bool = False

    @property
    def is_payment(self) -> bool:
        """To somebody who need give nothing for it."""
        return self.kind == "spend" and not self.is_pulled


@dataclass(frozen=True, slots=True)
class Entry:
    """All that was signed at one place: a tx_nonce of a chain, or one typed-data digest (``tx_nonce`` None).

    ``digest``: TransactionRequest.digest of the first, or the typed data's (its EIP-712 hash, hex). ``signed_at``:
    unix s, of the latest. ``is_open``: it may still happen, so it counts whatever its age. A signer that cannot ask
    the chain says False, and all but allowances lapses with the window.
    """

    chain_id: int
    tx_nonce: int | None
    digest: str
    signed_at: float
    is_open: bool
    reserves: tuple[Reserve, ...]

    @property
    def place(self) -> tuple[int, int | str]:
        return self.chain_id, self.digest if self.tx_nonce is None else self.tx_nonce

    def joined(self, later: Entry) -> Entry:
        """With what was signed later at the same place: the most of both."""
        most: dict[Reserve, int] = {}
        for reserve in (*self.reserves, *later.reserves):
            key = replace(reserve, amount=0)
            most[key] = max(most.get(key, 0), reserve.amount)
        reserves = tuple(replace(key, amount=amount) for key, amount in most.items())
        return replace(later, digest=self.digest, reserves=reserves)


@dataclass(frozen=True, slots=True)
class LedgerView:
    """``known``: (chain, address) that an approver agreed to pay. ``readings``: what the signer itself read from its
    chains. ``halted``: why nothing is signed now (the kill switch, a circuit breaker), or ""."""

    entries: tuple[Entry, ...] = ()
    known: frozenset[tuple[int, str]] = frozenset()
    readings: Readings = field(default_factory=dict)
    halted: str = ""

    def at(self, place: tuple[int, int | str]) -> Entry | None:
        return next((entry for entry in self.entries if entry.place == place), None)

    def signed(self, entry: Entry) -> LedgerView:
        """After ``entry`` was signed too."""
        before = self.at(entry.place)
        others = tuple(each for each in self.entries if each.place != entry.place)
        return replace(self, entries=(*others, before.joined(entry) if before else entry))

    def settled(self, chain_id: int, tx_nonce: int, had_effect: bool) -> LedgerView:
        """After that tx_nonce was used up in a final block: it counts for its windows only, and without an effect
        (reverted, or cancelled) for its gas alone."""

        def after(entry: Entry) -> Entry:
            if entry.place != (chain_id, tx_nonce):
                return entry
            left = tuple(each for each in entry.reserves if had_effect or each.kind == "gas")
            return replace(entry, is_open=False, reserves=left)

        return replace(self, entries=tuple(map(after, self.entries)))

    def released(self, chain_id: int, asset: str, spender: str, before_tx_nonce: int, now: float) -> LedgerView:
        """After an allowance was seen at zero in a final block in which all below ``before_tx_nonce`` was used up: what
        was granted by then is gone. The spender may have drawn it a moment ago, so what of it no spend of this ledger
        explains counts as spent from ``now``. Allowances of typed data stay, for nobody knows when they are used."""
        key = (chain_id, asset, spender)
        mine = [
            (entry, reserve)
            for entry in sorted(self.entries, key=_order)
            for reserve in entry.reserves
            if (reserve.chain_id, reserve.asset, reserve.counterparty) == key
            and entry.tx_nonce is not None
            and entry.tx_nonce < before_tx_nonce
        ]
        is_mixed = any(reserve.kind == "allowance" and not reserve.is_shown for _, reserve in mine)
        unexplained = dict[tuple[int, int | str], int]()  # by place, oldest first
        for entry, reserve in mine:
            if reserve.kind == "allowance" and reserve.is_shown:
                unexplained[entry.place] = unexplained.get(entry.place, 0) + reserve.amount
            elif reserve.is_pulled and not is_mixed:
                pulled = reserve.amount
                for place, amount in unexplained.items():
                    unexplained[place] = amount - min(amount, pulled)
                    pulled -= min(amount, pulled)

        def after(entry: Entry) -> Entry:
            if entry.place not in unexplained:
                return entry
            left = tuple(
                each
                for each in entry.reserves
                if not (each.is_shown and (each.chain_id, each.asset, each.counterparty) == key)
            )
            if not (amount := unexplained[entry.place]):
                return replace(entry, reserves=left)
            drawn = Reserve("spend", chain_id, asset, amount, spender)
            return replace(entry, reserves=(*left, drawn), signed_at=now)

        return replace(self, entries=tuple(map(after, self.entries)))

    def used(self, chain_id: int, asset: str, now: float, window_s: int, counterparty: str | None = None) -> int:
        """Base units that may leave, or left, within the window; to ``counterparty`` alone where it is given."""
        total, allowed = 0, dict[str, int]()
        for entry in sorted(self.entries, key=_order):
            is_counted = entry.is_open or entry.signed_at > now - window_s
            for reserve in entry.reserves:
                if (reserve.chain_id, reserve.asset) != (chain_id, asset) or reserve.kind == "gas":
                    continue
                if counterparty not in (None, reserve.counterparty):
                    continue
                left = allowed.get(reserve.counterparty, 0)
                if reserve.kind == "allowance":
                    total += reserve.amount
                    if entry.tx_nonce is not None:
                        allowed[reserve.counterparty] = left + reserve.amount
                else:
                    covered = min(left, reserve.amount) if reserve.is_pulled else 0
                    allowed[reserve.counterparty] = left - covered
                    total += (reserve.amount - covered) if is_counted else 0
        return total

    def gas_used(self, chain_id: int, now: float, window_s: int) -> int:
        """Wei that gas may cost, or cost, within the window."""
        return sum(
            reserve.amount
            for entry in self.entries
            if entry.is_open or entry.signed_at > now - window_s
            for reserve in entry.reserves
            if reserve.kind == "gas" and reserve.chain_id == chain_id
        )


def _order(entry: Entry) -> tuple[int, int]:
    """As the chain will run them: an allowance covers only what comes after it. Typed data covers nothing."""
    return (0, -1) if entry.tx_nonce is None else (1, entry.tx_nonce)
