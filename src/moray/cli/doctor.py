"""``moray node doctor``: what this machine is like as a node, and what keeps it from joining a network."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moray.cli.key import KeystoreOption, keystore_path
from moray.cli.network import JsonOption, StateDir
from moray.config import read_settings
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.nodes.findings import Finding, State

_STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "red", "unknown": "dim"}


def doctor(
    network: Annotated[
        str, typer.Option("--network", metavar="JOIN_STRING", help="URL#0xOWNER of the network to join.")
    ] = "",
    keystore: KeystoreOption = None,
    state_dir: StateDir = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also dial routers at addresses that are not public.")
    ] = False,
    chain: Annotated[
        Path | None, typer.Option("--chain", metavar="FILE", help="Look up the node's stake on this chain.")
    ] = None,
    slots: Annotated[int, typer.Option("--slots", min=1, help="How many experts this machine is to host.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Check key, clock, disk, memory, kernels and speed, and with --network its routers. Exit code 1: a problem."""
    from moray.join_string import parse_join_string  # here as it and torch below take seconds to import

    join_string = parse_join_string(network) if network else None
    path, directory = keystore_path(keystore, state_dir), open_state_dir(state_dir)
    device = read_settings().expert_device
    with Console(stderr=True, quiet=as_json).status("examining this machine"):
        from moray.nodes.doctor import Place, diagnose

        found = diagnose(Place(path, directory, slots, device, allow_private, chain), join_string)
    is_fit = all(finding.state != "problem" for finding in found)
    if as_json:
        print(json.dumps({"is_fit": is_fit, "findings": [asdict(finding) for finding in found]}))
    else:
        show_findings(found, Console(highlight=False))
    if not is_fit:
        raise typer.Exit(1)


def show_findings(found: list[Finding], console: Console) -> None:
    table = Table("check", "", "found", "what to do", box=None, padding=(0, 2, 0, 0))
    for finding in found:
        style = _STYLES[finding.state]
        table.add_row(finding.check, f"[{style}]{finding.state}[/]", escape(finding.fact), escape(finding.remedy))
    console.print(table)
