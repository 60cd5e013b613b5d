"""What to do about one intent, given what the chain says: pure, so that every order of events can be tried.

The rule above all others: an intent that has signed bytes keeps its tx_nonce, because any of those bytes may be mined,
until another transaction with that tx_nonce is known by its hash and settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moray.contracts.calls import Call
from moray.contracts.fees import FeePolicy, Fees, first_fees, replacement_fees
from moray.contracts.intents import Attempt, Failure, Intent, Mined
from moray.errors import CallReverted, EmptyWallet, EventMissing

CANCELLATION_GAS = 21_000  # of a transfer to oneself
MAX_IN_FLIGHT = 16  # tx_nonces ahead of the chain's; nodes keep about as many of one account for sure


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the chain says of the account, all of it at one block. ``tx_nonce`` is the first that no block has used,
    ``settled_tx_nonce`` the same at the newest block that no reorganisation is expected to reach."""

    head_number: int
    head_hash: bytes
    settled_number: int
    base_fee_wei: int
    suggested_tip_wei: int
    tx_nonce: int
    settled_tx_nonce: int
    balance_wei: int


@dataclass(frozen=True, slots=True)
class Receipt:
    is_success: bool
    mined: Mined


# -- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Include:
    """It is in a block that is not deep enough."""

    mined: Mined


@dataclass(frozen=True, slots=True)
class Finish:
    """It is as deep as it needs to be: done, or failed."""

    mined: Mined
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Resend:
    """The same bytes again, all of them: whichever is mined, it is this intent's."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Replace:
    """Sign it once more with the same tx_nonce and these fees."""

    fees: Fees


@dataclass(frozen=True, slots=True)
class FindRival:
    """None of its transactions is on the chain though its tx_nonce is used up for good: look who used it."""


Step = Include | Finish | Resend | Replace | FindRival


def next_step(intent: Intent, receipt: Receipt | None, view: ChainView, policy: FeePolicy) -> Step:
    """For an intent with a tx_nonce. ``receipt`` is of any of its attempts, and its block canonical."""
    assert intent.tx_nonce is not None and intent.attempts
    if receipt is not None:
        return _mined(intent, receipt, view)
    if intent.tx_nonce >= view.tx_nonce:
        return _pending(intent, intent.attempts[-1], view, policy)
    if intent.tx_nonce < view.settled_tx_nonce:
        return FindRival()
    return Resend()  # another's transaction has its place for now, or the endpoint is not done with the block


def _mined(intent: Intent, receipt: Receipt, view: ChainView) -> Step:
    mined = receipt.mined
    if mined.block_number > view.settled_number:
        return Include(mined)
    attempt = next(attempt for attempt in intent.attempts if attempt.tx_hash == mined.tx_hash)
    if attempt.is_cancellation:
        return Finish(mined, intent.failure)
    summary = intent.call.summary
    if not receipt.is_success:
        message = f"the chain reverted '{summary}' when it was mined; look at the contract's state, then ask again"
        return Finish(mined, Failure(CallReverted.code, message))
    if not has_event(intent.call, mined):
        message = f"'{summary}' was mined without the event that it is for; check that the contract is the right one"
        return Finish(mined, Failure(EventMissing.code, message))
    return Finish(mined, None)


def _pending(intent: Intent, last: Attempt, view: ChainView, policy: FeePolicy) -> Step:
    is_priced_out = last.fees.max_fee_wei < view.base_fee_wei
    is_next = intent.tx_nonce == view.tx_nonce  # whoever is behind another is not left out for its fees
    is_left_out = is_next and view.head_number - last.signed_at_block >= policy.bump_after_blocks
    if not (is_priced_out or is_left_out):
        return Resend()
    fees = replacement_fees(policy, last.fees, view.base_fee_wei, view.suggested_tip_wei)
    if fees is None:
        return Resend(ceiling_note(policy))
    added = (fees.max_fee_wei - last.fees.max_fee_wei) * last.gas
    if intent.reserved_wei + added > view.balance_wei:
        return Resend("the account cannot pay the higher fee that this waits for; send ETH to it")
    return Replace(fees)


def ceiling_note(policy: FeePolicy) -> str:
    return f"gas costs more than the ceiling of {policy.ceiling_wei} wei; wait, or raise the ceiling"


def has_event(call: Call, mined: Mined) -> bool:
    return call.expects is None or any(call.expects.is_in(log.address, log.topics) for log in mined.logs)


# -- a tx_nonce for those who wait ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allot:
    """Sign it with this tx_nonce."""

    tx_nonce: int
    fees: Fees
    gas: int


@dataclass(frozen=True, slots=True)
class Refuse:
    failure: Failure


@dataclass(frozen=True, slots=True)
class Wait:
    note: str


def free_tx_nonce(view: ChainView, used: Iterable[int]) -> int:
    """The lowest that neither the chain nor an intent has: so gaps fill before the row grows."""
    taken = set(used)
    return next(number for number in range(view.tx_nonce, view.tx_nonce + len(taken) + 1) if number not in taken)


def gaps(view: ChainView, used: Sequence[int]) -> list[int]:
    """The tx_nonces of nobody that some intent's is behind: until they are used, it cannot be mined."""
    return sorted(set(range(view.tx_nonce, max(used, default=0))) - set(used))


def allotment(
    call: Call, estimate: int, view: ChainView, policy: FeePolicy, live: Sequence[Intent], signer: str
) -> Allot | Refuse | Wait:
    """For a waiting intent whose simulation went well. ``live``: those that no block has yet."""
    tx_nonce = free_tx_nonce(view, [intent.tx_nonce for intent in live if intent.tx_nonce is not None])
    if tx_nonce >= view.tx_nonce + MAX_IN_FLIGHT:
        return Wait("")
    fees = first_fees(policy, view.base_fee_wei, view.suggested_tip_wei)
    if fees is None:
        return Wait(ceiling_note(policy))
    gas = policy.gas_limit(estimate)
    reserved = sum(intent.reserved_wei for intent in live)
    needed = gas * fees.max_fee_wei + call.value_wei
    if reserved + needed <= view.balance_wei:
        return Allot(tx_nonce, fees, gas)
    line = f"{signer} has {view.balance_wei} wei and '{call.summary}' may cost {needed}; send ETH to it, then ask again"
    return Wait(line) if reserved else Refuse(Failure(EmptyWallet.code, line))
