"""The policy of a file as the signer's judge."""

from __future__ import annotations

from dataclasses import dataclass

from moray.agents.policy.decide import decide
from moray.agents.policy.decision import Decision
from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.policy import Policy
from moray.agents.policy.request import SignRequest
from moray.errors import BadSetting


@dataclass(frozen=True, slots=True)
class PolicyJudge:
    """``live_chains``: those named when the signer was started. A chain is live if the policy says so too."""

    policy: Policy
    live_chains: frozenset[int]

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
        terms = self.policy.chains.get(chain_id)
        return terms is not None and terms.is_live and chain_id in self.live_chains

    def decide(self, request: SignRequest, ledger: LedgerView, now: float) -> Decision:
        return decide(self.policy, request, ledger, now)

    def check(self, address: str) -> None:
        """Raises BadSetting for a policy of another account, or chains to be live that it does not name."""
        if self.policy.owner != address:
            raise BadSetting(f"the policy is {self.policy.owner}'s, the key {address}'s; give the one that fits")
        for chain_id in sorted(self.live_chains):
            if not self.is_live(chain_id):
                raise BadSetting(f"--live {chain_id}: the policy does not say that this chain is live; change one")
