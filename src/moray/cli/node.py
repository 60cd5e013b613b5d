"""``moray node``: what an operator does with one node."""

from __future__ import annotations

import typer

from moray.cli import key

app = typer.Typer(name="node", help="Your node: its key.", no_args_is_help=True)
app.add_typer(key.app, name="key")
