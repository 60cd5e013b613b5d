"""``moray agent journal``: what the signer decided and signed, and whether anybody changed it since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from moray.cli.network import JsonOption
from moray.errors import BadSetting

app = typer.Typer(name="journal", help="What was decided and signed: show it, verify it.", no_args_is_help=True)

JournalFile = Annotated[Path, typer.Argument(metavar="FILE", help="The signer's journal.")]


@app.command("show")
def show(
    journal: JournalFile,
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="So many entries of the end.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the last entries."""
    from collections import deque

    from moray.agents.journal import read_entries

    entries = deque((entry for entry, _ in read_entries(journal)), maxlen=last)
    if as_json:
        print(json.dumps([json.loads(entry.line) for entry in entries]))
        return
    table = Table("number", "at_ms", "kind", "what", box=None)
    for entry in entries:
        said = (entry.fields.get(name) for name in ("outcome", "code", "rule", "reason", "tx_hash"))
        table.add_row(str(entry.number), str(entry.at_ms), entry.kind, "  ".join(str(each) for each in said if each))
    Console(highlight=False, markup=False, soft_wrap=True).print(table)


@app.command("verify")
def verify(
    journal: JournalFile,
    anchor: Annotated[
        Path | None,
        typer.Option(
            "--anchor", metavar="FILE", help="The heads kept elsewhere, or the agent's journal, which saw some."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every line follows from the one before, and from what was kept elsewhere."""
    from moray.agents.journal import verify as verify_journal

    if anchor is not None and not anchor.exists():
        raise BadSetting(f"{anchor} is not there; restore it, or verify without --anchor")
    head = verify_journal(journal, anchor)
    if as_json:
        print(json.dumps({"entries": head.number, "hash": head.hash}))
    else:
        print(f"{head.number} entries, the last {head.hash}")
