"""A signer's parts with a real policy: one account, one friend, one approver, on the development chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moray.agents.journal import Journal, read_entries
from moray.agents.policy.judge import PolicyJudge
from moray.agents.policy.policy_reading import parse_policy
from moray.agents.policy.request import TransactionRequest
from moray.agents.signer.book import Book
from moray.agents.signer.breaker import Breaker
from moray.agents.signer.desk import Desk
from moray.ethereum import Account
from moray.node_key import NodeKey, TypedData

PRIVATE_KEY = bytes(range(1, 33))
KEY = NodeKey.from_bytes(PRIVATE_KEY)
APPROVER, OTHER_APPROVER, FRIEND, STRANGER = (NodeKey.from_bytes(bytes([number]) * 32) for number in (7, 8, 9, 10))
CHAIN_ID = 31337
ETHER = 10**18
GWEI = 10**9
PER_DAY = 2 * ETHER

POLICY = f"""
version: 1
owner: "{KEY.address}"
chains:
  development:
    id: {CHAIN_ID}
    live: true
    gas: {{max_fee_gwei: "100", max_tip_gwei: "3", max_cost: "0.05", max_cost_per_day: "0.5"}}
  elsewhere:
    id: 5
    live: false
    gas: {{max_fee_gwei: "100", max_tip_gwei: "3", max_cost: "0.05", max_cost_per_day: "0.5"}}
assets:
  ETH:
    chain: development
    address: native
    decimals: 18
    limits: {{per_transaction: "1", per_day: "2", approval_above: "0.5", new_recipient_above: "never"}}
  ETH there:
    chain: elsewhere
    address: native
    decimals: 18
    limits: {{per_transaction: "1", per_day: "2", new_recipient_above: "never"}}
parties:
  friend: "{FRIEND.address}"
calls:
  - {{name: pay a friend, chain: development, to: friend, call: receive()}}
  - {{name: pay a friend there, chain: elsewhere, to: friend, call: receive()}}
approvers: ["{APPROVER.address}", "{OTHER_APPROVER.address}"]
approvals_needed: 1
"""


def payment(tx_nonce: int, value_wei: int = ETHER // 10, **changes: Any) -> TransactionRequest:
    """To the friend, for 21,000 gas at 10 gwei."""
    fields: dict[str, Any] = {
        "chain_id": CHAIN_ID,
        "tx_nonce": tx_nonce,
        "to": FRIEND.address,
        "value_wei": value_wei,
        "data": b"",
        "gas": 21_000,
        "max_fee_wei": 10 * GWEI,
        "tip_wei": GWEI,
    }
    return TransactionRequest(**(fields | changes))


def judge(policy: str = POLICY) -> PolicyJudge:
    return PolicyJudge(parse_policy(policy.encode()))


class WatchingKey:
    """Signs as KEY, and only what an allowed decision in the journal on disk stands for."""

    def __init__(self, journal: Path, address: str) -> None:
        self._journal, self.address = journal, address
        self.num_signed = 0

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        allowed = [
            entry.fields["request"]
            for entry, _ in read_entries(self._journal)
            if entry.kind == "decision" and entry.fields["outcome"] == "allowed"
        ]
        assert str(fields["nonce"]) in [each["tx_nonce"] for each in allowed if each["to"] == fields["to"]]
        self.num_signed += 1
        return KEY.sign_transaction(fields)

    def sign_typed_data(self, data: TypedData) -> bytes:
        raise AssertionError("nothing here allows typed data")


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Office:
    desk: Desk
    key: WatchingKey
    book: Book
    journal: Journal
    clock: Clock

    def kinds(self) -> list[str]:
        return [entry.kind for entry, _ in read_entries(self.journal.path)]

    def outcomes(self) -> list[str]:
        """Of the decisions, with their codes where something was refused."""
        decisions = [entry.fields for entry, _ in read_entries(self.journal.path) if entry.kind == "decision"]
        return [each["code"] if each["outcome"] == "denied" else each["outcome"] for each in decisions]

    def close(self) -> None:
        self.journal.close()
        self.book.close()


def office(
    folder: Path,
    policy: str = POLICY,
    live: frozenset[int] = frozenset({CHAIN_ID}),
    make_journal: Callable[[Path], Journal] = Journal,
    breaker: Breaker | None = None,
    address: str = KEY.address,
    watched: frozenset[int] = frozenset(),
) -> Office:
    journal, book, clock = make_journal(folder / "journal"), Book(folder / "ledger"), Clock()
    key = WatchingKey(folder / "journal", address)
    desk = Desk(key, judge(policy), book, journal, folder / "ledger.halted", live, breaker, clock, watched)
    return Office(desk, key, book, journal, clock)


def sender_of(raw: bytes) -> str:
    return str(Account.recover_transaction(raw))
