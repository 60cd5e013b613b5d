"""What the commands about a node's stake share: chain, registry, the operator's account, and how a stake is shown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from moray.cli.accounts import open_account
from moray.cli.amounts import parse_amount, show_amount
from moray.cli.chain_access import open_chain, open_sender, read_chain
from moray.errors import BadSetting, StakeRefused
from moray.network_manifest import NO_SLASHER

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.staking import StakeView, Staking
    from moray.node_key import NodeKey

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Payer:
    """Which chain, and whose account on it, as a command's options name them."""

    chain: Path | None
    keystore: Path | None
    password_file: Path | None
    dev_account: int | None


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

    async def check_funds(self, amount: int) -> None:
        """Raises StakeRefused."""
        balance = await self.staking.currency.balance(self.operator)
        if balance < amount:
            has, needs = self.money.show(balance), self.money.show(amount)
            raise StakeRefused(f"{self.operator} has {has} of {needs}; send it more, or stake less")

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


Action = Callable[[Desk, Report], Awaitable["StakeView"]]


@asynccontextmanager
async def open_desk(
    addresses: Addresses, key: NodeKey | None, signer: str, slasher: str, state_dir: Path | None
) -> AsyncIterator[Desk]:
    """``key`` None: only to look. Raises what opening a chain raises, and ContractMissing."""
    from moray.contracts.deploy import check_deployed
    from moray.contracts.staking import Staking

    async with open_chain(addresses) as chain:
        await check_deployed(chain, addresses)
        currency = Staking(chain, addresses).currency
        money = Money(await currency.decimals(), await currency.symbol())
        if key is None:
            yield Desk(Staking(chain, addresses), money, "", signer, slasher)
            return
        if slasher != NO_SLASHER and not await chain.has_code(slasher):
            raise BadSetting(f"--slasher {slasher} is no contract on chain {chain.chain_id}; correct it")
        async with open_sender(chain, key, state_dir) as sender:
            yield Desk(Staking(chain, addresses, sender), money, key.address, signer, slasher)


def act_and_show(
    act: Action, payer: Payer, node_keystore: Path, slasher: str, state_dir: Path | None, as_json: bool
) -> None:
    """Do it on the payer's account, and show the stake as it is then."""
    from moray.ethereum import is_checksum_address
    from moray.key_file import read_address

    if not is_checksum_address(slasher):
        raise BadSetting(f"--slasher {slasher!r} is no address with its EIP-55 checksum; correct it")
    addresses, signer = read_chain(payer.chain, state_dir), read_address(node_keystore)
    key = open_account(addresses.chain_id, payer.keystore, payer.password_file, payer.dev_account)

    async def run(report: Report) -> tuple[StakeView, Money]:
        async with open_desk(addresses, key, signer, slasher, state_dir) as desk:
            return await act(desk, report), desk.money

    with Console(stderr=True, quiet=as_json).status("asking the chain") as line:
        view, money = asyncio.run(run(lambda text: line.update(text)))
    show_stake(view, money, as_json)


async def look(addresses: Addresses, signer: str, slasher: str) -> tuple[StakeView | None, Money]:
    """What a node has at stake; None where ``signer`` signs for none."""
    async with open_desk(addresses, None, signer, slasher, None) as desk:
        return await desk.staking.view(signer, slasher), desk.money


def show_stake(view: StakeView, money: Money, as_json: bool) -> None:
    if as_json:
        print(json.dumps(stake_fields(view, money)))
        return
    for line in stake_lines(view, money):
        Console(highlight=False, soft_wrap=True).print(line, markup=False)


def stake_fields(view: StakeView, money: Money) -> dict[str, Any]:
    """Amounts in units of the currency; times are Unix seconds, of which 0 is none."""
    amounts = {"bonded": view.node.bonded, "unbonding": view.stake.unbonding, "owed": view.owed}
    return {
        "node_id": view.node.node_id,
        "operator": view.node.operator,
        "signer": view.node.signer,
        **{name: show_amount(amount, money.decimals) for name, amount in amounts.items()},
        "symbol": money.symbol,
        "unbonds_at": view.stake.unbonds_at,
        "jailed_until": view.node.jailed_until,
    }


def stake_lines(view: StakeView, money: Money) -> list[str]:
    node = view.node
    lines = [
        f"node {node.node_id}, operated by {node.operator}, signs as {node.signer}",
        f"bonded {money.show(node.bonded)}, {unbonding_of(view, money)}",
    ]
    if view.owed:
        lines.append(f"{money.show(view.owed)} can be withdrawn now: `moray node withdraw`")
    if node.jailed_until:
        when = f"{spell_s(node.jailed_until - view.now)} from now" if node.jailed_until > view.now else "now"
        lines.append(f"jailed: it may join again after `moray node unjail`, which can be said {when}")
    return lines


def unbonding_of(view: StakeView, money: Money) -> str:
    """And its clock, which is the chain's."""
    if not view.stake.unbonding:
        return "nothing is unbonding"
    unbonding = f"{money.show(view.stake.unbonding)} unbonding"
    if view.is_released:
        return f"{unbonding}, finished: `moray node withdraw`"
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(view.stake.unbonds_at))
    left = spell_s(view.stake.unbonds_at - view.now)
    return f"{unbonding}, slashable until {until}, {left} from now, then `moray node withdraw`"


def spell_s(duration_s: int) -> str:
    """Two units are exact enough: ``13 d 23 h``, ``5 min 3 s``."""
    parts = []
    for name, unit_s in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, duration_s = divmod(duration_s, unit_s)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
