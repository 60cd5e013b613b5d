"""What a task costs its provider in gas, and what is left of its fee. Upper bounds: who errs here works for nothing.

Figures of contracts/src/TaskMarket.sol, rounded up; tests/router/test_task_worker.py holds them against a chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from moray.contracts.tasks import MAX_INLINE_BYTES, NOBODY, Task

GAS_APPROVE = 60_000
GAS_ACCEPT = 100_000
GAS_SUBMIT = 110_000
GAS_CLOSE = 150_000  # of a challenged one, where four accounts get something for the first time
GAS_CALL_BACK = 100_000  # without what the callback itself may use
GAS_WITHDRAW = 60_000
GAS_PER_BYTE = 40  # of calldata, the floor price of EIP-7623; more than calldata and log together

RESULT_BYTES_PER_TOKEN = 16  # few tokens are longer
TRANSCRIPT_BYTES_PER_TOKEN = 8  # an id and a comma
TRANSCRIPT_FRAME_BYTES = 512


@dataclass(frozen=True, slots=True)
class Size:
    """Of one completion, in tokens."""

    num_prompt_tokens: int
    max_tokens: int


def gas_of_task(task: Task, size: Size) -> int:
    """Of all that its provider sends, from the approval of the bond to the withdrawal."""
    result_bytes = min(MAX_INLINE_BYTES, size.max_tokens * RESULT_BYTES_PER_TOKEN)
    num_tokens = size.num_prompt_tokens + size.max_tokens
    transcript_bytes = min(MAX_INLINE_BYTES, TRANSCRIPT_FRAME_BYTES + num_tokens * TRANSCRIPT_BYTES_PER_TOKEN)
    gas = GAS_APPROVE + GAS_ACCEPT + GAS_SUBMIT + GAS_CLOSE + GAS_WITHDRAW
    gas += GAS_PER_BYTE * (result_bytes + transcript_bytes + 3 * len(task.spec_uri.encode()))
    if task.callback != NOBODY:
        # A call gets 63/64 of what its caller has left, and must get as much as was promised (EIP-150).
        gas += GAS_CALL_BACK + ceil(task.callback_gas * 64 / 63) + GAS_PER_BYTE * result_bytes
    return gas


def profit(task: Task, gas: int, gas_price_wei: int, currency_per_wei: Fraction) -> int:
    """In base units of the currency, rounded down; below 0 where gas costs more than the fee."""
    return task.fee - ceil(gas * gas_price_wei * currency_per_wei)
