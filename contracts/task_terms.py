"""What a client asks for and on which terms, before it is a task: durations for clocks, no client and no salt."""

from __future__ import annotations

from dataclasses import dataclass

from moray.contracts.tasks import NOBODY, Content, Task

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """Money is base units of the market's currency. Windows are counted from the step before, on the chain's clock."""

    model_id: bytes
    fee: int
    bond: int  # the provider's, and a challenger's; at least the fee
    resolver: str
    accept_within_s: int = 600
    submit_within_s: int = 300
    challenge_window_s: int = 600
    resolve_within_s: int = 86_400
    provider: str = NOBODY
    callback: str = NOBODY
    callback_gas: int = 0


def task_of(terms: TaskTerms, client: str, spec: Content, now_s: int, salt: bytes) -> Task:
    """``now_s``: the timestamp of the newest block, for the market judges clocks by it."""
    return Task(
        client=client,
        provider=terms.provider,
        model_id=terms.model_id,
        spec_hash=spec.hash,
        spec_uri=spec.uri,
        fee=terms.fee,
        bond=terms.bond,
        accept_by=now_s + terms.accept_within_s,
        submit_within=terms.submit_within_s,
        challenge_window=terms.challenge_window_s,
        resolve_within=terms.resolve_within_s,
        resolver=terms.resolver,
        callback=terms.callback,
        callback_gas=terms.callback_gas,
        salt=salt,
    )
