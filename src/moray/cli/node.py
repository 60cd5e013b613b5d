"""``moray node``: what an operator does with one node."""

from __future__ import annotations

import typer

from moray.cli import key
from moray.cli.doctor import doctor

app = typer.Typer(name="node", help="Your node: its key, and what its machine is fit for.", no_args_is_help=True)
app.add_typer(key.app, name="key")
app.command("doctor")(doctor)
