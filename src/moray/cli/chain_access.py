"""How a command comes to a chain: the file that names its contracts, and a sender for what costs gas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moray.errors import BadSetting
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.chain import Chain
    from moray.contracts.sender import Sender
    from moray.contracts.writer import TransactionSigner

# web3 takes a second to import, so what needs it is imported where it is used.

CHAIN_FILE = "chain.json"  # in the state directory; `moray chain up` writes it
OUTBOX = "outbox.db"

ChainOption = Annotated[
    Path | None,
    typer.Option("--chain", metavar="FILE", help="Which chain and contracts; chain.json in --state-dir otherwise."),
]


def chain_file(given: Path | None, state_dir: Path | None) -> Path:
    """Raises BadSetting where there is none."""
    path = given.absolute() if given is not None else open_state_dir(state_dir) / CHAIN_FILE
    if not path.exists():
        raise BadSetting(f"{path} is not there; give --chain FILE, or start a development chain with `moray chain up`")
    return path


def read_chain(given: Path | None, state_dir: Path | None) -> Addresses:
    """Raises BadSetting for a file that is missing or no file of addresses."""
    from moray.contracts.addresses import read_addresses

    return read_addresses(chain_file(given, state_dir))


@asynccontextmanager
async def open_chain(addresses: Addresses) -> AsyncIterator[Chain]:
    """Raises ChainUnreachable, WrongChain."""
    from moray.contracts.chain import Chain

    chain = await Chain.open(addresses.rpc_urls, addresses.chain_id)
    try:
        yield chain
    finally:
        await chain.close()


@asynccontextmanager
async def open_sender(chain: Chain, key: TransactionSigner, state_dir: Path | None) -> AsyncIterator[Sender]:
    """One that runs meanwhile. What it promises lies in the state directory: a command that was killed left nothing
    half done that the next one of this account does not finish first."""
    from moray.contracts.outbox import Outbox
    from moray.contracts.sender import Sender

    outbox = Outbox(f"sqlite:///{open_state_dir(state_dir) / OUTBOX}")
    try:
        async with Sender(outbox, chain, key) as sender:
            yield sender
    finally:
        outbox.close()
