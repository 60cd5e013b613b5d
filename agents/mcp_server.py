"""The tools as an MCP server: any agent that speaks the protocol can read, quote and propose through it.

It gets no key and no path to one, and every tool is marked as one that only reads. Whoever talks to it is trusted with
what the address book names and with nothing more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from moray.agents.tools import Toolbox
from moray.errors import MorayError

_INSTRUCTIONS = (
    "Reads one chain through the user's address book, and takes proposals of actions. Nothing here signs or sends: "
    "an action becomes real only through the user's own signer and its policy."
)


def mcp_server(toolbox: Toolbox) -> MCPServer:
    """Of all its tools. An error of Moray's is the tool's answer, in one line."""
    server = MCPServer("moray", instructions=_INSTRUCTIONS, log_level="WARNING")
    only_reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True)
    for function in toolbox.functions():
        server.add_tool(_one_line(function), annotations=only_reads)
    return server


def _one_line(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Any other exception than this one is a crash to the server: told to its log, and hidden from the client."""

    @wraps(function)
    async def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except MorayError as error:
            raise ToolError(str(error)) from None

    return told
