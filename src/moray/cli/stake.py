"""``moray node stake``, ``unbond``, ``withdraw`` and ``unjail``: what an operator puts at risk for a node.

The operator's key is cold: it stakes, and nothing that runs needs it. The node's own key only signs, once, that it is
this operator's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.amounts import parse_amount, show_amount
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.key import keystore_path
from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile, password
from moray.errors import BadSetting, StakeRefused
from moray.network_manifest import NO_SLASHER

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.staking import Staking, StakeView

NodeKeystore = Annotated[
    Path | None, typer.Option("--node-keystore", metavar="FILE", help="The node's key; keys/node.json in --state-dir.")
]
NodePasswordFile = Annotated[
    Path | None, typer.Option("--node-password-file", metavar="FILE", help="Its password, to register; mode 0600.")
]
SlasherOption = Annotated[
    str, typer.Option("--slasher", metavar="ADDRESS", help="Stake that this contract can take; free stake otherwise.")
]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In units of the registry's currency, as 12.5.")]


@dataclass(frozen=True, slots=True)
class Money:
    """How a currency's amounts are written."""

    decimals: int
    symbol: str

    def show(self, amount: int) -> str:
        return f"{show_amount(amount, self.decimals)} {self.symbol}"


@dataclass(frozen=True, slots=True)
class Desk:
    """All that a command needs to do something about a node's stake."""

    staking: Staking
    money: Money
    operator: str  # whose account pays; empty: only looking
    signer: str
    slasher: str

    async def view(self) -> StakeView:
        """Raises StakeRefused where the node is not registered."""
        view = await self.staking.view(self.signer, self.slasher)
        if view is None:
            raise StakeRefused(f"{self.signer} signs for no node; register it with `moray node stake AMOUNT`")
        return view

    def amount(self, text: str) -> int:
        amount = parse_amount(text, self.money.decimals, "AMOUNT")
        if not 0 < amount < 1 << 128:
            raise BadSetting(f"AMOUNT {text} is nothing that can be staked; give a number above 0")
        return amount

    def check_own(self, view: StakeView) -> None:
        """Raises StakeRefused where another operator's money or say would be concerned."""
        if view.node.operator != self.operator:
            raise StakeRefused(
                f"node {view.node.node_id} is operated by {view.node.operator}, not by {self.operator}; "
                "give that account's key"
            )


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
    from moray.nodes.identity import load_key

    def node_key() -> Any:
        path = keystore_path(node_keystore, state_dir)
        return load_key(path, password(node_password_file, f"Password of {path}: ", "--node-password-file"))

    async def add(desk: Desk, report: Callable[[str], None]) -> StakeView:
        wanted, view = desk.amount(amount), await desk.staking.view(desk.signer, desk.slasher)
        if view is None:
            report("registering the node")
            node_id = await desk.staking.register(desk.operator, node_key())
        else:
            desk.check_own(view)
            node_id = view.node.node_id
        await desk.staking.deposit(desk.operator, node_id, wanted, desk.slasher, report)
        return await desk.view()

    async def look(desk: Desk, report: Callable[[str], None]) -> StakeView:
        return await desk.view()

    account = Account(chain, keystore, password_file, dev_account) if amount else Account(chain)
    _at_desk(add if amount else look, account, node_keystore, slasher, state_dir, as_json)


def unbond(
    amount: Amount,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    node_keystore: NodeKeystore = None,
    slasher: SlasherOption = NO_SLASHER,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Begin to take stake back. It stays slashable until its clock has run out; more unbonding starts the clock anew."""

    async def act(desk: Desk, report: Callable[[str], None]) -> StakeView:
        view = await desk.view()
        desk.check_own(view)
        report("unbonding")
        await desk.staking.unbond(view, desk.slasher, desk.amount(amount))
        return await desk.view()

    account = Account(chain, keystore, password_file, dev_account)
    _at_desk(act, account, node_keystore, slasher, state_dir, as_json)


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

    async def act(desk: Desk, report: Callable[[str], None]) -> StakeView:
        view = await desk.view()
        if not await desk.staking.withdraw(view, desk.slasher, report):
            raise StakeRefused(f"nothing can be withdrawn: {describe_unbonding(view, desk.money)}; come back then")
        return await desk.view()

    account = Account(chain, keystore, password_file, dev_account)
    _at_desk(act, account, node_keystore, slasher, state_dir, as_json)


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

    async def act(desk: Desk, report: Callable[[str], None]) -> StakeView:
        view = await desk.view()
        desk.check_own(view)
        report("unjailing")
        await desk.staking.unjail(view.node.node_id)
        return await desk.view()

    account = Account(chain, keystore, password_file, dev_account)
    _at_desk(act, account, node_keystore, NO_SLASHER, state_dir, as_json)


@dataclass(frozen=True, slots=True)
class Account:
    """Which chain, and whose key on it as the options name it; none: only looking."""

    chain: Path | None
    keystore: Path | None = None
    password_file: Path | None = None
    dev_account: int | None = None
    is_paying: bool = True


def _at_desk(
    act: Callable[[Desk, Callable[[str], None]], Awaitable[StakeView]],
    account: Account,
    node_keystore: Path | None,
    slasher: str,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Do it, and show the stake as it is then."""
    ...
