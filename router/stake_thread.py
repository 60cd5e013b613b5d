"""The ``StakeBook`` of a running router: in a thread of its own, since what a chain answers takes milliseconds of
Python to read, which neither tokens nor HTTP should wait for."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moray.contracts.standing import Standing, read_standing
from moray.network_manifest import StakeTerms
from moray.router.stake import MAX_AGE_S, Requirement, StakeBook

if TYPE_CHECKING:
    from moray.contracts.registry import NodeRegistry


@dataclass(frozen=True, slots=True)
class StakeSpec:
    """What joining requires, and where that is read. The endpoints are named by file: their URLs may hold a secret."""

    chain_file: str  # see contracts.addresses
    chain_id: int
    terms: StakeTerms
    shown: str  # the least stake for people, as "10 MTC"


class ChainRegistry:
    """Dials the chain when it is first asked, and until that worked: a router that starts while the chain is down lets
    nobody in and starts all the same."""

    def __init__(self, spec: StakeSpec) -> None:
        self._spec, self._dialling = spec, asyncio.Lock()
        self._registry: NodeRegistry | None = None

    async def standing(self, signer: str) -> Standing:
        """Raises MorayError."""
        return await read_standing(await self._dialled(), signer, self._spec.terms.slasher)

    async def close(self) -> None:
        if self._registry is not None:
            await self._registry.chain.close()

    async def _dialled(self) -> NodeRegistry:
        from moray.contracts.addresses import read_addresses  # web3 takes a second to import
        from moray.contracts.chain import Chain
        from moray.contracts.registry import NodeRegistry

        async with self._dialling:
            if self._registry is None:
                addresses = read_addresses(Path(self._spec.chain_file))
                chain = await Chain.open(addresses.rpc_urls, self._spec.chain_id)
                self._registry = NodeRegistry(chain, self._spec.terms.node_registry)
            return self._registry


class StakeThread:
    """Asked from any event loop."""

    def __init__(self, spec: StakeSpec) -> None:
        self._registry, self._loop = ChainRegistry(spec), asyncio.new_event_loop()
        self._book = StakeBook(self._registry, Requirement(spec.terms.min_stake, spec.shown))
        self._thread = threading.Thread(target=self._loop.run_forever, name="stakes", daemon=True)
        self._thread.start()

    async def check(self, signer: str, max_age_s: float = MAX_AGE_S) -> None:
        """See ``StakeBook.check``."""
        checking = asyncio.run_coroutine_threadsafe(self._book.check(signer, max_age_s), self._loop)
        await asyncio.wrap_future(checking)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._registry.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
