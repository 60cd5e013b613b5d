"""``moray task watch`` and ``moray task judge``: processes that keep an eye on what others submit."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.amounts import parse_amount
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.ids import checked_address, show_id
from moray.cli.network import JsonOption, StateDir, terminated_as_interrupt
from moray.cli.passwords import PasswordFile
from moray.errors import BadSetting
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.chain import Chain
    from moray.contracts.cursor import EventCursor
    from moray.router.task_examiner import Examiner
    from moray.router.task_log import KnownTask
    from moray.router.task_watcher import Tell

CURSORS = "cursors.db"  # in the state directory

AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Also fetch long contents from addresses that are not public.")
]
PollOption = Annotated[float, typer.Option("--poll", min=0.1, metavar="S", help="Seconds between looks at the chain.")]


def watch(
    model: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="Judge every submitted result of this sharded folder.")
    ] = None,
    of_client: Annotated[str, typer.Option("--client", metavar="ADDRESS", help="Only this client's tasks.")] = "",
    is_challenging: Annotated[
        bool, typer.Option("--challenge", help="Challenge what is judged invalid, with a bond of the account's.")
    ] = False,
    max_bond: Annotated[
        str, typer.Option("--max-bond", metavar="AMOUNT", help="The highest bond to put up for one challenge.")
    ] = "",
    allow_private: AllowPrivate = False,
    poll_s: PollOption = 1.0,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Follow tasks until Ctrl-C. With --model read every submitted answer again; with --challenge act on it."""
    if is_challenging and (model is None or not max_bond):
        raise BadSetting("--challenge needs --model DIR to judge with and --max-bond AMOUNT")
    addresses = read_chain(chain, state_dir)
    client = checked_address(of_client, "--client") if of_client else ""
    key = open_account(addresses.chain_id, keystore, password_file, dev_account) if is_challenging else None

    async def inside() -> None:
        from moray.contracts.currency import Currency
        from moray.contracts.market import TaskMarket
        from moray.router.task_following import follow
        from moray.router.task_watcher import Challenging, TaskWatcher

        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(open_chain(addresses))
            market, currency = TaskMarket(opened, addresses.task_market), Currency(opened, addresses.currency)
            challenging = None
            if key is not None:
                highest = parse_amount(max_bond, await currency.decimals(), "--max-bond")
                sender = await stack.enter_async_context(open_sender(opened, key, state_dir))
                challenging = Challenging(sender, market, currency, highest)
            examiner = load_examiner(model, allow_private) if model is not None else None
            watcher = TaskWatcher(examiner, challenging, teller(as_json), client)
            await follow(market, market_cursor(opened, addresses, state_dir, "watch"), poll_s, watcher.see)

    with terminated_as_interrupt():
        asyncio.run(inside())


def judge(
    model: Annotated[Path, typer.Option("--model", metavar="DIR", help="The sharded folder to read answers with.")],
    verdicts: Annotated[
        Path | None,
        typer.Option("--verdicts", metavar="DIR", help="Where members share what they signed, if one is not enough."),
    ] = None,
    allow_private: AllowPrivate = False,
    poll_s: PollOption = 1.0,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Judge challenged tasks of the chain file's resolver until Ctrl-C, as one of its members."""
    addresses = read_chain(chain, state_dir)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def inside() -> None:
        from moray.contracts.market import TaskMarket
        from moray.contracts.resolver import Resolver
        from moray.contracts.verdicts import VerdictFolder
        from moray.router.resolver_member import Bench, ResolverMember
        from moray.router.task_following import follow

        folder = VerdictFolder(verdicts) if verdicts is not None else None
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(open_chain(addresses))
            market = TaskMarket(opened, addresses.task_market)
            bench = await Bench.of(Resolver(opened, addresses.resolver), key.address, folder)
            examiner = load_examiner(model, allow_private)
            sender = await stack.enter_async_context(open_sender(opened, key, state_dir))
            member = ResolverMember(key, bench, market, examiner, sender, teller(as_json))
            cursor = market_cursor(opened, addresses, state_dir, f"judge {key.address}")
            await follow(market, cursor, poll_s, member.see)

    with terminated_as_interrupt():
        asyncio.run(inside())


def teller(as_json: bool) -> Tell:
    """One line for people, or one JSON object, for each thing that happens."""
    console = Console(soft_wrap=True, highlight=False, markup=False)

    def tell(known: KnownTask, what: str, **facts: object) -> None:
        if as_json:
            print(json.dumps({"id": show_id(known.id), "event": what, **facts}), flush=True)
        else:
            named = ", ".join(f"{name} {fact}" for name, fact in facts.items())
            console.print(f"{show_id(known.id)} {what}{': ' if named else ''}{named}")

    return tell


def market_cursor(chain: Chain, addresses: Addresses, state_dir: Path | None, name: str) -> EventCursor:
    """All events of the market since it is there; ``name`` is one reader's, who finds on where it was."""
    from moray.contracts.cursor import EventCursor

    database = f"sqlite:///{open_state_dir(state_dir) / CURSORS}"
    return EventCursor(chain, database, name, [addresses.task_market], [], addresses.deployed_at_block)


def load_examiner(model: Path, allow_private: bool) -> Examiner:
    """Takes seconds. Raises BadCheckpoint."""
    from moray.experts.source import open_model
    from moray.guarded_http import Fetcher
    from moray.router.judge import Judge
    from moray.router.task_examiner import Examiner

    return Examiner(Judge(open_model(model)), Fetcher(allow_private).get)
