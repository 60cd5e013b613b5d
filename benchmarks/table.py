"""Every benchmark, one after the other, and a table of all claims; each one's JSON goes to ``--out``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

SCRIPTS = (
    "startup",
    "layer",
    "dispatch",
    "invariance",
    "integer",
    "decode",
    "batching",
    "constrained",
    "agents",
    "overlap",
    "growth",
    "wan",
    "gateway",
    "placement",
    "failure",
    "replay",
    "judging",
    "gas",
)
HERE = Path(__file__).parent


def run(script: str, is_quick: bool, out: Path) -> list[tuple[str, float, bool]]:
    """Its claims, measured values and whether they hold. Raises CalledProcessError when it fails."""
    quick = ["--quick"] if is_quick and script != "startup" else []
    done = subprocess.run(
        [sys.executable, str(HERE / f"{script}.py"), *quick], stdout=subprocess.PIPE, text=True, check=True
    )
    (out / f"{script}.json").write_text(done.stdout, encoding="utf-8")
    return [(line["claim"], line["measured"], line["holds"]) for line in json.loads(done.stdout).get("claims", [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder for the JSON of each")
    parser.add_argument("scripts", nargs="*", default=SCRIPTS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = Table("script", "claim", "measured", "holds")
    for script in options.scripts:
        for claim, measured, holds in run(script, options.quick, options.out):
            table.add_row(script, claim, f"{measured:g}", "yes" if holds else "[bold]no[/bold]")
    Console().print(table)


if __name__ == "__main__":
    main()
