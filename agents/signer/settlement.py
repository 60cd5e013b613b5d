"""What became of what was signed, as the signer itself reads it from the chain: nobody else is believed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from moray.agents.signer.desk import Desk
from moray.agents.signer.seen import Fate, Grant, Seen, Waiting
from moray.contracts import erc20
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.endpoint import Endpoint
from moray.contracts.log import as_int
from moray.errors import ChainRefused, ContractMissing, MorayError, Reverted

LOOK_EVERY_S = 5.0

logger = logging.getLogger(__name__)


async def look(chain: Chain, account: str, waiting: Waiting) -> Seen:
    """At the newest settled block, by every endpoint. Raises ChainError, among them EndpointsDisagree."""
    block = await chain.agreed_block()
    below = await chain.tx_nonce_agreed(account, block)
    used_up = {tx_nonce: tried for tx_nonce, tried in waiting.attempts.items() if tx_nonce < below}
    fates = [await _fate(chain, block, tx_nonce, tried) for tx_nonce, tried in sorted(used_up.items())]
    known = tuple(each for each in fates if each is not None)
    asked = sorted(waiting.grants) if len(known) == len(fates) else []  # what drew an allowance must be known first
    gone = frozenset([grant for grant in asked if await _is_zero(chain, account, grant, block)])
    return Seen(chain.chain_id, below, known, gone)


async def watch(desk: Desk, chain: Chain, pause_s: float = LOOK_EVERY_S) -> None:
    """Tells the desk, until it is cancelled. While the chain does not answer, what was signed stays reserved."""
    while True:
        try:
            waiting = await asyncio.to_thread(desk.waiting, chain.chain_id)
            if waiting.attempts or waiting.grants:
                await asyncio.to_thread(desk.settle, await look(chain, desk.address, waiting))
        except (MorayError, OSError, SQLAlchemyError) as error:
            logger.warning("chain %d is not seen: %s", chain.chain_id, error)
        await asyncio.sleep(pause_s)


async def _fate(chain: Chain, block: ChainBlock, tx_nonce: int, tried: Mapping[str, bool]) -> Fate | None:
    """None while its receipt is of a later block: the chain was reorganised between two questions."""
    for tx_hash, is_call in sorted(tried.items()):
        answers = await asyncio.gather(*(_receipt(endpoint, tx_hash) for endpoint in chain.endpoints))
        if (found := chain.same(answers, f"the transaction 0x{tx_hash}")) is None:
            continue
        number, is_success = found
        if number > block.number:
            return None
        return Fate(tx_nonce, "reverted" if not is_success else "done" if is_call else "cancelled")
    return Fate(tx_nonce, "unknown")


async def _receipt(endpoint: Endpoint, tx_hash: str) -> tuple[int, bool] | None:
    """Its block's number, and whether it did what it was for."""
    fields = await endpoint.request("eth_getTransactionReceipt", f"0x{tx_hash}")
    try:
        return None if fields is None else (as_int(fields["blockNumber"]), as_int(fields["status"]) == 1)
    except (KeyError, TypeError, ValueError):
        raise ChainRefused(f"the RPC endpoint {endpoint.name} answered with a receipt that is none") from None


async def _is_zero(chain: Chain, account: str, grant: Grant, block: ChainBlock) -> bool:
    """No, too, for a contract that does not say."""
    asset, spender = grant
    read = erc20.allowance(asset, account, spender)
    try:
        return bool(read.decode(await chain.read_agreed(asset, read.data, block=block)) == 0)
    except (ContractMissing, Reverted):
        return False
