"""``moray chain``: a development chain on this machine, with Moray's contracts and money that is worth nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from moray.cli.network import JsonOption, StateDir
from moray.errors import ClusterError
from moray.nodes.state import hold_lock, open_state_dir

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses

# web3 takes a second to import, so what needs it is imported where it is used.

LOCK = "chain.lock"
ADDRESS_CHARACTERS = 42
CONTRACTS = ("currency", "node_registry", "model_registry", "task_market", "payment_channels", "resolver")

app = typer.Typer(name="chain", help="A development chain on this machine: start it, look at it.", no_args_is_help=True)


@app.command("up")
def up(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="On 127.0.0.1; 0: a free one.")] = 8545,
    block_time: Annotated[
        int,
        typer.Option("--block-time", min=1, max=3600, metavar="S", help="A chain_block every S seconds."),
    ] = 1,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Start none: put the contracts on this development chain.")
    ] = "",
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Start anvil in the background with the contracts and ten funded accounts, or go on with the chain it left."""
    from moray.cli.development_chain import DevelopmentChain

    directory = open_state_dir(state_dir)
    with hold_lock(directory, LOCK), Console(stderr=True, quiet=as_json).status("starting anvil") as line:
        chain = DevelopmentChain(directory)
        addresses = asyncio.run(chain.equip(url or chain.start(port, block_time), lambda text: line.update(text)))
        shown = asyncio.run(describe(addresses, chain.file))
    show(shown, as_json)


@app.command("status")
def status(state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Show a running chain's address, contracts and accounts."""
    from moray.cli.development_chain import DevelopmentChain
    from moray.contracts.addresses import read_addresses

    chain = DevelopmentChain(open_state_dir(state_dir))
    if not chain.url:
        raise ClusterError(f"no chain runs from {chain.directory}; start one with `moray chain up`")
    show(asyncio.run(describe(read_addresses(chain.file), chain.file)), as_json)


@app.command("down")
def down(
    forget: Annotated[bool, typer.Option("--forget", help="Delete its past too: the next `up` begins anew.")] = False,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Stop the chain; `moray chain up` goes on with it."""
    from moray.cli.development_chain import DevelopmentChain

    directory = open_state_dir(state_dir)
    with hold_lock(directory, LOCK), Console(stderr=True, quiet=as_json).status("stopping"):
        chain = DevelopmentChain(directory)
        count = chain.end()
        if forget:
            chain.forget()
    if as_json:
        print(json.dumps({"processes_ended": count}))
    else:
        Console(stderr=True).print("stopped" if count else "no chain ran", highlight=False)


async def describe(addresses: Addresses, file: Path) -> dict[str, Any]:
    from moray.cli.amounts import show_amount
    from moray.cli.chain_access import open_chain
    from moray.contracts.currency import Currency
    from moray.contracts.development_keys import DEVELOPMENT_KEYS

    async with open_chain(addresses) as chain:
        currency, accounts = Currency(chain, addresses.currency), []
        decimals, symbol = await currency.decimals(), await currency.symbol()
        for number, key in enumerate(DEVELOPMENT_KEYS):
            balance, wei = await currency.balance(key.address), await chain.balance_wei(key.address)
            accounts.append(
                {
                    "dev_account": number,
                    "address": key.address,
                    "balance": show_amount(balance, decimals),
                    "ether": show_amount(wei, 18),
                }
            )
        head = await chain.head()
    return {
        "url": addresses.rpc_urls[0],
        "chain_id": addresses.chain_id,
        "chain_block": head.number,
        "chain_file": str(file),
        "symbol": symbol,
        "contracts": {name: getattr(addresses, name) for name in CONTRACTS},
        "accounts": accounts,
    }


def show(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(shown), flush=True)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{shown['url']}  (chain {shown['chain_id']}, block {shown['chain_block']})")
    contracts = Table("contract", _address_column(), box=None)
    for name, address in shown["contracts"].items():
        contracts.add_row(name.replace("_", " "), address)
    accounts = Table("account", _address_column(), shown["symbol"], "ether", box=None)
    for account in shown["accounts"]:
        ether = account["ether"].partition(".")[0]
        accounts.add_row(str(account["dev_account"]), account["address"], account["balance"], ether)
    console.print(contracts)
    console.print(accounts)
    console.print(
        "Everybody knows these accounts' keys, and nothing here is worth anything. Commands find this chain by"
    )
    console.print(f"--chain {shown['chain_file']} and pay from an account with --dev-account N:", markup=False)
    console.print(f"  moray node stake 100 --dev-account 1 --chain {shown['chain_file']}", markup=False)


def _address_column() -> Column:
    """To be copied whole from a narrow terminal, too."""
    return Column("address", min_width=ADDRESS_CHARACTERS)
