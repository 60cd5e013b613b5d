"""The ``moray`` command: the composition root. Every error ends as one line on stderr and an exit code.

Exit codes: 0 done, 1 something failed, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from moray.cli import agent, chain, demo, model, network, node, pay, publish, task, task_work
from moray.errors import BadInput, MorayError

app = typer.Typer(name="moray", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(agent.app, name="agent")
app.add_typer(model.app, name="model")
app.add_typer(chain.app, name="chain")
app.add_typer(node.app, name="node")
app.add_typer(publish.app, name="network")
task.app.command("work")(task_work.work)
app.add_typer(task.app, name="task")
app.command("up")(network.up)
app.command("status")(network.status)
app.command("down")(network.down)
app.command("pay")(pay.pay)
app.command("demo")(demo.demo)

_debug = False


@app.callback()
def root(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Moray: a decentralised Mixture-of-Experts inference network."""
    global _debug
    _debug = debug


def main() -> None:
    try:
        app()
    except MorayError as error:
        if _debug:
            raise
        Console(stderr=True, soft_wrap=True).print(f"moray: {error}", style="red", markup=False, highlight=False)
        sys.exit(2 if isinstance(error, BadInput) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
