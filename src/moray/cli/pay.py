"""``moray pay``: the process that pays nodes of other operators for the rows that they computed for a router."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.amounts import parse_amount
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.network import JsonOption, StateDir, terminated_as_interrupt
from moray.cli.passwords import PasswordFile
from moray.errors import BadSetting, ClusterError
from moray.nodes.state import WIRE_TOKEN, ensure_token, hold_lock, open_state_dir, read_state

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.node_key import NodeKey
    from moray.router.payer import Paid


def pay(
    budget: Annotated[
        str, typer.Option("--budget", metavar="AMOUNT", help="The most to deposit, for all nodes together, ever.")
    ] = "",
    deposit: Annotated[
        str, typer.Option("--deposit", metavar="AMOUNT", help="What goes into a node's channel at a time.")
    ] = "1",
    is_closing: Annotated[
        bool,
        typer.Option("--close", help="Close all channels instead; again 24 h later, fetch what is left in them."),
    ] = False,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Pay the nodes of the router in --state-dir (`moray up --row-price`) for what they computed, until Ctrl-C. Killed
    at any moment, it goes on where it was when it is started again."""
    from moray.router.pay_store import PAY_LOCK

    folder, addresses = open_state_dir(state_dir), read_chain(chain, state_dir)
    record = read_state(folder)
    if record is None and not is_closing:
        raise ClusterError(f"no network runs from {folder}; start one with `moray up --row-price`")
    if not budget and not is_closing:
        raise BadSetting("nothing may be deposited yet; say how much in all: --budget AMOUNT")
    url = record.url if record is not None else ""
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)
    token = bytes.fromhex(ensure_token(folder, WIRE_TOKEN))
    with terminated_as_interrupt(), hold_lock(folder, PAY_LOCK):
        asyncio.run(serve(addresses, key, folder, url, token, budget, deposit, is_closing, teller(as_json)))


async def serve(
    addresses: Addresses,
    key: NodeKey,
    folder: Path,
    url: str,
    token: bytes,
    budget: str,
    deposit: str,
    is_closing: bool,
    tell: Callable[[Paid], None],
) -> None:
    """Until it is cancelled; channels are closed at once."""
    from moray.contracts.channels import PaymentChannels
    from moray.contracts.currency import Currency
    from moray.contracts.deploy import check_deployed
    from moray.router.payer import Payer, RouterDoor

    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(open_chain(addresses))
        await check_deployed(chain, addresses)
        currency = Currency(chain, addresses.currency)
        decimals = await currency.decimals()
        amounts = [parse_amount(deposit, decimals, "--deposit"), parse_amount(budget or deposit, decimals, "--budget")]
        if not 0 < amounts[0] <= amounts[1]:
            raise BadSetting("--deposit must be above 0 and not above --budget; correct one of them")
        sender = await stack.enter_async_context(open_sender(chain, key, folder))
        door = RouterDoor(url, token)
        stack.push_async_callback(door.close)
        channels = PaymentChannels(chain, addresses.payment_channels)
        payer = Payer(key, door, channels, currency, sender, folder, amounts[0], amounts[1], tell)
        await (payer.close() if is_closing else payer.run())


def teller(as_json: bool) -> Callable[[Paid], None]:
    """One line for each step, on stdout as JSON or on stderr for people. Amounts are base units."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

    def tell(paid: Paid) -> None:
        if as_json:
            print(
                json.dumps({"step": paid.step, "node": paid.node, "amount": paid.amount, "text": paid.text}), flush=True
            )
        else:
            console.print(f"{paid.node or 'router'}: {paid.step} {paid.amount or ''} {paid.text}".rstrip())

    return tell
