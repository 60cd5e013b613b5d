"""Tasks, situations and limits for the tests of the task worker."""

from __future__ import annotations

from fractions import Fraction

from moray.contracts.tasks import NOBODY, Task
from moray.router.task_decisions import GatewayFacts, Limits, Situation
from moray.router.task_log import KnownTask

WORKER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
RESOLVER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
MODEL_ID = bytes(31) + b"\x01"
NOW_S = 1_800_000_000
UNIT = 10**6  # base units of a currency with 6 decimals

LIMITS = Limits(
    resolvers=frozenset({RESOLVER}),
    currency_per_wei=Fraction(2000 * UNIT, 10**18),
    gas_price_headroom=Fraction(3, 2),
    margin=0,
    max_bond=100 * UNIT,
    max_tokens=1000,
    max_lock_s=100_000,
    max_tasks=4,
    max_generating=2,
    confirmations=2,
    inclusion_s=30,
    seconds_per_token=Fraction(1, 2),
    seconds_per_prompt_token=Fraction(1, 10),
    withdraw_above=50 * UNIT,
)


def a_task(**changes: object) -> Task:
    """One that the worker of these tests likes: of its 10 units of fee gas takes less than 3."""
    terms: dict[str, object] = {
        "client": OTHER,
        "provider": NOBODY,
        "model_id": MODEL_ID,
        "spec_hash": bytes(32),
        "spec_uri": "",
        "fee": 10 * UNIT,
        "bond": 20 * UNIT,
        "accept_by": NOW_S + 600,
        "submit_within": 600,
        "challenge_window": 600,
        "resolve_within": 600,
        "resolver": RESOLVER,
        "callback": NOBODY,
        "callback_gas": 0,
        "salt": bytes(32),
    }
    return Task(**{**terms, **changes})  # type: ignore[arg-type]


def known(task: Task | None = None, number: int = 1, **changes: object) -> KnownTask:
    task = task or a_task()
    fields: dict[str, object] = {
        "id": number.to_bytes(32),
        "task": task,
        "spec": b"",
        "created_at_block": 100,
        "until": task.accept_by,
    }
    return KnownTask(**{**fields, **changes})  # type: ignore[arg-type]


def a_situation(**changes: object) -> Situation:
    fields: dict[str, object] = {
        "account": WORKER,
        "now_s": NOW_S,
        "head_block": 110,
        "gas_price_wei": 10**9,
        "balance_wei": 10**18,
        "balance": 1000 * UNIT,
        "allowance": 1000 * UNIT,
        "owed": 0,
        "gateway": GatewayFacts(MODEL_ID, "elver", 2048),
        "exams": {},
        "delivered": {},
        "called_back": frozenset(),
        "busy": {},
        "resting": frozenset(),
    }
    return Situation(**{**fields, **changes})  # type: ignore[arg-type]
