"""A policy as the signer asks it (moray.agents.signer.judge)."""

from __future__ import annotations

from dataclasses import dataclass

from moray.agents.policy.decide import decide
from moray.agents.policy.decision import Decision
from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.policy import Policy
from moray.agents.policy.readings import Questions
from moray.agents.policy.request import SignRequest


@dataclass(frozen=True, slots=True)
class PolicyJudge:
    policy: Policy

    @property
    def owner(self) -> str:
        """Whose account the policy is for: a signer of another key must not start with it."""
        return self.policy.owner

    @property
    def version(self) -> str:
        return self.policy.version

    @property
    def approvers(self) -> frozenset[str]:
        return self.policy.approvers

    @property
    def approvals_needed(self) -> int:
        return self.policy.approvals_needed

    def is_live(self, chain_id: int) -> bool:
        chain = self.policy.chains.get(chain_id)
        return chain is not None and chain.is_live

    def questions(self, chain_id: int) -> Questions:
        return self.policy.questions(chain_id)

    def decide(self, request: SignRequest, ledger: LedgerView, now: float) -> Decision:
        return decide(self.policy, request, ledger, now)
