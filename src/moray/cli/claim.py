"""``moray node claim``: the money that a node's vouchers promise, brought to its payee."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.amounts import show_amount
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.node_key import NodeKey


def claim(
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Claim what the node's vouchers promise and was not paid yet. Whoever pays the gas, the money goes to the
    node's payee. A channel that closes pays for 24 h more: claim every day."""
    addresses = read_chain(chain, state_dir)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)
    with Console(stderr=True, quiet=as_json).status("asking the chain"):
        paid, symbol, decimals = asyncio.run(claim_all(addresses, key, open_state_dir(state_dir)))
    amount = show_amount(sum(paid), decimals)
    if as_json:
        print(json.dumps({"claimed": amount, "symbol": symbol, "channels": len(paid)}))
    else:
        text = f"claimed {amount} {symbol} from {len(paid)} channels" if paid else "nothing to claim"
        Console(stderr=True, highlight=False).print(text)


async def claim_all(addresses: Addresses, key: NodeKey, folder: Path) -> tuple[list[int], str, int]:
    """What each channel paid, in base units; the currency's symbol and decimals. Vouchers of other chains are left."""
    from moray.contracts.channels import PaymentChannels
    from moray.contracts.currency import Currency
    from moray.contracts.deploy import check_deployed
    from moray.nodes.voucher_book import VoucherBook

    held, paid = VoucherBook(folder).held(), list[int]()
    async with open_chain(addresses) as chain:
        await check_deployed(chain, addresses)
        channels, currency = PaymentChannels(chain, addresses.payment_channels), Currency(chain, addresses.currency)
        async with open_sender(chain, key, folder) as sender:
            for voucher in held:
                if channels.id_of(voucher.as_channel()) != voucher.channel:
                    continue
                state = await channels.state(voucher.channel)
                due = min(voucher.cumulative, state.deposited) - state.paid
                if due > 0:
                    call = channels.claim(voucher.as_channel(), voucher.as_voucher(), voucher.signature)
                    await sender.send(f"claim {voucher.channel.hex()} up to {state.paid + due}", call)
                    paid.append(due)
        return paid, await currency.symbol(), await currency.decimals()
