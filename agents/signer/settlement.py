"""What became of what was signed, as the signer itself reads it from the chain: nobody else is believed."""

from __future__ import annotations

import asyncio
import logging

from moray.agents.signer.desk import Desk
from moray.contracts.chain import Chain
from moray.errors import MorayError

LOOK_EVERY_S = 15.0

logger = logging.getLogger(__name__)


async def final_tx_nonce(chain: Chain, account: str) -> int:
    """Below it every tx_nonce of the account is used up in a block that is settled everywhere; the least that any
    endpoint says. Raises ChainError."""
    block = await chain.agreed_block()
    asked = (each.number("eth_getTransactionCount", account, hex(block.number)) for each in chain.endpoints)
    return min(await asyncio.gather(*asked))


async def watch(desk: Desk, chain: Chain, pause_s: float = LOOK_EVERY_S) -> None:
    """Tells the desk, until it is cancelled. While the chain does not answer, what was signed stays reserved."""
    while True:
        try:
            below = await final_tx_nonce(chain, desk.address)
            await asyncio.to_thread(desk.settle, chain.chain_id, below)
        except (MorayError, OSError) as error:
            logger.warning("chain %d is not seen: %s", chain.chain_id, error)
        await asyncio.sleep(pause_s)
