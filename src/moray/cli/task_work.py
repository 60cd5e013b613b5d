"""``moray task work``: serve tasks from the chain with a network that runs, and be paid for them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.chain_access import OUTBOX, ChainOption, open_chain, read_chain
from moray.cli.network import JsonOption, StateDir, terminated_as_interrupt
from moray.cli.passwords import PasswordFile
from moray.errors import BadSetting
from moray.nodes.state import open_state_dir, read_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from moray.contracts.addresses import Addresses
    from moray.node_key import NodeKey
    from moray.router.task_settings import TaskSettings
    from moray.router.task_worker import Told

ANSWER_PATIENCE_S = 600.0  # for one answer of the gateway


def work(
    gateway: Annotated[
        str, typer.Option("--gateway", metavar="URL", help="Which network answers; the one of --state-dir otherwise.")
    ] = "",
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="Its model; as `moray up` was told otherwise."),
    ] = None,
    content_url: Annotated[
        str, typer.Option("--content-url", metavar="URL", help="Where others reach the gateway, for long answers.")
    ] = "",
    eth_price: Annotated[
        str | None, typer.Option("--eth-price", metavar="AMOUNT", help="What one ETH is worth in the currency.")
    ] = None,
    max_bond: Annotated[
        str | None, typer.Option("--max-bond", metavar="AMOUNT", help="What one task may put at stake.")
    ] = None,
    margin: Annotated[
        str | None, typer.Option("--margin", metavar="AMOUNT", help="What must be left of a fee after gas.")
    ] = None,
    withdraw_above: Annotated[
        str | None, typer.Option("--withdraw-above", metavar="AMOUNT", help="What may pile up; all of it when idle.")
    ] = None,
    resolvers: Annotated[
        str | None,
        typer.Option("--resolvers", metavar="ADDRESSES", help="Judges that are trusted; the chain file's otherwise."),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Of one answer.")] = None,
    max_tasks: Annotated[int | None, typer.Option("--max-tasks", min=1, help="Accepted and not delivered.")] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also fetch specifications from addresses that are not public.")
    ] = False,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Accept tasks that pay, answer them, deliver and collect, until Ctrl-C. Killed at any moment, it goes on where it
    was when it is started again. More settings: MORAY_TASK_* in the environment."""
    from moray.router.task_settings import read_task_settings

    settings = read_task_settings(
        eth_price=eth_price,
        max_bond=max_bond,
        margin=margin,
        withdraw_above=withdraw_above,
        resolvers=resolvers,
        max_tokens=max_tokens,
        max_tasks=max_tasks,
    )
    addresses = read_chain(chain, state_dir)
    folder = open_state_dir(state_dir)
    record = read_state(folder)
    url = gateway or (record.url if record is not None else "")
    if not url:
        raise BadSetting(f"no network runs from {folder}; give --gateway URL, or start one with `moray up`")
    model = model or (record.model_path if record is not None else None)
    if model is None:
        raise BadSetting("the gateway's model is not known; give --model DIR")
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)
    tell = teller(as_json)
    with terminated_as_interrupt():
        asyncio.run(serve(addresses, key, settings, folder, model, url, content_url or url, allow_private, tell))


async def serve(
    addresses: Addresses,
    key: NodeKey,
    settings: TaskSettings,
    folder: Path,
    model: Path,
    gateway_url: str,
    content_url: str,
    allow_private: bool,
    tell: Callable[[Told], None],
) -> None:
    """Until it is cancelled. ``folder`` is the state directory."""
    from moray.architecture import read_architecture
    from moray.contracts.currency import Currency
    from moray.contracts.cursor import EventCursor
    from moray.contracts.deploy import check_deployed
    from moray.contracts.market import TaskMarket
    from moray.contracts.outbox import Outbox
    from moray.contracts.sender import Sender
    from moray.guarded_http import Fetcher
    from moray.router.contents import CONTENT_FOLDER, ContentStore
    from moray.router.task_acts import Parts, TaskActs
    from moray.router.task_gateway import TaskGateway
    from moray.router.task_store import TaskStore
    from moray.router.task_worker import TaskWorker
    from moray.router.tokenizer import ModelTokenizer

    database_url = settings.database.get_secret_value() or f"sqlite:///{folder / OUTBOX}"
    architecture, tokenizer = read_architecture(model), ModelTokenizer.load(model)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(open_chain(addresses))
        await check_deployed(chain, addresses)
        currency = Currency(chain, addresses.currency)
        limits = settings.limits(await currency.decimals(), chain.confirmations, addresses.resolver)
        outbox = stack.enter_context(closing(Outbox(database_url)))
        gateway = TaskGateway(gateway_url, ANSWER_PATIENCE_S)
        stack.push_async_callback(gateway.close)
        market = TaskMarket(chain, addresses.task_market)
        parts = Parts(
            chain=chain,
            market=market,
            currency=currency,
            outbox=outbox,
            sender=await stack.enter_async_context(Sender(outbox, chain, key)),
            cursor=stack.enter_context(
                closing(
                    EventCursor(
                        chain,
                        database_url,
                        f"task worker {key.address} {addresses.task_market}",
                        [addresses.task_market],
                        market.event_topics(),
                        addresses.deployed_at_block,
                    )
                )
            ),
            store=stack.enter_context(closing(TaskStore(database_url))),
            contents=ContentStore(folder / CONTENT_FOLDER),
            gateway=gateway,
            tokenizer=tokenizer,
            architecture=architecture,
            fetch=Fetcher(allow_private).get,
            content_url=content_url.rstrip("/"),
        )
        worker = TaskWorker(TaskActs(key.address, parts), limits, settings.poll_s, tell)
        await worker.run()


def teller(as_json: bool) -> Callable[[Told], None]:
    """One line for each step, on stdout as JSON or on stderr for people."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

    def tell(told: Told) -> None:
        if as_json:
            task = f"0x{told.task_id.hex()}" if told.task_id is not None else None
            print(json.dumps({"step": told.step, "task": task, "text": told.text}), flush=True)
        else:
            subject = f"task 0x{told.task_id[:4].hex()}.." if told.task_id is not None else "account"
            console.print(f"{subject}: {told.step}: {told.text}")

    return tell
