"""Calls that must happen once: stored before they are signed, kept until the chain has them for good.

Any process puts calls in; the one ``Sender`` of the chain and signer takes them out (contracts/sender.py). The database
is SQLite's (``sqlite:///PATH``) or Postgres's; any process may read it at any time.
"""

from __future__ import annotations

from moray.contracts.calls import Call
from moray.contracts.intents import IntentState, Mined


class Outbox:
    """The intents in one database."""

    def __init__(self, database_url: str) -> None:
        """Raises BadSetting for a URL that is no database of the two kinds."""
        raise NotImplementedError

    def put(self, key: str, chain_id: int, signer: str, call: Call) -> None:
        """Promise ``call`` under ``key``, once: the same again changes nothing, except that an intent that failed
        without ever being mined is tried again. Raises OutboxConflict for another call under the key."""
        raise NotImplementedError

    def state(self, key: str) -> IntentState | None:
        raise NotImplementedError

    async def wait(self, key: str) -> Mined:
        """Until the intent is final. Raises the CallFailed that ended it: CallReverted, EventMissing, EmptyWallet."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
