"""An intent: one call that one account promised to make, and what became of it.

::

    waiting --> sent --> mined --> final
       |  ^      | ^       |
       |  |      | |       |  a reorganisation takes the block away
       |  |      | +-------+
       |  +------+  somebody else used its tx_nonce: it never happened, it gets another
       +--> failed: refused before it was signed, or reverted, or called off and so never going to happen

``final`` and ``failed`` are the ends, except that a reorganisation deeper than the confirmations makes either ``sent``
again: the states say what the chain says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moray.contracts.calls import Call
from moray.contracts.fees import Fees
from moray.contracts.log import Log


class IntentStatus(StrEnum):
    WAITING = "waiting"  # stored; nothing is signed under its present tx_nonce, for it has none
    SENT = "sent"  # bytes are signed and stored; they may be mined at any moment
    MINED = "mined"  # in a block that is not deep enough yet
    FINAL = "final"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Mined:
    """How a call ended up on the chain. ``tx_hash`` and ``block_hash`` are of 32 bytes."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    gas_used: int
    effective_gas_price: int  # wei per gas
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an intent will not happen. ``code`` is that of an error of moray.errors; ``name`` is the contract's error
    where it was one."""

    code: str
    message: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class IntentState:
    """What any process can read of an intent. ``note`` is one line of what it waits for, if that is worth telling."""

    key: str
    chain_id: int
    signer: str
    call: Call
    status: IntentStatus
    tx_nonce: int | None
    tx_hashes: tuple[bytes, ...]  # of every attempt, the oldest first
    mined: Mined | None  # with status MINED and FINAL, and FAILED where it was mined to no avail
    failure: Failure | None
    note: str

    @property
    def has_ended(self) -> bool:
        return self.status in (IntentStatus.FINAL, IntentStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction. ``signed_at_block``: the newest block's number when it was signed."""

    tx_hash: bytes
    tx_nonce: int
    raw: bytes
    gas: int
    fees: Fees
    is_cancellation: bool  # it pays nothing to nobody, so that the tx_nonce is used up
    signed_at_block: int


@dataclass(frozen=True, slots=True)
class Intent:
    """What the sender knows of an intent. ``attempts``: those under its present tx_nonce, the oldest first."""

    id: int
    call: Call
    status: IntentStatus
    tx_nonce: int | None
    attempts: tuple[Attempt, ...]
    failure: Failure | None  # with a cancellation among the attempts: why it is called off
    note: str

    @property
    def is_called_off(self) -> bool:
        return any(attempt.is_cancellation for attempt in self.attempts)

    @property
    def reserved_wei(self) -> int:
        """The most that it can still cost."""
        return (
            max((attempt.gas * attempt.fees.max_fee_wei for attempt in self.attempts), default=0) + self.call.value_wei
        )
