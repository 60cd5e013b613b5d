"""``moray up``, ``status`` and ``down``: one operator's network, on this machine or on a Ray cluster."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moray.cli.launch import LaunchOptions, PublicOptions, launch, summarise
from moray.cli.requirement import StakeOptions
from moray.errors import ClusterError
from moray.nodes.network import stop_network
from moray.nodes.node_state import read_node
from moray.nodes.state import ClusterRecord, open_state_dir, read_state

STOP_POLL_S = 0.5

StateDir = Annotated[Path | None, typer.Option("--state-dir", help="Where this network keeps its secrets and records.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and no progress.")]


def up(
    model: Annotated[Path, typer.Option("--model", help="A checkpoint in Hugging Face format or a sharded folder.")],
    nodes: Annotated[
        int,
        typer.Option("--nodes", min=0, max=256, help="Expert nodes to start or to wait for; 0: only others'."),
    ] = 8,
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="Running copies of each expert.")] = 1,
    experts_per_replica: Annotated[
        int, typer.Option("--experts-per-replica", min=1, help="Experts in one process.")
    ] = 1,
    http_host: Annotated[str, typer.Option("--http-host", help="Address of the gateway.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option("--http-port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    data_port: Annotated[
        int, typer.Option("--data-port", min=0, max=65535, help="Where experts dial; 0: a free one.")
    ] = 0,
    data_host: Annotated[
        str, typer.Option("--data-host", help="Where experts dial; 0.0.0.0: the head's address in its Ray cluster.")
    ] = "127.0.0.1",
    ray_address: Annotated[
        str, typer.Option("--ray-address", metavar="HOST:PORT", help="Use this running Ray cluster, start none.")
    ] = "",
    public_host: Annotated[
        str, typer.Option("--public-host", metavar="HOST", help="Let nodes of other operators join: listen here.")
    ] = "",
    public_port: Annotated[
        int, typer.Option("--public-port", min=0, max=65535, help="Where they dial, over TLS; 0: a free one.")
    ] = 7443,
    advertise: Annotated[
        str, typer.Option("--advertise", metavar="HOST", help="The address they are told; --public-host otherwise.")
    ] = "",
    chain: Annotated[
        Path | None,
        typer.Option("--chain", metavar="FILE", help="Nodes of other operators need stake on this chain to join."),
    ] = None,
    min_stake: Annotated[
        str, typer.Option("--min-stake", metavar="AMOUNT", help="So much, in units of the registry's currency.")
    ] = "1",
    slasher: Annotated[
        str, typer.Option("--slasher", metavar="ADDRESS", help="Count only what this contract can take from them.")
    ] = "",
    row_price: Annotated[
        int,
        typer.Option(
            "--row-price",
            min=0,
            max=2**63,
            metavar="N",
            help="What nodes of other operators are promised, in base units of the currency per 1,000 rows; "
            "`moray pay` pays it.",
        ),
    ] = 0,
    state_dir: StateDir = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when ready and leave the network running.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a network, on this machine or on a Ray cluster, and serve MODEL with an OpenAI-compatible API."""
    options = LaunchOptions(
        model=model,
        num_nodes=nodes,
        replicas=replicas,
        experts_per_replica=experts_per_replica,
        http_host=http_host,
        http_port=http_port,
        data_port=data_port,
        state_dir=state_dir,
        data_host=data_host,
        ray_address=ray_address,
        public=PublicOptions(public_host, public_port, advertise) if public_host else None,
        stake=StakeOptions(chain, min_stake, slasher) if chain is not None else None,
        row_price=row_price,
    )
    progress = Console(stderr=True, quiet=as_json)
    with terminated_as_interrupt():
        with progress.status("starting") as line:
            record = launch(options, lambda text: line.update(text))
        try:
            with terminated_as_interrupt():  # again: Ray has put a handler of its own in its place
                show_network(summarise(record), as_json)
                if not detach:
                    progress.print("Ctrl-C stops it", highlight=False)
                    wait_until_stopped(record)
        except BaseException:
            stop_network(record)
            raise


def status(state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Show the network of a state directory: its URL, nodes, processes and experts."""
    record = read_state(open_state_dir(state_dir))
    if record is None:
        raise ClusterError("no network runs from this state directory; start one with `moray up`")
    summary = summarise(record)
    show_network(summary, as_json)
    if not summary["ready"]:
        raise typer.Exit(1)


def down(state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Stop the network of a state directory and all that it left, also after a crash."""
    directory = open_state_dir(state_dir)
    if read_node(directory) is not None:
        raise ClusterError(f"{directory} is a node's: end it with `moray node leave`, or give another --state-dir")
    record = read_state(directory)
    ended = stop_network(record) if record is not None else 0
    if as_json:
        print(json.dumps({"processes_ended": ended}))
    else:
        text = f"stopped, {ended} processes ended" if record is not None else "nothing runs"
        Console(stderr=True).print(text, highlight=False)


def wait_until_stopped(record: ClusterRecord) -> None:
    """Until somebody else, `moray down` in another terminal, has ended the network."""
    while (current := read_state(record.state_dir)) is not None and current.marker == record.marker:
        time.sleep(STOP_POLL_S)


def show_network(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary), flush=True)
        return
    console = Console()
    state = "ready" if summary["ready"] else f"not ready: {summary['reason']}"
    console.print(f"{summary['url']}/v1  ({summary['model']}, {state})", highlight=False, soft_wrap=True)
    table = Table("node", "processes", "experts", "state", box=None, padding=(0, 2))
    for node in summary["nodes"]:
        columns = (", ".join(map(str, node[key])) or "none" for key in ("pids", "experts"))
        states = {
            f"{state}: {why}" if why else state for state, why in zip(node["states"], node["reasons"], strict=True)
        }
        name = f"{node['node_id']} of {node['signer']}" if node["signer"] else node["node_id"]
        table.add_row(escape(name), *columns, escape("; ".join(sorted(states)) or "none"))
    console.print(table)


class terminated_as_interrupt:
    """SIGTERM ends the block as Ctrl-C does, so that it cleans up under a service manager too."""

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)
