"""``moray node join``, ``leave`` and ``status``: this machine as a node of somebody's network."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moray.cli.chain_access import CHAIN_FILE, ChainOption, read_chain
from moray.cli.doctor import show_findings
from moray.cli.key import KeystoreOption, keystore_path
from moray.cli.network import JsonOption, StateDir, terminated_as_interrupt
from moray.cli.passwords import PasswordFile, password
from moray.config import read_settings
from moray.errors import BadSetting, ClusterError, MorayError
from moray.nodes.node_state import NodeState, read_node
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.nodes.agent import Grounds, NodeOptions, PayOptions

LEAVE_TIMEOUT_S = 120.0
MIN_UNPAID_ROWS = 16  # with fewer a node would hardly pass the known-answer test, which asks for four
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def join(
    network: Annotated[
        str, typer.Option("--network", metavar="JOIN_STRING", help="URL#0xOWNER, as the network's owner gives it out.")
    ],
    keystore: KeystoreOption = None,
    password_file: PasswordFile = None,
    slots: Annotated[int | None, typer.Option("--slots", min=1, max=1024, help="Experts to host; usually one.")] = None,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="As many experts as fit: 8GB, 500MB.")] = "",
    experts: Annotated[
        str, typer.Option("--experts", metavar="IDS", help="Host these, 3,17; otherwise what the network needs most.")
    ] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also dial routers at addresses that are not public.")
    ] = False,
    max_unpaid_rows: Annotated[
        int | None,
        typer.Option(
            "--max-unpaid-rows",
            min=MIN_UNPAID_ROWS,
            help="Rows that each expert computes for one router that has not paid, the test at every join included; "
            "then it sends the router away. One token is a row in each layer that needs the expert. Usually no limit. "
            "With --payee, rows that all experts together compute.",
        ),
    ] = None,
    payee: Annotated[
        str,
        typer.Option("--payee", metavar="ADDRESS", help="Be paid in vouchers to here: an address of this node's own."),
    ] = "",
    accept_payer: Annotated[
        list[str] | None,
        typer.Option("--accept-payer", metavar="ADDRESS", help="Whose vouchers count; may be given several times."),
    ] = None,
    row_price: Annotated[
        int,
        typer.Option("--row-price", min=0, metavar="N", help="Base units that 1,000 rows cost, as you have agreed."),
    ] = 0,
    chain: ChainOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Make this machine a node: fetch experts, serve them, until Ctrl-C or `moray node leave`. Dials out only."""
    from moray.join_string import parse_join_string  # torch and Ray take seconds to import
    from moray.key_file import load_key
    from moray.nodes.agent import NodeAgent, NodeOptions, survey
    from moray.nodes.node_directory import own_directory

    if slots is not None and memory:
        raise BadSetting("--slots and --memory say the same in two ways; give one")
    options = NodeOptions(
        join_string=parse_join_string(network),
        state_dir=open_state_dir(state_dir),
        num_slots=slots,
        memory_bytes=parse_size(memory) if memory else None,
        asked=parse_experts(experts) if experts else (),
        allow_private=allow_private,
        max_unpaid_rows=max_unpaid_rows,
        pay=pay_options(payee, accept_payer or [], row_price, max_unpaid_rows, chain, state_dir),
    )
    path, progress = keystore_path(keystore, state_dir), Console(stderr=True, quiet=as_json, soft_wrap=True)
    secret = password(password_file, f"Password of {path}: ")
    with (
        terminated_as_interrupt(),
        own_directory(options.state_dir),
        progress.status("opening the key") as line,
    ):
        key = load_key(path, secret)
        line.update("asking the network")
        grounds = survey(options)
        check_fitness(options, grounds, path)
        told: set[str] = set()

        def watch(state: NodeState, text: str) -> None:
            line.update(escape(text))
            if state.phase in ("serving", "waiting") and text not in told:
                told.clear()
                told.add(text)
                announce(state, text, as_json, progress)

        NodeAgent(options, grounds, key, watch).run()
    progress.print("left", highlight=False)


def pay_options(
    payee: str,
    payers: list[str],
    row_price: int,
    max_unpaid_rows: int | None,
    chain: Path | None,
    state_dir: Path | None,
) -> PayOptions | None:
    """None where nothing of it is asked for. Raises BadSetting for half of it."""
    if not (payee or payers or row_price):
        return None
    if not (payee and payers and row_price and max_unpaid_rows):
        raise BadSetting("to be paid in vouchers give all of --payee, --accept-payer, --row-price, --max-unpaid-rows")
    from moray.ethereum import is_checksum_address
    from moray.nodes.agent import PayOptions
    from moray.nodes.credit import PayRules
    from moray.pay_terms import PayTerms

    for address in (payee, *payers):
        if not is_checksum_address(address):
            raise BadSetting(f"{address!r} is no address with its EIP-55 checksum; correct it")
    addresses = read_chain(chain, state_dir)
    terms = PayTerms(payee, max_unpaid_rows)
    rules = PayRules(terms, tuple(payers), row_price, addresses.chain_id, addresses.payment_channels)
    return PayOptions(rules, addresses)


