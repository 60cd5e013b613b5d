"""Who decides. The signer knows of a policy only this much; agents/policy is behind it."""

from __future__ import annotations

from typing import Protocol

from moray.agents.policy.decision import Decision
from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.readings import Questions
from moray.agents.policy.request import SignRequest
from moray.errors import BadSetting


class Judge(Protocol):
    """``version`` changes with every change of the policy, and with it all approvals lapse. ``approvers``: addresses,
    EIP-55, of which ``approvals_needed`` must agree."""

    @property
    def owner(self) -> str:
        """Whose account it is for."""
        ...

    @property
    def version(self) -> str: ...

    @property
    def approvers(self) -> frozenset[str]: ...

    @property
    def approvals_needed(self) -> int: ...

    def is_live(self, chain_id: int) -> bool: ...

    def questions(self, chain_id: int) -> Questions:
        """What is to be read from the chain, so that ``decide`` finds it in the ledger's ``readings``."""
        ...

    def decide(self, request: SignRequest, ledger: LedgerView, now: float) -> Decision:
        """Pure: the same answer for the same arguments. Never raises."""
        ...


def check_owner(judge: Judge, address: str) -> None:
    """Raises BadSetting for a policy of another account: its limits would bound somebody else's money."""
    if judge.owner != address:
        raise BadSetting(f"the policy is {judge.owner}'s, the key {address}'s; give the one that fits")
