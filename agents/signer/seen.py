"""What a final block shows of what was signed, and what the ledger makes of it. Pure; settlement.py reads the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from moray.agents.policy.ledger import LedgerView

# "unknown": the tx_nonce is used up by nothing that this signer signed, so whatever it signed there stays counted.
Outcome = Literal["done", "reverted", "cancelled", "unknown"]
Grant = tuple[str, str]  # asset, spender


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not settled of one chain. ``attempts``: by tx_nonce, the hashes (hex) of all that was signed there, and
    whether each is the call itself rather than its cancellation."""

    attempts: Mapping[int, Mapping[str, bool]]
    grants: frozenset[Grant]


@dataclass(frozen=True, slots=True)
class Fate:
    tx_nonce: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Seen:
    """At one block. All below ``below_tx_nonce`` is used up; ``gone``: of what was asked, the allowances at zero."""

    chain_id: int
    below_tx_nonce: int
    fates: tuple[Fate, ...]
    gone: frozenset[Grant]


def grants(view: LedgerView, chain_id: int, before_tx_nonce: int | None = None) -> frozenset[Grant]:
    """The allowances that the ledger counts and the chain can show."""
    return frozenset(
        (reserve.asset, reserve.counterparty)
        for entry in view.entries
        for reserve in entry.reserves
        if reserve.is_shown
        and entry.chain_id == chain_id
        and entry.tx_nonce is not None
        and (before_tx_nonce is None or entry.tx_nonce < before_tx_nonce)
    )


def settled(view: LedgerView, seen: Seen, now: float) -> LedgerView:
    for fate in seen.fates:
        view = view.settled(seen.chain_id, fate.tx_nonce, fate.outcome in ("done", "unknown"))
    for asset, spender in sorted(seen.gone):
        view = view.released(seen.chain_id, asset, spender, seen.below_tx_nonce, now)
    return view