def check_fitness(options: NodeOptions, grounds: Grounds, keystore: Path) -> None:
    """The doctor's preflight. Raises BadSetting after showing what is a problem."""
    from moray.nodes.doctor import Network, Place, preflight

    place = Place(keystore, options.state_dir, grounds.num_slots, read_settings().expert_device, options.allow_private)
    problems = [
        finding for finding in preflight(place, Network(grounds.manifest, grounds.model)) if finding.state == "problem"
    ]
    if problems:
        show_findings(problems, Console(stderr=True, highlight=False))
        first = problems[0]
        raise BadSetting(f"this machine cannot join yet: {first.check}: {first.fact}; {first.remedy}")


def announce(state: NodeState, text: str, as_json: bool, progress: Console) -> None:
    if as_json:
        print(state.model_dump_json(), flush=True)
    else:
        name = f"{state.node_id} of {state.signer} in {state.network_id}"
        progress.print(f"{name}: {text}", markup=False, highlight=False)


def leave(state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Finish what is in flight, disconnect and stop; also after a crash."""
    from moray.nodes.leaving import leave as leave_network

    directory = open_state_dir(state_dir)
    was_there = read_node(directory) is not None
    with Console(stderr=True, quiet=as_json).status("waiting for the node to finish"):
        ended = leave_network(directory, LEAVE_TIMEOUT_S)
    if as_json:
        print(json.dumps({"was_there": was_there, "processes_ended": ended}))
    else:
        Console(stderr=True).print("left" if was_there else "no node runs from this state directory", highlight=False)


def status(chain: ChainOption = None, state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Show the node of a state directory, how each router sees it and why, and with a chain what it has at stake."""
    from moray.nodes.leaving import views

    state = read_node(open_state_dir(state_dir))
    if state is None:
        raise ClusterError("no node runs from this state directory; start one with `moray node join`")
    seen, is_running = views(state), state.is_running
    has_chain = chain is not None or (open_state_dir(state_dir) / CHAIN_FILE).exists()
    stake = stake_of(state.signer, chain, state_dir) if has_chain else None
    if as_json:
        found = {"node": state.model_dump(mode="json"), "is_running": is_running, "routers": seen}
        print(json.dumps(found | ({"stake": stake} if has_chain else {})))
    else:
        show_node(state, is_running, seen)
        for line in stake["lines"] if stake is not None else ():
            Console(highlight=False, soft_wrap=True).print(line, markup=False)
    if not is_running or state.phase != "serving" or any(view["problem"] for view in seen):
        raise typer.Exit(1)


def stake_of(signer: str, chain: Path | None, state_dir: Path | None) -> dict[str, Any]:
    """What the registry says of the node, with lines for people; a chain that does not answer is one of them."""
    from moray.cli.stake_desk import look, stake_fields, stake_lines
    from moray.network_manifest import NO_SLASHER

    try:
        view, money = asyncio.run(look(read_chain(chain, state_dir), signer, NO_SLASHER))
    except MorayError as error:
        return {"problem": str(error), "lines": [f"stake unknown: {error}"]}
    if view is None:
        return {"lines": ["not registered, nothing at stake"]}
    return stake_fields(view, money) | {"lines": stake_lines(view, money)}


def show_node(state: NodeState, is_running: bool, seen: list[dict[str, Any]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    phase = state.phase if is_running else "its process is gone; `moray node leave` cleans up"
    console.print(
        f"{state.node_id} of {state.signer} in {state.network_id}: {phase} {state.reason}".rstrip(), markup=False
    )
    table = Table("router", "experts", "state", "rows", "latency ms", box=None, padding=(0, 2))
    for view in seen:
        if view["problem"]:
            table.add_row(view["router"], "", escape(view["problem"]), "", "")
        for replica in view["replicas"]:
            condition = f"{replica['state']}: {replica['reason']}" if replica["reason"] else replica["state"]
            experts = ", ".join(map(str, replica["experts"]))
            figures = str(replica["rows_sent"]), f"{replica['latency_ms']:.1f}"
            table.add_row(view["router"], experts, escape(condition), *figures)
    console.print(table)


def parse_size(text: str) -> int:
    """Bytes of ``8GB``, ``500 MB`` or a plain number; units are powers of ten. Raises BadSetting."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise BadSetting(f"--memory {text!r} is no size; give 8GB or 500MB")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_experts(text: str) -> tuple[int, ...]:
    """Ascending ids of ``3,17``. Raises BadSetting."""
    parts = [part.strip() for part in text.split(",")]
    are_numbers = all(part.isdecimal() and part.isascii() and len(part) < 6 for part in parts)
    experts = sorted({int(part) for part in parts}) if are_numbers else []
    if len(experts) < len(parts):
        raise BadSetting(f"--experts {text!r}: give different numbers with commas between them, 3,17")
    return tuple(experts)
