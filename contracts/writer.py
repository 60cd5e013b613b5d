"""One round of the writer: look at the chain, settle what is on its way, sign what waits.

A crash between any two lines loses nothing and repeats nothing: bytes are stored before they are sent, sending the same
bytes again is harmless, and every change of the database is whole or not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from moray.contracts.calls import Call
from moray.contracts.chain_account import AccountOnChain
from moray.contracts.fees import FeePolicy, Fees
from moray.contracts.intents import Attempt, Failure, Intent, IntentStatus
from moray.contracts.outbox_decisions import (
    CANCELLATION_GAS,
    Allot,
    ChainView,
    FindRival,
    Finish,
    Include,
    Receipt,
    Refuse,
    Replace,
    Resend,
    Wait,
    allotment,
    gaps,
    next_step,
)
from moray.contracts.outbox_journal import Journal
from moray.errors import CallReverted, ChainError, ChainRefused, MorayError, Reverted, SignatureRefused
from moray.ethereum import keccak

logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class TransactionSigner(Protocol):
    """Who signs: a NodeKey, or a process that holds a key and a policy."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        """Called in a thread. Raises a MorayError where it does not sign: for ever, unless that is retryable."""
        ...


class _Unsigned(Exception):
    """The signer refuses. ``failure`` is None where it may sign the same later."""

    def __init__(self, error: MorayError, call: Call) -> None:
        super().__init__(str(error))
        line = f"'{call.summary}' is not signed: {error}"
        self.failure = None if error.is_retryable else Failure(SignatureRefused.code, line, error.code)


class Writer:
    """Of one chain and signer. Two at once would waste fees, no more; the writer lock (writer_lock.py) prevents it."""

    def __init__(
        self, journal: Journal, account: AccountOnChain, signer: TransactionSigner, chain_id: int, policy: FeePolicy
    ) -> None:
        self._journal = journal
        self._account = account
        self._signer = signer
        self._chain_id = chain_id
        self._policy = policy
        self._offered: dict[bytes, bytes] = {}  # transaction -> the head at which a node last took it

    async def round(self) -> None:
        """Raises ChainError when the chain cannot be asked: the next round does what this one did not."""
        view = await self._account.view()
        await self._do(self._journal.reopen, view.tx_nonce)
        for intent in await self._do(self._journal.live):
            try:
                await self._settle(intent, view)
            except ChainRefused as error:  # perhaps of this one alone: the others must not wait for it
                await self._note(intent, str(error))
        waiting = await self._do(self._journal.waiting)
        if waiting or gaps(view, _tx_nonces(await self._unmined(view))):
            await self._allot_all(waiting, view)

    # -- what is on its way -------------------------------------------------------------------------------------------

    async def _settle(self, intent: Intent, view: ChainView) -> None:
        receipt = None
        if intent.tx_nonce is not None and intent.tx_nonce < view.tx_nonce:
            receipt = await self._receipt(intent)
        if receipt is None and intent.status is IntentStatus.MINED:
            await self._do(self._journal.exclude, intent)
            return  # the next round sees it as it is
        match next_step(intent, receipt, view, self._policy):
            case Include(mined):
                await self._do(self._journal.include, intent, mined)
            case Finish(mined, failure):
                await self._do(self._journal.finish, intent, mined, failure)
            case Resend(note):
                await self._resend(intent, view, note)
            case Replace(fees):
                await self._replace(intent, view, fees)
            case FindRival():
                await self._find_rival(intent)

    async def _receipt(self, intent: Intent) -> Receipt | None:
        for attempt in reversed(intent.attempts):
            if (receipt := await self._account.receipt(attempt.tx_hash)) is not None:
                return receipt
        return None

    async def _resend(self, intent: Intent, view: ChainView, note: str) -> None:
        """The newest bytes that a node takes, once for every new block."""
        for attempt in reversed(intent.attempts):
            if self._offered.get(attempt.tx_hash) == view.head_hash:
                break
            try:
                await self._account.broadcast(attempt.raw)
            except ChainError as error:
                note = note or str(error)
            else:
                self._offered[attempt.tx_hash] = view.head_hash
                break
        await self._note(intent, note)

    async def _replace(self, intent: Intent, view: ChainView, fees: Fees) -> None:
        assert intent.tx_nonce is not None
        last, failure = intent.attempts[-1], None
        is_cancellation = intent.is_called_off
        if intent.tx_nonce == view.tx_nonce and not is_cancellation:  # all before it is mined: the answer counts
            try:
                await self._account.estimate(intent.call)
            except Reverted as error:
                failure, is_cancellation = _as_failure(error, intent.call), True
        gas = CANCELLATION_GAS if is_cancellation else last.gas
        try:
            attempt = await self._sign(intent.call, intent.tx_nonce, gas, fees, view.head_number, is_cancellation)
        except _Unsigned as refusal:  # what is signed may still be mined
            await self._resend(intent, view, f"no higher fee is signed: {refusal}")
            return
        await self._do(self._journal.sign, intent, attempt, failure)
        await self._offer(attempt, view)

    async def _find_rival(self, intent: Intent) -> None:
        assert intent.tx_nonce is not None
        rival = await self._account.user_of(intent.tx_nonce, intent.attempts[0].signed_at_block)
        if rival is None:
            await self._note(intent, f"tx_nonce {intent.tx_nonce} is used up by a transaction that cannot be found")
        elif rival not in [attempt.tx_hash for attempt in intent.attempts]:
            logger.warning(
                "another program uses the key of %s: 0x%s took tx_nonce %d, '%s' gets another; keep keys apart",
                self._signer.address,
                rival.hex(),
                intent.tx_nonce,
                intent.call.summary,
            )
            await self._do(self._journal.free, intent)

    # -- what waits ---------------------------------------------------------------------------------------------------

    async def _allot_all(self, waiting: list[Intent], view: ChainView) -> None:
        missing = gaps(view, _tx_nonces(await self._unmined(view)))[len(waiting) :]
        for tx_nonce in missing:
            await self._do(self._journal.fill, tx_nonce)
        if missing:
            waiting = await self._do(self._journal.waiting)
        for intent in waiting:
            unmined = await self._unmined(view)
            try:
                if intent.call.value_wei > view.balance_wei:
                    estimate = CANCELLATION_GAS  # no simulation pays what is not there; it is refused below
                else:
                    estimate = await self._account.estimate(intent.call)
            except Reverted as error:
                # It may only work after one before it, which is not on the chain yet.
                if not any(earlier.id < intent.id for earlier in unmined):
                    await self._do(self._journal.refuse, intent, _as_failure(error, intent.call))
                continue
            except ChainRefused as error:  # as above
                await self._note(intent, str(error))
                continue
            match allotment(intent.call, estimate, view, self._policy, unmined, self._signer.address):
                case Refuse(failure):
                    await self._do(self._journal.refuse, intent, failure)
                case Wait(note):
                    await self._note(intent, note)
                    return  # so would all that come after it
                case Allot(tx_nonce, fees, gas):
                    try:
                        attempt = await self._sign(intent.call, tx_nonce, gas, fees, view.head_number)
                    except _Unsigned as refusal:
                        if refusal.failure is None:
                            await self._note(intent, str(refusal))
                        else:
                            await self._do(self._journal.refuse, intent, refusal.failure)
                        continue
                    await self._do(self._journal.sign, intent, attempt)
                    await self._offer(attempt, view)

    async def _unmined(self, view: ChainView) -> list[Intent]:
        live = await self._do(self._journal.live)
        return [intent for intent in live if intent.tx_nonce is not None and intent.tx_nonce >= view.tx_nonce]

    # -- both ---------------------------------------------------------------------------------------------------------

    async def _sign(
        self, call: Call, tx_nonce: int, gas: int, fees: Fees, head_number: int, is_cancellation: bool = False
    ) -> Attempt:
        """Raises _Unsigned."""
        fields = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": tx_nonce,
            "to": self._signer.address if is_cancellation else call.to,
            "data": b"" if is_cancellation else call.data,
            "value": 0 if is_cancellation else call.value_wei,
            "gas": gas,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.tip_wei,
        }
        try:
            raw = await self._do(self._signer.sign_transaction, fields)
        except MorayError as error:
            raise _Unsigned(error, call) from error
        return Attempt(keccak(raw), tx_nonce, raw, gas, fees, is_cancellation, head_number)

    async def _offer(self, attempt: Attempt, view: ChainView) -> None:
        """For the first time; whatever comes of it, the next rounds go on with it."""
        try:
            await self._account.broadcast(attempt.raw)
        except ChainError as error:
            logger.info("not taken yet: %s", error)
        else:
            self._offered[attempt.tx_hash] = view.head_hash

    async def _note(self, intent: Intent, note: str) -> None:
        if note != intent.note:
            if note:
                logger.warning("'%s' waits: %s", intent.call.summary, note)
            await self._do(self._journal.note, intent, note)

    async def _do(self, change: Callable[..., _Result], *arguments: Any) -> _Result:
        """A database transaction, off the event loop."""
        return await asyncio.to_thread(change, *arguments)


def _tx_nonces(live: list[Intent]) -> list[int]:
    return [intent.tx_nonce for intent in live if intent.tx_nonce is not None]


def _as_failure(error: Reverted, call: Call) -> Failure:
    return Failure(CallReverted.code, f"'{call.summary}' would be refused: {error}", error.name)
