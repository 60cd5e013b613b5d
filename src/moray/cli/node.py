"""``moray node``: what an operator does with one node."""

from __future__ import annotations

import typer

from moray.cli import claim, join, key, stake
from moray.cli.doctor import doctor

app = typer.Typer(name="node", help="Your node: join a network, leave it, its key, its machine.", no_args_is_help=True)
app.command("join")(join.join)
app.command("leave")(join.leave)
app.command("status")(join.status)
app.command("stake")(stake.stake)
app.command("allot")(stake.allot)
app.command("unbond")(stake.unbond)
app.command("withdraw")(stake.withdraw)
app.command("unjail")(stake.unjail)
app.command("claim")(claim.claim)
app.add_typer(key.app, name="key")
app.command("doctor")(doctor)
