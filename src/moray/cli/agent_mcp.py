"""``moray agent mcp``: an MCP server on standard input and output, for an agent that starts it as its child."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def mcp(
    book: Annotated[
        Path, typer.Option("--book", metavar="FILE", help="The address book: all that can be asked about.")
    ],
    rpc: Annotated[list[str], typer.Option("--rpc", metavar="URL", help="An RPC endpoint of the book's chain.")],
    owner: Annotated[
        str, typer.Option("--owner", metavar="ADDRESS", help="Whose account proposals are planned for; none otherwise.")
    ] = "",
) -> None:
    """Serve reading, quoting and proposing to an agent over stdio. It holds no key and signs nothing."""
    asyncio.run(_serve(book, rpc, owner))


async def _serve(book_file: Path, urls: list[str], owner: str) -> None:
    from moray.agents.mcp_server import mcp_server
    from moray.agents.names import read_book
    from moray.agents.tools import Toolbox
    from moray.contracts.chain import Chain
    from moray.contracts.outside import check_address

    if owner:
        check_address(owner)
    book = read_book(book_file)
    chain = await Chain.open(urls, book.chain_id)
    try:
        await mcp_server(Toolbox(chain, book, owner)).run_stdio_async()
    finally:
        await chain.close()
