"""The chain part of ``moray demo``: a development chain in a scratch directory, and a node that stakes on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moray.cli.stake_desk import Money
    from moray.contracts.addresses import Addresses
    from moray.contracts.staking import StakeView

OPERATOR_ACCOUNT = 1  # of the development accounts: who stakes for the demo's node
BLOCK_TIME_S = 1


@dataclass(frozen=True, slots=True)
class DemoChain:
    """One that runs, with its contracts."""

    directory: Path
    file: Path
    addresses: Addresses

    def stake(self, units: int, report: Callable[[str], None]) -> tuple[StakeView, Money]:
        """Register a node with a key of its own, by the operator's account, and stake for it."""
        return asyncio.run(self._stake(units, report))

    async def _stake(self, units: int, report: Callable[[str], None]) -> tuple[StakeView, Money]:
        from moray.cli.stake_desk import open_desk
        from moray.contracts.development_keys import DEVELOPMENT_KEYS
        from moray.key_file import random_key
        from moray.network_manifest import NO_SLASHER
        from moray.node_key import NodeKey

        node = NodeKey.from_bytes(random_key().get_secret_value())
        operator = DEVELOPMENT_KEYS[OPERATOR_ACCOUNT]
        async with open_desk(self.addresses, operator, node.address, NO_SLASHER, self.directory) as desk:
            report("registering a node")
            node_id = await desk.staking.register(operator.address, node)
            await desk.staking.deposit(node_id, desk.amount(str(units)), NO_SLASHER, report)
            return await desk.view(), desk.money


@contextmanager
def demo_chain(directory: Path, report: Callable[[str], None]) -> Iterator[DemoChain]:
    """Until the block's end; ``directory`` is private and is there."""
    from moray.cli.development_chain import DevelopmentChain

    chain = DevelopmentChain(directory)
    try:
        report("starting a development chain")
        addresses = asyncio.run(chain.equip(chain.start(0, BLOCK_TIME_S), report))
        yield DemoChain(directory, chain.file, addresses)
    finally:
        chain.end()
