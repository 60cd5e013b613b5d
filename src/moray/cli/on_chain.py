"""What commands that touch a chain have in common: its file of addresses, and the one sender of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.chain import Chain
    from moray.contracts.sender import Sender
    from moray.node_key import NodeKey

# web3 takes a second to import, so what needs it is imported where it is used.

CHAIN_FILE = "chain.json"  # in the state directory
OUTBOX = "outbox.db"

ChainFile = Annotated[
    Path | None,
    typer.Option("--chain", metavar="FILE", help="The chain, its endpoints and contracts; chain.json in --state-dir."),
]


def chain_addresses(chain_file: Path | None, state_dir: Path | None) -> Addresses:
    """Raises BadSetting."""
    from moray.contracts.addresses import read_addresses

    return read_addresses(chain_file if chain_file is not None else open_state_dir(state_dir) / CHAIN_FILE)


@asynccontextmanager
async def opened(addresses: Addresses) -> AsyncIterator[Chain]:
    """Raises what Chain.open raises."""
    from moray.contracts.chain import Chain

    chain = await Chain.open(addresses.rpc_urls, addresses.chain_id)
    try:
        yield chain
    finally:
        await chain.close()


@asynccontextmanager
async def sending(chain: Chain, key: NodeKey, state_dir: Path | None) -> AsyncIterator[Sender]:
    """The account's sender, at work meanwhile. Another process that sends for the account does it for this one."""
    from moray.contracts.fees import FeePolicy
    from moray.contracts.outbox import Outbox
    from moray.contracts.sender import Sender

    outbox = Outbox(f"sqlite:///{open_state_dir(state_dir) / OUTBOX}")
    try:
        async with Sender(outbox, chain, key, FeePolicy(), chain.confirmations + 1) as sender:
            yield sender
    finally:
        outbox.close()
