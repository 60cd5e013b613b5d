"""The answer of the policy, and the refusal that ends its reasoning early."""

from __future__ import annotations

from dataclasses import dataclass

from moray.agents.policy.ledger import Reserve


@dataclass(frozen=True, slots=True)
class Decision:
    """``is_allowed`` alone permits a signature. ``needs_approval``: nothing is wrong with it but that a person must
    have agreed; then it is not allowed, and ``reserves`` say what it would take if it is signed on an approval.
    ``rule`` names the rule that matched, or the one that came nearest; ``reason`` is one line."""

    is_allowed: bool
    code: str
    reason: str
    rule: str | None = None
    needs_approval: bool = False
    reserves: tuple[Reserve, ...] = ()


class Refusal(Exception):
    """Never leaves this folder but from ``transaction_request``: ``decide`` makes a Decision of it."""

    def __init__(self, code: str, reason: str, rule: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.rule = rule

    def as_decision(self) -> Decision:
        return Decision(False, self.code, self.reason, self.rule)
