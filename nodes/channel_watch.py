"""Looks up on the chain what vouchers are worth, in a thread of its own: no row waits for a chain."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moray.contracts.addresses import Addresses
from moray.contracts.chain import Chain
from moray.contracts.channels import PaymentChannels
from moray.errors import MorayError
from moray.nodes.credit import NodeCredit

LOOK_PAUSE_S = 1.0  # between two looks, however many vouchers come
RETRY_S = 10.0  # for what was not covered, or while the chain did not answer

logger = logging.getLogger(__name__)


class ChannelWatch:
    def __init__(self, credit: NodeCredit, addresses: Addresses) -> None:
        self._credit, self._addresses = credit, addresses
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vouchers", daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_stopped.set()
            self._credit.has_offers.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            self._credit.has_offers.wait(RETRY_S)
            self._credit.has_offers.clear()
            if self._credit.unsettled():
                try:
                    asyncio.run(self._look())
                except (MorayError, OSError) as problem:
                    logger.warning("vouchers wait: %s", problem)
                except Exception:  # a mistake of ours: what was paid for before is served on
                    logger.exception("vouchers could not be settled")
            self._is_stopped.wait(LOOK_PAUSE_S)

    async def _look(self) -> None:
        """Raises MorayError, and OSError for a disk that takes nothing."""
        chain = await Chain.open(self._addresses.rpc_urls, self._addresses.chain_id)
        try:
            channels = PaymentChannels(chain, self._addresses.payment_channels)
            states = {id: await channels.state(id, agreed=True) for id in self._credit.unsettled()}
        finally:
            await chain.close()
        self._credit.settle(states)
