"""``moray agent``: what agents may sign, and what they did."""

from __future__ import annotations

import typer

from moray.cli import agent_mcp

app = typer.Typer(name="agent", help="Agents: what they may sign, and what they did.", no_args_is_help=True)
app.command("mcp")(agent_mcp.mcp)


@app.callback()
def root() -> None:
    """A group also while it has one command."""
