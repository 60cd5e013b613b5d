"""``moray agent``: what agents may sign, and what they did."""

from __future__ import annotations

import typer

from moray.cli import agent_ask, agent_journal, agent_mcp, agent_policy, agent_signer

app = typer.Typer(name="agent", help="Agents: what they may sign, and what they did.", no_args_is_help=True)
app.add_typer(agent_policy.app, name="policy")
app.command("ask")(agent_ask.ask)
app.add_typer(agent_signer.app, name="signer")
app.command("approve")(agent_signer.approve)
app.add_typer(agent_journal.app, name="journal")
app.command("mcp")(agent_mcp.mcp)
