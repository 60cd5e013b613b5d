"""The one writer of an account's transactions: the loop around contracts/writer.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from sqlalchemy.exc import OperationalError

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.chain_account import ChainAccount
from moray.contracts.development_keys import check_key
from moray.contracts.fees import FeePolicy
from moray.contracts.intents import IntentState, Mined
from moray.contracts.outbox import Outbox
from moray.contracts.outbox_journal import Journal, WriterOvertaken
from moray.contracts.writer import TransactionSigner, Writer
from moray.contracts.writer_lock import writer_lock
from moray.errors import ChainError

logger = logging.getLogger(__name__)
ROUND_S = 0.25  # between two looks at the chain and at the outbox
_LONGEST_PAUSE_S = 10.0  # while the chain cannot be asked
_Result = TypeVar("_Result")


class Sender:
    """Signs and sends what the outbox promises for one chain and signer::

        async with Sender(outbox, chain, key) as sender:  # runs it meanwhile
            mined = await sender.send("accept 0x12ab", market.accept(task))

    Any number of processes may run one: one of them writes, the others stand by and take over when it ends.
    """

    def __init__(
        self,
        outbox: Outbox,
        chain: Chain,
        signer: TransactionSigner,
        fees: FeePolicy | None = None,
        confirmations: int | None = None,
        round_s: float = ROUND_S,
    ) -> None:
        """``confirmations``: blocks on top of a transaction's own until it is final; None: the chain's.

        Raises BadKey for a development account on any other chain.
        """
        check_key(signer.address, chain.chain_id)
        self._outbox = outbox
        self._chain_id = chain.chain_id
        self._signer = signer
        self._round_s = round_s
        self._lock = writer_lock(outbox.engine, chain.chain_id, signer.address)
        self._writer = Writer(
            Journal(outbox.engine, chain.chain_id, signer.address),
            ChainAccount(chain, signer.address, chain.confirmations if confirmations is None else confirmations),
            signer,
            chain.chain_id,
            fees or FeePolicy(),
        )
        self._running: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The account."""
        return self._signer.address

    async def __aenter__(self) -> Sender:
        self._running = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])

    async def run(self) -> None:
        """Until it is cancelled; a chain or a database that does not answer is asked again. One process at a time."""
        pause_s = self._round_s
        try:
            while True:
                try:
                    if await _finished(self._lock.acquire):
                        await self._writer.round()
                    pause_s = self._round_s
                except (ChainError, OperationalError, WriterOvertaken) as error:
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                    logger.warning("sending for %s pauses: %s", self._signer.address, _line(error))
                await asyncio.sleep(pause_s)
        finally:
            self._lock.release()

    async def send(self, key: str, call: Call) -> Mined:
        """``call``, once, whatever happens to this process: after a crash the same again goes on where it was. Needs a
        running sender, here or in another process. Raises as ``Outbox.put`` and ``Outbox.wait`` do."""
        await self.put(key, call)
        return await self.wait(key)

    async def put(self, key: str, call: Call) -> None:
        """As ``Outbox.put`` does, for this chain and account."""
        await asyncio.to_thread(self._outbox.put, key, self._chain_id, self._signer.address, call)

    async def state(self, key: str) -> IntentState | None:
        return await asyncio.to_thread(self._outbox.state, key)

    async def wait(self, key: str, *, is_final: bool = True) -> Mined:
        """As ``Outbox.wait`` does, but not for ever where the sender runs here and ended."""
        wait = asyncio.create_task(self._outbox.wait(key, is_final=is_final))
        try:
            await asyncio.wait({wait} | ({self._running} if self._running else set()), return_when="FIRST_COMPLETED")
            if not wait.done() and self._running is not None:
                self._running.result()  # raises what ended it
            return await wait
        finally:
            wait.cancel()


async def _finished(action: Callable[[], _Result]) -> _Result:
    """``action`` in a thread, to its end even when cancelled: a lock that is taken must be known to be."""
    task = asyncio.ensure_future(asyncio.to_thread(action))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _line(error: Exception) -> str:
    """A database's errors have many lines, and its statement's values among them."""
    return "somebody else writes for it" if isinstance(error, WriterOvertaken) else str(error).split("\n", 1)[0]
