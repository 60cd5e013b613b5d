"""The one writer of an account's transactions."""

from __future__ import annotations

from typing import Any, Protocol

from moray.contracts.calls import Call
from moray.contracts.intents import Mined
from moray.contracts.outbox import Outbox


class TransactionSigner(Protocol):
    """Who signs: a NodeKey, or a process that holds a key and a policy."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, fields: dict[str, Any]) -> bytes: ...


class Sender:
    """Signs and sends what the outbox promises for one chain and signer::

    async with Sender(outbox, chain, key, FeePolicy()) as sender:  # runs it meanwhile
        mined = await sender.send("accept 0x12ab", market.accept(task))
    """

    def __init__(
        self, outbox: Outbox, chain: Any, signer: TransactionSigner, fees: Any = None, confirmations: int = 1
    ) -> None:
        """``confirmations``: blocks from the one with the transaction to the newest, both counted."""
        raise NotImplementedError

    async def __aenter__(self) -> Sender:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    async def run(self) -> None:
        """Until it is cancelled. Waits for the writer lock first: one process at a time writes for a signer."""
        raise NotImplementedError

    async def send(self, key: str, call: Call) -> Mined:
        """``call``, once, whatever happens to this process: put and wait. Errors as in ``Outbox.wait``."""
        raise NotImplementedError
