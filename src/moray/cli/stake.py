"""``moray node stake``, ``unbond``, ``withdraw`` and ``unjail``: what an operator puts at risk for a node.

The operator's key is cold: it stakes, and nothing that runs needs it. The node's own key only signs, once, that it is
this operator's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moray.cli.accounts import AccountOption, DevAccountOption
from moray.cli.chain_access import ChainOption, read_chain
from moray.cli.key import keystore_path
from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile, password
from moray.cli.stake_desk import Desk, Payer, Report, act_and_show, look, show_stake, unbonding_of
from moray.errors import StakeRefused
from moray.network_manifest import NO_SLASHER

if TYPE_CHECKING:
    from moray.contracts.staking import StakeView

NodeKeystore = Annotated[
    Path | None, typer.Option("--node-keystore", metavar="FILE", help="The node's key; keys/node.json in --state-dir.")
]
NodePasswordFile = Annotated[
    Path | None, typer.Option("--node-password-file", metavar="FILE", help="Its password, to register; mode 0600.")
]
SlasherOption = Annotated[
    str, typer.Option("--slasher", metavar="ADDRESS", help="Stake that this contract can take; free stake otherwise.")
]


def stake(
    amount: Annotated[
        str, typer.Argument(metavar="[AMOUNT]", help="To add, in units of the currency; nothing: only look.")
    ] = "",
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    node_password_file: NodePasswordFile = None,
    slasher: SlasherOption = NO_SLASHER,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Register the node if it is not yet, and add to its stake; without AMOUNT show what is at stake."""
    from moray.key_file import load_key, read_address

    path = keystore_path(node_keystore, state_dir)

    async def act(desk: Desk, report: Report) -> StakeView:
        wanted, view = desk.amount(amount), await desk.staking.view(desk.signer, desk.slasher)
        if view is None:
            report("opening the node's key")
            node_key = load_key(path, password(node_password_file, f"Password of {path}: ", "--node-password-file"))
            await desk.check_funds(wanted)
            report("registering the node")
            node_id = await desk.staking.register(desk.operator, node_key)
        else:
            desk.check_own(view)
            await desk.check_funds(wanted)
            node_id = view.node.node_id
        await desk.staking.deposit(node_id, wanted, desk.slasher, report)
        return await desk.view()

    if amount:
        act_and_show(act, Payer(chain, keystore, password_file, dev_account), path, slasher, state_dir, as_json)
        return
    signer = read_address(path)
    view, money = asyncio.run(look(read_chain(chain, state_dir), signer, slasher))
    if view is None:
        raise StakeRefused(f"{signer} signs for no node; register it with `moray node stake AMOUNT`")
    show_stake(view, money, as_json)


def unbond(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In units of the registry's currency, as 12.5.")],
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    slasher: SlasherOption = NO_SLASHER,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Begin to take stake back: slashable until its clock has run out, which more unbonding starts anew."""

    async def act(desk: Desk, report: Report) -> StakeView:
        view = await desk.view()
        desk.check_own(view)
        wanted = desk.amount(amount)
        if wanted > view.stake.bonded:
            raise StakeRefused(f"{desk.money.show(view.stake.bonded)} can be unbonded, not {amount}; give less")
        report("unbonding")
        await desk.staking.unbond(view.node.node_id, desk.slasher, wanted)
        return await desk.view()

    path = keystore_path(node_keystore, state_dir)
    act_and_show(act, Payer(chain, keystore, password_file, dev_account), path, slasher, state_dir, as_json)


def allot(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Of the free stake, in units of the currency.")],
    slasher: Annotated[str, typer.Option("--slasher", metavar="ADDRESS", help="The contract that can take it then.")],
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Let a slasher take part of the free stake from now on; to leave it again takes the unbonding time."""

    async def act(desk: Desk, report: Report) -> StakeView:
        free = await desk.staking.view(desk.signer, NO_SLASHER)
        wanted = desk.amount(amount)
        if free is not None:
            desk.check_own(free)
            if wanted > free.stake.bonded:
                raise StakeRefused(f"{desk.money.show(free.stake.bonded)} are free, not {amount}; give less")
            report("allotting")
            await desk.staking.allot(free.node.node_id, desk.slasher, wanted)
        return await desk.view()

    path = keystore_path(node_keystore, state_dir)
    act_and_show(act, Payer(chain, keystore, password_file, dev_account), path, slasher, state_dir, as_json)


def withdraw(
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    slasher: SlasherOption = NO_SLASHER,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Pay out to the operator what has finished unbonding and whatever else the registry owes it."""

    async def act(desk: Desk, report: Report) -> StakeView:
        view = await desk.view()
        if not await desk.staking.withdraw(view, desk.slasher, report):
            raise StakeRefused(f"nothing can be withdrawn: {unbonding_of(view, desk.money)}")
        return await desk.view()

    path = keystore_path(node_keystore, state_dir)
    act_and_show(act, Payer(chain, keystore, password_file, dev_account), path, slasher, state_dir, as_json)


def unjail(
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a jailed node is mended, after its time."""

    async def act(desk: Desk, report: Report) -> StakeView:
        view = await desk.view()
        desk.check_own(view)
        report("unjailing")
        await desk.staking.unjail(view.node.node_id)
        return await desk.view()

    path = keystore_path(node_keystore, state_dir)
    act_and_show(act, Payer(chain, keystore, password_file, dev_account), path, NO_SLASHER, state_dir, as_json)
